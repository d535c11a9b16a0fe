"""Goal: a worker killed at any store whatsoever is replaced without losing or doubling anything.

Method: the kernels run as plain Python over arrays that end the "process" before its k-th store:
to the table, the journal, both rings, the counters. For every k of a batch, and between batches,
the replacement recovers and goes on to the end of the records; then events, table, counters and
packet head are those of a worker that was never killed. Then the replacement too is killed, at
every store of its recovery that is drawn. The broken twins lack a step of the protocol, and must
fail in the same way. What it cannot show: the order in which compiled code stores; that is in
test_journal.py and in the kill points of compiled code.
"""

import contextlib
import random

import numpy as np
import pytest

from engine.config import PANE_NS, SECOND_NS
from engine.flows import keep
from engine.flows.consume import DRAINED, LIMIT_REACHED, NO_ROOM, RUN_ENDED, consume
from engine.flows.recover import recover
from engine.flows.shard import shard_arrays
from engine.layouts import END, SOURCE_END, TICK, places
from engine.rings import spsc
from tests.conftest import WITHOUT_JIT
from tests.unit.flows.driving import Shard, control, packet
from tests.unit.flows.dying import assert_same_table
from tests.unit.flows.test_recovery import step_record
from tests.unit.flows.test_table import START

pytestmark = pytest.mark.skipif(not WITHOUT_JIT, reason="kernels are watched as plain Python")
ROWS = 64
POINTS_MAX = 60  # Of a batch; drawn when there are more, but in the long test.


class KilledError(Exception):
    """The process is gone, before the store."""


class Watched(np.ndarray):
    """Words whose stores are counted together; the one that is due ends the process."""

    left = 0

    def __setitem__(self, key, value):
        Watched.left -= 1
        if Watched.left == 0:
            raise KilledError
        super().__setitem__(key, value)


class Memory:
    """What outlives a worker: table, rings, counters; and their content at some moment."""

    def __init__(self, **changed):
        self.shard = Shard(ROWS, 256, **changed)
        shard = self.shard
        self.parts = [shard.table, shard.packets.header, shard.ring.header]
        self.parts += [shard.ring.slots.reshape(-1), shard.line.counters]
        self.saved = [part.copy() for part in self.parts]
        self.ended = False

    def save(self):
        """Remember the content."""
        for saved, part in zip(self.saved, self.parts, strict=True):
            saved[:] = part

    def restore(self):
        """Make the content what it was."""
        for saved, part in zip(self.saved, self.parts, strict=True):
            part[:] = saved

    def copies(self):
        """Return copies of the content."""
        return [part.copy() for part in self.parts]

    def process(self):
        """Return a worker's arrays over the memory, and its packet ring's header, watched."""
        shard = self.shard
        table, header, events, slots, counters = (part.view(Watched) for part in self.parts)
        rings = [spsc_ring(shard.ring, events, slots), spsc_ring(shard.packets, header, None)]
        sources = shard.worker._sources.addresses
        return shard_arrays(table, *rings, counters, sources), header

    def run(self, process, limit):
        """Let a worker go on until all published records are taken."""
        arrays, header = process
        worker = self.shard.worker
        why = LIMIT_REACHED
        while why in (LIMIT_REACHED, NO_ROOM):
            why = consume(arrays, header, worker._words, worker._scratch, limit)[1]
            if why == NO_ROOM:
                empty(self.shard.ring)
        assert why in (DRAINED, RUN_ENDED)


def spsc_ring(ring, header, slots):
    """Return a ring's likeness with other arrays, as shard_arrays takes it."""

    class Likeness:
        pass

    made = Likeness()
    made.header, made.extra = header, ring.extra
    made.slots = slots if slots is not None else ring.slots
    return made


def empty(ring):
    """Be the classifier: take all events."""
    first, count = spsc.peek(ring.header)
    if count:
        spsc.release(ring.header, first + count)


def batches():
    """Yield records, a few at a time, such that every kind of work is done."""
    now = START
    yield [packet(now + k, k, flags=0x02, version6=k % 2) for k in range(3)]
    now += 1000
    yield [packet(now, 0, True, flags=0x12), packet(now + 1, 0, flags=0xFB, payload=100)]
    now += 1000
    yield [packet(now + k, k % 2, flags=0x18, payload=100) for k in range(5)]
    now += 2 * SECOND_NS
    yield [packet(now, 0), packet(now, 1, True, flags=0x11), packet(now, 1, flags=0x11)]
    now += PANE_NS
    yield [packet(now, 0), step_record(now, 0, 7)]
    now += PANE_NS
    yield [control(TICK, now)]
    yield [packet(now, k, flags=0x02) for k in range(10, 14)]
    now += 200 * SECOND_NS
    yield [control(TICK, now), packet(now, 50)]
    yield [control(SOURCE_END, now)]
    for first in range(0, ROWS, 16):  # Full: the last ones evict.
        yield [packet(now + first + k, 100 + first + k, version6=1) for k in range(16)]
    for first in range(0, 64, 16):  # More parts in a pane than its list has room for.
        yield [packet(now + 100 + first + k, 300 + first + k, flags=0x04) for k in range(16)]
    now += PANE_NS
    yield [packet(now, 150)]
    yield [control(END, now)]


