"""Goal: the pane list stays inside its place, however many parts have a packet in one pane.

Method: tables of few rows and captures of more flows than rows, all in one pane, so that nearly
every packet begins a part by ending another's; packets of deltas against packets sent. What it
cannot show: that the deltas are those of the definition; property tests against the twin do.
"""

import numpy as np
import pytest

from engine.capture.synthetic.live import MESSAGES_PER_FLOW, live_flows
from engine.classifier import lanes as lanes_of
from engine.classifier import merge
from engine.config import load
from engine.flows.panes import BATCH, PANE_COUNT, pane_capacity
from engine.offline import Pipeline

ROWS = 64


@pytest.mark.parametrize("flows", [ROWS // 2, 2 * ROWS, 5 * ROWS])
def test_more_parts_in_a_pane_than_rows_stay_in_the_list(tmp_path, flows):
    path = tmp_path / "flood.pcap"
    packets = live_flows(path, flows, flows)
    assert packets == flows * MESSAGES_PER_FLOW
    config = load(None, ("engine.workers=1", f"flow.max_flows={ROWS}"))
    pipeline = Pipeline([str(path)], config, 1, facts=False)
    lanes = lanes_of.make_lanes(pipeline.events)
    keys, tally = lanes_of.make_keys(lanes), np.zeros(merge.TALLY_WORDS, np.int64)
    listed = [0]

    def take(number, ring):
        listed.append(int(pipeline.tables[0][PANE_COUNT]))
        while merge.count_only(lanes, keys, tally, False):
            merge.release_taken(lanes)

    while pipeline.step(take):
        pass
    counters = pipeline.lines[0].values()
    assert max(listed) <= pane_capacity(ROWS)
    assert counters["accepted"] == packets
    assert tally[merge.DELTA_PACKETS] == packets
    assert (counters["finals_evicted"] > 0) == (flows > ROWS)
    finals = sum(count for name, count in counters.items() if name.startswith("finals_"))
    assert finals == counters["parts"]


def test_list_has_room_for_more_parts_than_rows():
    assert pane_capacity(1) > 1
    assert pane_capacity(1 << 20) == (1 << 20) + (1 << 15) + 16 + BATCH
