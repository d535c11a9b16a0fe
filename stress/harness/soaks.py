"""Soaks of single parts: the ring between two processes, and one shard of the flow table."""

import os
import random
import signal
import time

import numpy as np
from numba import njit

from engine.config import PANE_NS, SECOND_NS
from engine.flows.check import check
from engine.layouts import END
from engine.memory.atomics import pause
from engine.memory.mixing import splitmix
from engine.memory.options import KERNEL
from engine.rings import spsc
from engine.rings.ring import Ring
from engine.rings.segment import segment_name
from stress.harness.outcome import (
    ACCEPTABLE,
    FORBIDDEN,
    INTERESTING,
    Found,
    Outcome,
    Scenario,
    Trial,
)
from tests.unit.flows.driving import Shard, control, packet, packets_in

RECORDS = 300_000
RING_S_MAX = 60.0
_TRIES = 1 << 14  # Of a kernel, before it gives its core away.
_TAKEN, _NEXT, _WRONG, _LEFT, _SEEN_WORDS = range(5)
_GAPS_NS = (0, 1, 1000, SECOND_NS, PANE_NS - 1, PANE_NS, 119 * SECOND_NS, 120 * SECOND_NS)
_PACKETS = 3000
_START_NS = 1_700_000_000 * SECOND_NS


@njit(**KERNEL)
def produce(header, slots, state, count, write_first):
    """Send records of a counted pattern in batches of a drawn size, up to sequence `count`.

    `write_first` is 0 in the broken twin: it publishes before it has written.
    """
    capacity = header[spsc.CAPACITY]
    for _ in range(_TRIES):
        tail = header[spsc.TAIL]  # Plain: the producer is the only writer of its own line.
        if tail == count:
            return state
        state = splitmix(state)
        batch = min(1 + (state >> 8 & 0xFFFF) % capacity, count - tail)
        first = spsc.claim(header, batch)
        if first == spsc.FULL:
            pause()
            continue
        if not write_first:
            spsc.publish(header, first + batch)
        for sequence in range(first, first + batch):
            value = splitmix(sequence)
            for word in range(slots.shape[1]):
                slots[sequence & (capacity - 1), word] = value + word
        if write_first:
            spsc.publish(header, first + batch)
    return state


@njit(**KERNEL)
def consume(header, slots, state, seen):
    """Take records in batches of a drawn size; count in `seen` what was not what was sent."""
    capacity = header[spsc.CAPACITY]
    for _ in range(_TRIES):
        first, readable = spsc.peek(header)
        if readable == 0:
            pause()
            continue
        state = splitmix(state)
        batch = min(readable, 1 + (state >> 8 & 0xFFFF) % capacity)
        seen[_LEFT] += np.int64(first != seen[_NEXT])
        for sequence in range(first, first + batch):
            value = splitmix(sequence)
            wrong = 0
            for word in range(slots.shape[1]):
                wrong |= np.int64(slots[sequence & (capacity - 1), word] != value + word)
            seen[_WRONG] += wrong
        seen[_TAKEN] += batch
        seen[_NEXT] = first + batch
        spsc.release(header, first + batch)
    return state


def ring_run(dice: random.Random, write_first: int = 1, records: int = RECORDS) -> list[Found]:
    """Send records from a process of its own; return what came of them."""
    run = f"soak{os.getpid():x}n{dice.getrandbits(32):x}"
    ring = Ring.create(segment_name(run, "rows"), "rows", 1 << dice.randrange(1, 11), 64)
    try:
        # First and last sequences: from the beginning, and across 2^31 and 2^32.
        begin = dice.choice((0, (1 << 31) - 1000, (1 << 32) - 1000, (1 << 62) - records))
        for word in (spsc.TAIL, spsc.HEAD, spsc.HEAD_SEEN, spsc.TAIL_SEEN):
            ring.header[word] = begin  # Plain: nobody else has the ring yet.
        states = dice.getrandbits(60), dice.getrandbits(60)
        produce(ring.header, ring.slots, 1, begin, 1)  # Both are compiled before the fork.
        consume_nothing(ring)
        child = os.fork()
        if child == 0:
            _produce_all(ring, states[0], begin + records, write_first)
        try:
            seen = _consume_all(ring, states[1], begin, records)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        ring.check()
        return _ring_found(seen, records, ring.capacity)
    finally:
        ring.segment.unlink()
        ring.segment.close()


def consume_nothing(ring: Ring) -> None:
    """Have the consumer compiled."""
    seen = np.zeros(_SEEN_WORDS, np.int64)
    consume(ring.header, ring.slots, 1, seen)
    assert seen[_TAKEN] == 0, "the ring was not empty"