def assert_same_end(found, wanted):
    """Assert that two ends of a batch are the same, all but versions and what is derived."""
    assert_same_table(found[0], wanted[0])
    assert found[1][spsc.HEAD] == wanted[1][spsc.HEAD]
    assert found[2][spsc.TAIL] == wanted[2][spsc.TAIL]
    for word in (spsc.MARK_TIME, spsc.MARK_REFERENCE):
        assert found[2][word] == wanted[2][word]
    assert found[2][spsc.LOCK] % 2 == 0
    assert np.array_equal(found[3], wanted[3]), "events differ"
    assert np.array_equal(found[4], wanted[4]), "counters differ"


def killed_at(memory, point, limit):
    """Let a worker be killed before its store number `point`; return whether it got that far."""
    process = memory.process()
    Watched.left = point
    try:
        memory.run(process, limit)
    except KilledError:
        return True
    finally:
        Watched.left = 0
    return False


def stores_of(memory, work):
    """Return how many stores `work` makes."""
    Watched.left = 1 << 40
    work()
    made = (1 << 40) - Watched.left
    Watched.left = 0
    return made


def points(source, count, most):
    """Return which of so many stores to kill at."""
    every = range(1, count + 1)
    return every if count <= most else sorted(source.sample(every, most))


def replaced(memory, source, twice):
    """Let a replacement recover, killed itself `twice` in the middle of it."""
    if twice:
        Watched.left = source.randrange(1, 700)
        with contextlib.suppress(KilledError):
            recover(*memory.process())
        Watched.left = 0
    arrays, header = memory.process()
    recover(arrays, header)


def kill_everywhere(memory, records, source, most=POINTS_MAX):
    """Kill a worker at the stores of a batch, one after the other; return how many."""
    shard = memory.shard
    for record in records:
        shard.put(record)
    empty(shard.ring)
    memory.save()
    stores = stores_of(memory, lambda: memory.run(memory.process(), len(records)))
    wanted, kills = memory.copies(), 0
    for point in points(source, stores, most):
        memory.restore()
        assert killed_at(memory, point, len(records))
        replaced(memory, source, point % 5 == 0)
        memory.run(memory.process(), len(records))
        assert_same_end(memory.copies(), wanted)
        kills += 1
    memory.restore()
    memory.run(memory.process(), len(records))
    return kills


every = pytest.param(1 << 40, marks=pytest.mark.long)


@pytest.mark.parametrize("most", [POINTS_MAX, every])
def test_worker_killed_at_any_store_is_replaced_exactly(most):
    memory = Memory(flow_history=True)
    source = random.Random(7)
    kills = sum(kill_everywhere(memory, records, source, most) for records in batches())
    assert memory.shard.counter("finals_evicted") > 0
    assert memory.shard.counter("accepted") > 80
    print(f"{kills} kills")
    assert kills > 1000


BROKEN = {
    "nothing is kept": (keep, "begin", lambda table: None),
    "lines are not kept": (keep.journal, "keep_line", lambda words, journal, place: None),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_protocol_is_found(name, monkeypatch):
    import engine.flows.consume

    module, verb, broken = BROKEN[name]
    monkeypatch.setattr(module, verb, broken)
    if verb == "begin":
        monkeypatch.setattr(engine.flows.consume, verb, broken)
    memory = Memory()
    source = random.Random(7)
    with pytest.raises((AssertionError, IndexError)):
        for records in batches():
            kill_everywhere(memory, records, source)


def test_versions_of_rows_taken_back_are_new():
    memory = Memory()
    shard = memory.shard
    for record in (packet(START, 1), packet(START + 1, 1)):
        shard.put(record)
    memory.run(memory.process(), 8)
    place = shard.word("rows_at") + places.ROW_WORDS + places.PACE
    shard.put(packet(START + 2, 1))
    memory.save()
    before = int(shard.table[place]) >> places.VERSION_SHIFT
    stores = stores_of(memory, lambda: memory.run(memory.process(), 8))
    for point in range(1, stores + 1):
        memory.restore()
        assert killed_at(memory, point, 8)
        reached = int(shard.table[place]) >> places.VERSION_SHIFT
        row = slice(place - places.PACE, place - places.PACE + places.ROW_WORDS)
        changed = not np.array_equal(shard.table[row], memory.saved[0][row])
        recover(*memory.process())
        after = int(shard.table[place]) >> places.VERSION_SHIFT
        assert after % 2 == 0
        assert after >= reached >= before
        if changed and shard.word("packet_head") == 2:
            assert after > reached
