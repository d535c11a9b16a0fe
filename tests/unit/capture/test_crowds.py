"""Hostile captures for hosts, and their ordinary twins, are what the module says of them.

Method: the reader of test_synthetic.py, which shares no code with the engine, takes both apart and
verifies every checksum. What it cannot show: that nothing more hostile could be thought of.
"""

import numpy as np
import pytest

from engine.capture.synthetic import crowds
from tests.unit.capture.test_synthetic import flows_of, packets_of

PACKETS = 3_000
FEW = 1_000


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Return the packets of each workload: hostile, ordinary."""
    folder = tmp_path_factory.mktemp("crowds")
    found = {}
    for kind in crowds.WORKLOADS:
        for hostile in (True, False):
            path = folder / f"{kind}-{hostile}.pcap"
            assert crowds.write(path, kind, PACKETS, hostile) == PACKETS
            found[kind, hostile] = list(packets_of(path))
    return found


@pytest.mark.parametrize("kind", crowds.WORKLOADS)
def test_twins_differ_in_content_alone(pairs, kind):
    hostile, ordinary = pairs[kind, True], pairs[kind, False]
    assert len(hostile) == len(ordinary) == PACKETS
    assert [p.time_us for p in hostile] == [p.time_us for p in ordinary]
    assert [p.protocol for p in hostile] == [p.protocol for p in ordinary]
    assert len(flows_of(hostile)) == len(flows_of(ordinary))


@pytest.mark.parametrize("kind", ["crowd", "trickle"])
def test_every_packet_of_a_crowd_has_a_source_of_its_own(pairs, kind):
    assert len({packet.source[0] for packet in pairs[kind, True]}) == PACKETS
    assert len({packet.source[0] for packet in pairs[kind, False]}) == FEW


def test_sources_stay_apart_beyond_ten_millions():
    numbers = np.arange(1 << 20) * 16
    assert len(np.unique(crowds._scattered(numbers, 29))) == len(numbers)


def test_a_sweep_visits_port_after_port_of_one_host(pairs):
    syns = pairs["sweep", True][::2]
    assert [packet.destination[1] for packet in syns] == list(range(PACKETS // 2))
    assert len({packet.source[0] for packet in syns}) == 1
    assert len({packet.destination[0] for packet in syns}) == 1


def test_names_are_as_long_as_can_be_or_loop(pairs):
    questions = {packet.payload[12:] for packet in pairs["names", True]}
    assert max(map(len, questions)) == 255 + 4  # The longest name on the wire, type and class.
    assert any(question.startswith(b"\xc0\x0c") for question in questions)
    plain = {packet.payload[12:] for packet in pairs["names", False]}
    assert all(question.endswith(b"\x07example\x03com\0\0\x01\0\x01") for question in plain)


def test_hellos_are_cut_at_every_byte(pairs):
    (whole,) = {packet.payload for packet in pairs["hellos", False]}
    cut = {packet.payload for packet in pairs["hellos", True]}
    assert cut == {whole[:end] for end in range(1, len(whole) + 1)}
