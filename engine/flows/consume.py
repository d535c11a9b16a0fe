"""The worker's kernel: take records off the packet ring in batches, apply them, publish what came
of it.

A batch of 32 is looked at in passes, so that what each packet will touch is on its way from memory
before it is needed: hashes and slots; then rows; then what a first packet in the pane, a long gap
or a payload will need. Then packets are applied one by one.

    take_batch   keep what changes; events behind the published tail; the head wanted
    commit       one store: the batch has happened
    publish      events, then the watermark that promises them, then counters; packet slots released

So the classifier never waits for what this worker holds, and payload in the arena stays until it
was read. Killed before the commit, the batch has not happened: recover.py takes it back. Killed
behind it, what publish does, which is to store numbers of the table, is done once more.
"""

import numpy as np
from numba import njit

from engine.events import counter_index
from engine.features.activity import SUBFLOW_TIMEOUT_NS
from engine.features.payload import BYTES_MAX, PACKETS_MAX
from engine.features.totals import direction_line
from engine.flows.clock import PENDING, advance
from engine.flows.emit import EVENT_TAIL
from engine.flows.keep import OPERATION_WORDS, begin, commit, may_keep
from engine.flows.panes import BATCH, lacks_room
from engine.flows.payload import payload_address
from engine.flows.rewrite import rewrite, want_dropped
from engine.flows.shard import (
    AGE_MASK,
    NOT_MAPPED,
    SOURCES_AT,
    cold_reference,
    row_at,
    shard_of_arrays,
)
from engine.flows.slots import ROW_BITS, SLOTS, SLOTS_AT, home_slot, tag_of
from engine.flows.steps import add_step
from engine.flows.stop import stop
from engine.flows.update import take_packet
from engine.layouts import PACKET, RING, places
from engine.layouts.records import END, SOURCE_END, STEP, TICK
from engine.layouts.table import NO_REWRITE, TABLE, WORKER_COUNTERS_MAX
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import bytes_at, pointer, prefetch, shifted
from engine.packets.key import PROTOCOL_MASK, PROTOCOL_SHIFT, flow_key, keyed_hash, side_of
from engine.rings import spsc

SCRATCH_WORDS = 8 * BATCH  # Of the packet loop: side, key, key, tag, row, what to fetch.
SOURCE_OF_REFERENCE = 48
TIME_MAX = places.TIME_MAX
# What consume() returns, and why it stopped.
DRAINED, LIMIT_REACHED, NO_ROOM, NEEDS_SOURCE, RUN_ENDED = range(5)

_SECRETS, _COLD_AT = TABLE.index("secrets"), TABLE.index("cold_at")
_CLOCK, _CLOCK_REFERENCE = TABLE.index("clock_ns"), TABLE.index("clock_reference")
_REFERENCE = PACKET.index("reference")
_LENGTHS, _KEY = PACKET.index("lengths"), PACKET.index("key")
_HEADER_SHIFT = PACKET.shift("lengths", "header")
_HEADER_MASK = PACKET.mask("lengths", "header")
_CAPTURED_SHIFT = PACKET.shift("lengths", "captured")
_LAYER = 1 << PACKET.shift("key", "layer")
_WORDS = PACKET.words
_CONTROL_CONSUMED = RING.index("control_consumed")
_ACCEPTED = counter_index("worker", "accepted")
_LAYERS = counter_index("worker", "layers")
_CONTROL = counter_index("worker", "control")
_PACKET_HEAD = TABLE.index("packet_head")
_PAYLOAD_LINES = BYTES_MAX // 64
_SEE_SIDE, _SEE_OTHER, _SEE_PAUSE = 1, 2, 4


@njit(**HOT)
def _hash_batch(table, words, mask, first, count, scratch):
    """First pass: side, key and tag of each packet; ask for its slot."""
    secrets = shifted(table, _SECRETS)
    slots, slots_at = table[SLOTS], table[SLOTS_AT]
    for k in range(count):
        at = ((first + k) & mask) * _WORDS
        prefetch(words, ((first + k + BATCH) & mask) * _WORDS)
        side = side_of(words, at)
        addresses, rest = flow_key(words, at, side, secrets)
        tag = tag_of(keyed_hash(addresses, rest, secrets))
        out = 8 * k
        scratch[out], scratch[out + 1], scratch[out + 2] = side, addresses, rest
        scratch[out + 3] = tag
        prefetch(table, slots_at + home_slot(tag, slots))


