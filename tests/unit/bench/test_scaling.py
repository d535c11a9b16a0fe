"""Goal: workloads of live flows differ in how many are live at once, and in nothing else.

Method: the capture read by struct, flows followed by brute force. What it cannot show: what a flow
costs.
"""

import struct
from collections import Counter

import pytest

from engine.bench.measure import spread
from engine.bench.options import BenchOptions
from engine.bench.programs import engine_program
from engine.bench.scaling import LEVELS, level_row, ratio_of
from engine.bench.speed import Measured, Reading, summed
from engine.bench.workloads import LIVE, Workload
from engine.capture.synthetic.live import MESSAGES_PER_FLOW, live_flows

FLOWS = 60
IDLE_US = 120_000_000


def packets_of(path):
    """Return (time in us, flow) of every packet of a pcap; a flow is its unordered endpoints."""
    content, at, found = path.read_bytes(), 24, []
    while at < len(content):
        seconds, fraction, captured, _ = struct.unpack_from("<IIII", content, at)
        frame = content[at + 16 : at + 16 + captured]
        ends = struct.unpack_from(">IIHH", frame, 26)
        flow = frozenset(((ends[0], ends[2]), (ends[1], ends[3])))
        found.append((seconds * 1_000_000 + fraction, flow))
        at += 16 + captured
    return found


@pytest.mark.parametrize("live", [1, 4, 20, 60])
def test_as_many_flows_are_live_as_asked_for(tmp_path, live):
    path = tmp_path / "live.pcap"
    assert live_flows(path, live, FLOWS) == FLOWS * MESSAGES_PER_FLOW
    found = packets_of(path)
    assert [time for time, _ in found] == sorted(time for time, _ in found)
    assert Counter(Counter(flow for _, flow in found).values()) == {MESSAGES_PER_FLOW: FLOWS}
    last, live_most = {}, 0
    for time, flow in found:
        last[flow] = time
        live_most = max(live_most, sum(time - seen <= IDLE_US for seen in last.values()))
    assert live_most == live


def test_flows_that_are_no_whole_episodes_are_refused(tmp_path):
    with pytest.raises(AssertionError, match="no episodes"):
        live_flows(tmp_path / "live.pcap", 7, FLOWS)


def test_ratio_is_that_of_the_last_level_to_the_first(tmp_path):
    rows = []
    for level, cpu_s in zip(LEVELS, (1.0, 1.5, 1.8, 2.0), strict=True):
        reading = Reading(cpu_s, 1.0, 9.0, 1.0, 1.0, 1000, 10, 0, {"worker": cpu_s})
        result = summed(engine_program("features", 1), [reading], None, 1000)
        workload = Workload(LIVE, tmp_path / f"live-{level}-10.pcap", 1000, 1)
        rows.append(level_row(level, Measured(workload, 1000, 10, [result], {})))
    assert ratio_of(rows) == 2.0
    assert rows[0]["ns_per_packet"]["median"] == 1e6
    assert ratio_of(rows[:1]) is None
    assert BenchOptions(kind="scaling").command().startswith("engine bench --scaling")
    assert spread([1.0]).count == 1