def _produce_all(ring: Ring, state: int, end: int, write_first: int) -> None:
    """Be the producer; never returns."""
    try:
        while int(ring.header[spsc.TAIL]) != end:  # Plain: this process is its only writer.
            state = produce(ring.header, ring.slots, state, end, write_first)
            os.sched_yield()
        signal.pause()
    finally:
        os._exit(1)


def _consume_all(ring: Ring, state: int, begin: int, records: int) -> np.ndarray:
    seen = np.zeros(_SEEN_WORDS, np.int64)
    seen[_NEXT] = begin
    end_s = time.monotonic() + RING_S_MAX
    while seen[_TAKEN] < records and time.monotonic() < end_s:
        state = consume(ring.header, ring.slots, state, seen)
        os.sched_yield()
    return seen


def _ring_found(seen: np.ndarray, records: int, capacity: int) -> list[Found]:
    told = f"{int(seen[_TAKEN]):,} of {records:,}, capacity {capacity}"
    found = [("torn", f"{int(seen[_WRONG])} records, {told}")] if seen[_WRONG] else []
    if seen[_LEFT]:
        found.append(("out of order", told))
    if seen[_TAKEN] != records:
        found.append(("late" if seen[_TAKEN] < records else "doubled", told))
    return found or [("exact", told)]


def _ring_soak(trial: Trial) -> list[Found]:
    return ring_run(trial.dice)


def table_run(dice: random.Random, harm=None) -> list[Found]:
    """Drive one shard through begins, silences, floods and its end; check it after each batch.

    `harm` is for tests: called with the shard in the middle, it breaks something.
    """
    rows = dice.choice((64, 100, 1000))
    shard = Shard(rows, flow_idle_timeout=dice.choice(("5 s", "120 s", "off")))
    now, given, ended = _START_NS, 0, 0
    try:
        while given < _PACKETS:
            count = dice.randrange(1, 200)
            span = dice.choice((5, rows // 2, 2 * rows, 1 << 16))
            records = []
            for _ in range(count):
                now += dice.choice(_GAPS_NS) if dice.randrange(20) == 0 else dice.randrange(1000)
                flags = dice.choice((0x02, 0x10, 0x11, 0x04, 0x18))
                back = bool(dice.randrange(2))
                records.append(packet(now, dice.randrange(span), back, flags=flags))
            given += count
            ended += packets_in(shard.send(*records))
            if harm is not None and given > _PACKETS // 2:
                harm(shard)
            if check(shard.table) + ended != given:
                return [("lost", f"{check(shard.table)} held, {ended} ended, {given} given")]
        ended += _end(shard, now)
    except AssertionError as error:
        return [("invariant", str(error)[:300])]
    if ended != given:
        return [("lost", f"{ended} ended, {given} given")]
    evicted = shard.counter("evicted_row")
    return [("evicted" if evicted else "exact", f"{given} packets, {rows} rows, {evicted} evicted")]


def _end(shard: Shard, now: int) -> int:
    """End the run of a shard; return how many packets its last records have."""
    ended = 0
    shard.put(control(END, now))
    while not shard.finished:
        shard.step()
        ended += packets_in(shard.take())
    while more := shard.take():
        ended += packets_in(more)
    return ended


def _table_soak(trial: Trial) -> list[Found]:
    return table_run(trial.dice)


SCENARIOS = (
    Scenario(
        "ring_soak",
        f"{RECORDS:,} counted records between two processes, any capacity and batch",
        (
            Outcome("exact", ACCEPTABLE, "every record once, whole, in order"),
            Outcome("torn", FORBIDDEN, "a record that is not what was sent"),
            Outcome("out of order", FORBIDDEN, "a batch that does not follow the one before"),
            Outcome("doubled", FORBIDDEN, "more records than were sent"),
            Outcome("late", FORBIDDEN, f"not all records within {RING_S_MAX:.0f} s"),
        ),
        _ring_soak,
    ),
    Scenario(
        "table_soak",
        "one shard: begins, silences, floods beyond its rows, its end; check() after each batch",
        (
            Outcome("exact", ACCEPTABLE, "every packet is in a row or a final, nothing evicted"),
            Outcome("evicted", INTERESTING, "likewise, and flows had to go for others"),
            Outcome("lost", FORBIDDEN, "packets in rows and finals are not the packets given"),
            Outcome("invariant", FORBIDDEN, "check() fails"),
        ),
        _table_soak,
    ),
)