@njit(**HOT)
def _find_batch(table, count, scratch):
    """Second pass: the row that each packet's tag names, if any; ask for its lines."""
    slots, slots_at = table[SLOTS], table[SLOTS_AT]
    for k in range(count):
        tag = scratch[8 * k + 3]
        slot = home_slot(tag, slots)
        entry = table[slots_at + slot]
        while entry != 0 and entry >> ROW_BITS != tag:
            slot += 1
            if slot == slots:
                slot = 0
            entry = table[slots_at + slot]
        row = entry & places.REFERENCE_MASK
        scratch[8 * k + 4] = row
        if row:
            line = row_at(table, row)
            prefetch(line, 0)
            prefetch(direction_line(line, scratch[8 * k]), 0)


@njit(**KERNEL)
def _foresee_batch(shard, words, mask, first, count, scratch):
    """Third pass: what else each packet will touch; ask for side line, other direction, payload."""
    table = shard.table
    for k in range(count):
        at = ((first + k) & mask) * _WORDS
        row, side, see = scratch[8 * k + 4], scratch[8 * k], np.int64(0)
        captured = (words[at + _LENGTHS] >> _CAPTURED_SHIFT) & places.MASK16
        looks = captured > 0
        if row:
            line = row_at(table, row)
            last = line[places.LAST] & table[AGE_MASK]
            if words[at] - line[places.START] - last > SUBFLOW_TIMEOUT_NS:
                see |= _SEE_SIDE | _SEE_PAUSE
            if line[places.FLOW_KEY] & places.IN_PANE == 0:
                see |= _SEE_SIDE | _SEE_OTHER
            packets = direction_line(line, side)[places.PACKETS] & places.MASK32
            looks = looks and packets < PACKETS_MAX
            if looks:
                see |= _SEE_SIDE
            if see & _SEE_SIDE:
                prefetch(line, places.FIRST_REFERENCE)
            if see & _SEE_OTHER:
                prefetch(direction_line(line, 1 - side), 0)
        scratch[8 * k + 5] = see
        if looks:
            _ask_for_payload(shard, words, at, captured)


@njit(**KERNEL)
def _ask_for_payload(shard, words, at, captured):
    """Ask for the lines of a packet's payload that will be read."""
    reference = words[at + _REFERENCE]
    if shard.sources[SOURCES_AT + (reference >> SOURCE_OF_REFERENCE)] == NOT_MAPPED:
        return
    header = (words[at + _LENGTHS] >> _HEADER_SHIFT) & _HEADER_MASK
    address = payload_address(shard.sources, shard.arena, reference, at >> 3, header)
    octets = bytes_at(address, captured)
    for line in range(min(_PAYLOAD_LINES, (captured + 63) >> 6)):
        prefetch(octets, 64 * line)


@njit(**KERNEL)
def _fetch_cold_batch(table, count, scratch):
    """Fourth pass: cold blocks of the rows whose side line was asked for."""
    for k in range(count):
        see = scratch[8 * k + 5]
        if see & (_SEE_PAUSE | _SEE_OTHER):
            cold = row_at(table, scratch[8 * k + 4])[places.COLD_FLOW]
            blocks = table[_COLD_AT]
            if see & _SEE_PAUSE:
                block = cold_reference(cold, places.ACTIVITY_SHIFT)
                prefetch(table, blocks + block * places.BLOCK_WORDS)
            if see & _SEE_OTHER:
                block = cold_reference(cold, places.PANE_SHIFT)
                prefetch(table, blocks + block * places.BLOCK_WORDS)


@njit(**KERNEL)
def _take_control(shard, words, at):
    """Apply a control record; False when it is not applied whole."""
    table = shard.table
    kind = (words[at + _KEY] >> PROTOCOL_SHIFT) & PROTOCOL_MASK
    time, reference = words[at], words[at + _REFERENCE]
    if kind == TICK or kind == STEP:
        if not advance(shard, time):
            return False
        if kind == STEP:
            add_step(table, time, words[at + 4], words[at + 2], words[at + 1])
    elif not stop(shard, time):
        return False
    table[_CLOCK], table[_CLOCK_REFERENCE] = time, reference
    if kind == SOURCE_END:
        table[_CLOCK] = TIME_MAX
        table[_CLOCK_REFERENCE] = (reference | (1 << SOURCE_OF_REFERENCE) - 1) & TIME_MAX
    elif kind == END:
        table[_CLOCK], table[_CLOCK_REFERENCE] = TIME_MAX, TIME_MAX
    return True


