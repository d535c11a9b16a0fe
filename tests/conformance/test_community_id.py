"""Goal: the Community ID of every flow in the specification's and Zeek's captures, 60 of 60.

Method: the captures are read by the engine's own capture; each packet's identifier is made by the
recorder's kernel from the packet's own words. The set of identifiers must be the one that the
baselines have for the tuples in that capture, with seed 0, seed 1 and in hexadecimal.
"""

import base64
import json

import numpy as np
import pytest
from numba import njit

from engine.capture.offline import capture
from engine.layouts import PACKET
from engine.memory.pointers import pointer
from engine.memory.sha1 import BLOCK_WORDS, DIGEST_WORDS, LANES, sha1_lanes
from engine.recorder.community_id import COMMUNITY_ID_BYTES, put_block, put_community_id
from engine.recorder.text import SPILL_BYTES

# Captures of the specification, and how many of the baselines' identifiers each of them has.
CAPTURES = {"icmp": 2, "icmp6": 7, "ipv6": 1, "rsvp": 1, "sctp": 1, "tcp": 1, "udp": 1}
ZEEK = {"icmp": 1, "icmp6": 14, "ipv6": 1, "tcp": 1, "udp": 1}  # It has none for SCTP.
BASELINES = {"deflt": 0, "seed1": 1, "nob64": 0}
assert len(BASELINES) * sum(CAPTURES.values()) + sum(ZEEK.values()) == 60


@njit
def _put(out, flow, blocks, digests, seed):
    put_block(pointer(blocks), pointer(flow), seed)
    sha1_lanes(pointer(blocks), pointer(digests))
    return put_community_id(pointer(out), 0, pointer(digests))


def identifiers(path, seed: int) -> set[str]:
    """Return the identifiers of a capture's packets."""
    found = set()
    blocks, digests = np.zeros((2, BLOCK_WORDS * LANES), np.int64)
    assert DIGEST_WORDS <= BLOCK_WORDS

    def field(row, name: str) -> int:
        return int(row[PACKET.index("key")]) >> PACKET.shift("key", name) & PACKET.mask("key", name)

    for row in capture([str(path)]).packets():
        protocol = field(row, "protocol")
        one_way = protocol in (1, 58) and field(row, "mark")  # TCP's mark means something else.
        ends = [
            int(row[PACKET.index(name)])
            for name in ("source_high", "source_low", "destination_high", "destination_low")
        ]
        flow = [*ends[:2], field(row, "source_port"), *ends[2:], field(row, "destination_port")]
        words = np.array([*flow, field(row, "version6"), protocol, one_way], np.int64)
        out = np.zeros(COMMUNITY_ID_BYTES + SPILL_BYTES, np.uint8)
        _put(out, words, blocks, digests, seed)
        found.add(out[:COMMUNITY_ID_BYTES].tobytes().decode())
    return found


def folder_of(test_data):
    folder = test_data / "peers" / "community-id"
    if not folder.is_dir():
        pytest.skip(f"no captures at {folder}")
    return folder


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("name", CAPTURES)
def test_every_flow_has_the_identifier_of_the_baseline(test_data, name, baseline):
    folder = folder_of(test_data)
    rows = json.loads((folder / "baseline" / f"baseline_{baseline}.json").read_text())
    known = {row["communityid"] for row in rows}
    found = identifiers(folder / "pcaps" / f"{name}.pcap", BASELINES[baseline])
    if baseline == "nob64":
        found = {"1:" + base64.b64decode(text[2:]).hex() for text in found}
    assert found <= known
    assert len(found) == CAPTURES[name]


@pytest.mark.parametrize("name", ZEEK)
def test_every_flow_has_the_identifier_that_zeek_gives_it(test_data, name):
    folder = folder_of(test_data) / "zeek-tests"
    lines = (folder / "Baseline" / "communityid.run-pcaps" / f"{name}.pcap.out").read_text()
    expected = {line.partition(" -> ")[2] for line in lines.splitlines() if " -> " in line}
    assert len(expected) == ZEEK[name]
    assert identifiers(folder / "Traces" / f"{name}.pcap", 0) == expected


def test_capture_without_flows_has_no_identifier(test_data):
    assert identifiers(folder_of(test_data) / "pcaps" / "arp.pcap", 0) == set()
