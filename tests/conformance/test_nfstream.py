"""Goal: under profile nfstream the engine's flows are those of NFStream itself.

Method: NFStream, in an interpreter of its own, meters every capture of the training set; so does
the engine. Each flow must have the same key, VLAN, packets and bytes each way, duration in ms,
flags, least, mean, greatest and deviation of lengths, and of gaps as far as whole milliseconds
allow. Flows that differ are listed with their reasons. What it cannot show: NFStream's dissection.
"""

import pytest

from tools.conformance import known
from tools.conformance.nfstream_live import ABSENT, PEER, captures_below, compare_live, interpreter

FIELDS = {"duration", "flags", "lengths", "gaps"}


@pytest.mark.slow
def test_flows_and_statistics_are_those_of_nfstream(test_data):
    folder = test_data / "train"
    if not folder.is_dir():
        pytest.skip(f"no captures at {folder}")
    python = interpreter()
    if python is None:
        pytest.skip(ABSENT)
    result = compare_live(python, captures_below(folder), folder)
    assert known.disagreements(result) == []
    assert result.captures > 1_000
    assert result.equal >= 0.999 * result.records
    assert result.fields == {name: [result.equal, result.equal] for name in FIELDS}


def test_every_flow_that_differs_has_a_reason():
    for difference, reason in known.load(PEER):
        assert len(reason) > 10, difference
        assert reason != known.UNKNOWN, difference
