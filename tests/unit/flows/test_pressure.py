"""Goal: where cold blocks run short, flows that wait for their next pane give theirs up first.

Method: 64 rows have 56 cold blocks; groups of flows cross a pane's end, each flow of which takes a
pane block that it needs no more when the pane has ended; deltas and finals against what was sent.
What it cannot show: times of many rows; that is for the benchmark.
"""

import pytest

from engine.config import PANE_NS, SECOND_NS
from engine.layouts import END
from tests.unit.flows.driving import Shard, control, packet, packets_in

START = 1_700_000_000 * SECOND_NS
assert START % PANE_NS == 0
BEFORE, BEHIND = PANE_NS - 300_000_000, PANE_NS + 300_000_000  # No pause: 0.6 s apart.
BLOCKS = 56


def packets_in_deltas(events: list[dict]) -> int:
    """Return how many packets the deltas among events have."""
    deltas = (event for event in events if event["kind"] == "delta")
    return sum(event["fwd_packets"] + event["bwd_packets"] for event in deltas)


def crossing(first: int, flows: int, pane: int) -> list:
    """Return a packet of each flow before the end of a pane of the run, and one behind it."""
    begin = START + pane * PANE_NS
    numbers = range(first, first + flows)
    return [packet(begin + at, flow) for at in (BEFORE, BEHIND) for flow in numbers]


@pytest.mark.parametrize(("groups", "flows"), [(2, 30), (3, 21), (6, 10)])
def test_flows_of_earlier_panes_give_their_pane_blocks_up(groups, flows):
    shard = Shard(rows=64)
    assert groups * flows > BLOCKS
    events = []
    for group in range(groups):
        events += shard.send(*crossing(group * flows, flows, 2 * group))
    live = shard.word("live")
    events += shard.send(control(END, START + 2 * groups * PANE_NS))
    assert shard.counter("evicted_cold") == 0
    assert live == groups * flows
    assert packets_in(events) == 2 * groups * flows
    assert packets_in_deltas(events) == 2 * groups * flows


def test_flow_goes_on_after_it_gave_its_pane_block_up():
    shard = Shard(rows=64)
    begin = START + 2 * PANE_NS
    events = shard.send(*crossing(0, 30, 0), *crossing(30, 30, 2))
    events += shard.send(*(packet(begin + PANE_NS + 800_000_000, flow) for flow in range(30, 40)))
    events += shard.send(control(END, begin + 2 * PANE_NS))
    assert shard.counter("evicted_cold") == 0
    assert packets_in(events) == 2 * 60 + 10
    assert packets_in_deltas(events) == 2 * 60 + 10


def test_flows_of_one_pane_that_need_more_blocks_than_there_are_end_their_parts():
    shard = Shard(rows=64)
    events = shard.send(*crossing(0, 60, 0))
    evicted = shard.counter("evicted_cold")
    events += shard.send(control(END, START + 2 * PANE_NS))
    assert evicted == 60 - BLOCKS
    assert packets_in(events) == 2 * 60
