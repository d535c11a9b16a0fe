"""Goal: a worker that dies in a batch leaves a table that its replacement makes as it was before.

Method: the machine of test_table.py over a worker that dies before every commit (dying.py): each
word of the table but those that recovery derives is compared, those by check(); then the run goes
on, and its invariants hold as ever. Directed runs come to what drawn ones seldom meet. That a death
at every single store ends likewise is shown in test_killed.py. What it cannot show: the death of a
machine.
"""

import itertools

import pytest
from hypothesis import HealthCheck, settings

from engine.config import PANE_NS, SECOND_NS
from engine.layouts import END, SOURCE_END, STEP, TICK
from tests.unit.flows.driving import Shard, control, packet
from tests.unit.flows.dying import DyingShard
from tests.unit.flows.test_table import ROWS, START, TableMachine

EXAMPLES_MAX = 10


class DyingMachine(TableMachine):
    """The machine of the table, over a worker that dies all the time."""

    shard_type = DyingShard


TestDying = pytest.mark.compiled(DyingMachine.TestCase)
TestDying.settings = settings(
    max_examples=min(EXAMPLES_MAX, settings().max_examples),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def step_record(time: int, before: int, after: int):
    """Return a step of source 0's clock."""
    record = control(STEP, time)
    record[1], record[2], record[4] = after, before, 0
    return record


def everything(flows: int):
    """Yield records that evict, spill, split, step, reclaim, end and begin again."""
    now = START
    for flow in range(flows):
        now += 1000
        yield packet(now, flow, flags=0x02, version6=flow % 3 == 0)
    for pane in range(4):
        for flow in range(0, flows, 2):
            now += 10_000
            fields = {"flags": 0xFB, "payload": 100, "version6": flow % 3 == 0}
            yield packet(now, flow, flow % 4 == 2, **fields)
        yield step_record(now, pane, pane + 1)
        now += PANE_NS + SECOND_NS
        yield control(TICK, now)
    for number in range(3 * 12):
        now += 1_000_000
        yield packet(now, number % 3, number % 5 == 4, flags=0xFF, payload=1400)
    now += 400 * SECOND_NS
    yield control(TICK, now)
    for flow in range(flows):
        now += 1000
        yield packet(now, flow + 1000, flags=0x04 if flow % 2 else 0x10, version6=flow % 2)
    yield control(SOURCE_END, now)
    for flow in range(flows):
        now += 1000
        yield packet(now, flow, flags=0x10)
    yield control(END, now)


WAYS = {
    "usual": {},
    "history": {"flow_history": True},
    "splits": {"flow_active_timeout": "5 s", "flow_tcp_end": False},
    "wide": {"flow_idle_timeout": "off", "flow_active_timeout": "off"},
}


@pytest.mark.parametrize(("way", "room"), [*((way, 4096) for way in WAYS), ("usual", 16)])
def test_events_of_a_worker_that_dies_are_those_of_one_that_lives(way, room):
    events = {}
    for kind in (Shard, DyingShard):
        shard = kind(ROWS, room, **WAYS[way])
        events[kind] = [str(event) for event in shard.send(*everything(100))]
        while more := shard.take():
            events[kind] += map(str, more)
        assert shard.finished
    assert events[DyingShard] == events[Shard]
    assert shard.deaths > 10
    assert shard.undone > 100


def test_without_replacement_nothing_is_kept():
    shard = Shard(ROWS, process_replace=False)
    shard.send(*everything(100))
    assert shard.word("journal_at") == 0
    assert not shard.table[-1000:].any()


def test_split_connection_is_whole_again_when_its_batch_is_taken_back():
    """It was turned, as its first packet answers one that nobody saw; the split forgets that."""
    shard = DyingShard(ROWS, **WAYS["history"], **WAYS["splits"])
    now = START
    for _ in range(4):
        shard.send(control(TICK, now))  # Or the packet's batch would end with its pane's opening.
        for k in range(5):
            shard.send(packet(now + k, 1, k % 2 == 1, flags=(0x12, 0x10, 0x10, 0x18, 0x18)[k]))
        now += 3 * SECOND_NS
    assert shard.counter("parts") > 1
    assert shard.undone > 20


@pytest.mark.parametrize("tcp_end", [True, False])
def test_packet_alone_in_its_batch_is_taken_back_whole(tcp_end):
    """Nothing else in the batch has kept what it changes."""
    shard, now = DyingShard(ROWS, flow_tcp_end=tcp_end), START
    gaps = (1000, 2 * SECOND_NS)
    kinds = itertools.product((0x10, 0x11, 0x14, 0x18), (False, True), (0, 100), gaps)
    for flow, (flags, back, payload, gap) in enumerate(kinds):
        now += 1000
        shard.send(control(TICK, now))  # Or the packet's batch would end with its pane's opening.
        shard.send(packet(now, flow, flags=0x02))
        now += gap
        shard.send(control(TICK, now))
        shard.send(packet(now, flow, back, flags=flags, payload=payload))
    assert shard.deaths > 3 * 32