@njit(**HOT)
def _is_control(words, at):
    return words[at + _LENGTHS] == 0


@njit(**KERNEL)
def _apply_batch(shard, words, mask, span, scratch):
    """Apply the records of `span` (first, count) in order; return (how many, why it stopped)."""
    table = shard.table
    first, count = span
    for k in range(count):
        at = ((first + k) & mask) * _WORDS
        if _is_control(words, at):
            if not _take_control(shard, words, at):
                return k, NO_ROOM
            shard.counters[_CONTROL] += 1
            if (words[at + _KEY] >> PROTOCOL_SHIFT) & PROTOCOL_MASK == END:
                return k + 1, RUN_ENDED
            continue
        reference = words[at + _REFERENCE]
        if shard.sources[SOURCES_AT + (reference >> SOURCE_OF_REFERENCE)] == NOT_MAPPED:
            return k, NEEDS_SOURCE
        here = 8 * k
        key = (scratch[here + 1], scratch[here + 2], scratch[here + 3])
        if not take_packet(shard, words, at, key, scratch[here]):
            return k, NO_ROOM
        table[_CLOCK], table[_CLOCK_REFERENCE] = words[at], reference
        if words[at + _KEY] & _LAYER:
            shard.counters[_LAYERS] += 1
        else:
            shard.counters[_ACCEPTED] += 1
    return count, DRAINED


@njit(**KERNEL)
def take_batch(shard, words, mask, span, scratch):
    """Begin a transaction and apply the records of `span` in it; return (how many, why it stopped).

    NO_ROOM may mean: in the journal, or something is pending. Then a commit is all that is needed.
    """
    first, count = span
    _hash_batch(shard.table, words, mask, first, count, scratch)
    _find_batch(shard.table, count, scratch)
    _foresee_batch(shard, words, mask, first, count, scratch)
    _fetch_cold_batch(shard.table, count, scratch)
    begin(shard.table)
    done, why = _apply_batch(shard, words, mask, span, scratch)
    shard.table[_PACKET_HEAD] = first + done
    return done, why


@njit(**KERNEL)
def publish(shard, ring):
    """Tell the others what has been committed. All numbers are absolute: twice is as good as once.

    `ring`: the packet ring. Its slots are released last: until then payload may be read.
    """
    table = shard.table
    spsc.publish(shard.ring, table[EVENT_TAIL])
    spsc.publish_watermark(shard.ring, table[_CLOCK], table[_CLOCK_REFERENCE])
    for k in range(WORKER_COUNTERS_MAX):
        shard.shown[k] = shard.counters[k]  # Plain: statistics of this process's own line.
    # Plain: a statistic of the consumer's own line.
    ring[_CONTROL_CONSUMED] = shard.counters[_CONTROL]
    spsc.release(ring, table[_PACKET_HEAD])


@njit(**KERNEL)
def _prepare(shard):
    """Do what is done between two batches."""
    table = shard.table
    if table[PENDING] != NO_REWRITE:
        rewrite(shard)
    if lacks_room(table):
        want_dropped(table)
        rewrite(shard)


@njit(**KERNEL)
def consume(arrays, packet_ring, packet_words, scratch_array, limit):
    """Take at most `limit` records; return (how many, why it stopped)."""
    shard = shard_of_arrays(arrays)
    ring, words, scratch = pointer(packet_ring), pointer(packet_words), pointer(scratch_array)
    mask = ring[spsc.CAPACITY] - 1
    table, taken = shard.table, 0
    while taken < limit:
        _prepare(shard)
        first, count = spsc.peek(ring)
        if count == 0:
            return taken, DRAINED
        span = (first, min(count, BATCH, limit - taken))
        done, why = take_batch(shard, words, mask, span, scratch)
        goes_on = table[PENDING] != NO_REWRITE or not may_keep(table, OPERATION_WORDS)
        commit(table)
        publish(shard, ring)
        taken += done
        if why != DRAINED and not (why == NO_ROOM and goes_on):
            return taken, why
    return taken, LIMIT_REACHED
