"""Goal: Community ID version 1, as its specification's own baselines have it.

Method: the plain twin against the baselines (where the machine has them), the kernel against the
twin on drawn tuples. That tuples of real packets are right is shown where captures are read.
"""

import base64
import dataclasses
import hashlib
import ipaddress
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from engine.config import with_settings
from engine.memory.pointers import pointer, shifted
from engine.memory.sha1 import BLOCK_WORDS, DIGEST_WORDS, LANES, sha1_lanes
from engine.recorder.community_id import (
    COMMUNITY_ID_BYTES,
    FLOW_WORDS,
    plain_community_id,
    put_block,
    put_community_id,
)
from engine.recorder.people import people_fields
from engine.recorder.template import Renderer
from engine.recorder.text import SPILL_BYTES
from tests.unit.recorder.rows import flow_hash, plan_of, row_words, simple, uid_text

# ICMP types that have a counterpart; the others are one-way.
PAIRED = {
    1: {0, 8, 9, 10, 13, 14, 15, 16, 17, 18},
    58: {128, 129, 130, 131, 133, 134, 135, 136, 139, 140, 144, 145},
}


@njit
def _put(out, flows, seed, blocks, digests):
    """Write the identifiers of 1 to LANES flows, one behind the other; return the end."""
    at = 0
    for lane in range(len(flows)):
        put_block(shifted(pointer(blocks), lane), pointer(flows[lane]), seed)
    sha1_lanes(pointer(blocks), pointer(digests))
    for lane in range(len(flows)):
        at = put_community_id(pointer(out), at, shifted(pointer(digests), lane))
    return at


def kernel_community_ids(flows: list[list[int]], seed: int) -> list[str]:
    out = np.zeros(LANES * COMMUNITY_ID_BYTES + SPILL_BYTES, np.uint8)
    words = np.array(flows, np.int64).reshape(-1, FLOW_WORDS)
    blocks = np.full(BLOCK_WORDS * LANES, -1, np.int64)  # What another group left.
    blocks[-LANES:] = 8
    size = _put(out, words, seed, blocks, np.full(DIGEST_WORDS * LANES, -1, np.int64))
    text = out[:size].tobytes().decode()
    assert len(text) == len(flows) * COMMUNITY_ID_BYTES
    return [text[at : at + COMMUNITY_ID_BYTES] for at in range(0, size, COMMUNITY_ID_BYTES)]


@st.composite
def tuples(draw):
    """Draw a flow: its words for the kernel, and what the twin takes."""
    version6 = draw(st.booleans())
    numbers = st.integers(0, 2**128 - 1 if version6 else 2**32 - 1)
    first = draw(numbers)
    ends = [first, draw(numbers | st.just(first))]
    ports = [draw(st.sampled_from([0, 80, 65535])) for _ in range(2)]
    protocol = draw(st.sampled_from([1, 2, 6, 17, 33, 46, 50, 58, 132, 136]))
    one_way = draw(st.booleans())
    words = []
    for address, port in zip(ends, ports, strict=True):
        halves = (address >> 64, address % 2**64)
        words += [half - 2**64 if half >> 63 else half for half in halves] + [port]
    kind = ipaddress.IPv6Address if version6 else ipaddress.IPv4Address
    named = [(str(kind(number)), port) for number, port in zip(ends, ports, strict=True)]
    return [*words, version6, protocol, one_way], (protocol, *named), one_way


@given(st.lists(tuples(), min_size=1, max_size=LANES), st.integers(0, 65535))
def test_kernel_equals_plain_twin_in_every_lane(drawn, seed):
    expected = [plain_community_id(*ends, seed, one_way) for _, ends, one_way in drawn]
    assert kernel_community_ids([words for words, _, _ in drawn], seed) == expected


@pytest.mark.parametrize("count", [1, LANES - 1, LANES, LANES + 1, 3 * LANES + 5])
def test_every_row_of_any_batch_has_its_own_identifiers(count):
    rows = [simple(initiator=0x0A000000 + k, initiator_port=1024 + k) for k in range(count)]
    template = "<community_id> <flow_id> <uid>\n"
    renderer = Renderer(template, people_fields(plan_of()), count)
    together = bytes(renderer.render(row_words(rows)).content).decode().splitlines()
    assert len(set(together)) == count
    for row, line in zip(rows, together, strict=True):
        ends = [
            (str(ipaddress.ip_address(row[side])), row[f"{side}_port"])
            for side in ("initiator", "responder")
        ]
        expected = plain_community_id(row["protocol"], *ends)
        assert line == f"{expected} {flow_hash(row) >> 13} {uid_text(flow_hash(row))}"


def baseline(test_data, name):
    path = test_data / "peers" / "community-id" / "baseline" / f"baseline_{name}.json"
    if not path.is_file():
        pytest.skip(f"no baseline at {path}")
    return json.loads(path.read_text())


def is_one_way(row) -> bool:
    return row["proto"] in PAIRED and row["sport"] not in PAIRED[row["proto"]]


@pytest.mark.parametrize(("name", "seed"), [("deflt", 0), ("seed1", 1), ("nob64", 0)])
def test_every_baseline_tuple_has_its_identifier(test_data, name, seed):
    rows = baseline(test_data, name)
    assert len(rows) == 23
    for row in rows:
        ends = ((row["saddr"], row["sport"] or 0), (row["daddr"], row["dport"] or 0))
        found = plain_community_id(row["proto"], *ends, seed, is_one_way(row))
        if name == "nob64":
            found = "1:" + base64.b64decode(found[2:]).hex()
        assert found == row["communityid"], row


def test_every_zeek_line_has_its_identifier(test_data):
    folder = test_data / "peers" / "community-id" / "zeek-tests" / "Baseline"
    if not folder.is_dir():
        pytest.skip(f"no baseline at {folder}")
    lines = [
        line
        for path in sorted(folder.rglob("*.out"))
        for line in path.read_text().splitlines()
        if "->" in line
    ]
    assert len(lines) == 18
    for line in lines:
        hashed, _, expected = line.partition(" -> ")
        hashed = bytes.fromhex(hashed.partition(" (")[0].replace(":", "").replace(" ", ""))
        size = 4 if len(hashed) == 16 else 16
        addresses = [hashed[2 : 2 + size], hashed[2 + size : 2 + 2 * size]]
        rest = hashed[2 + 2 * size :]
        ports = [int.from_bytes(rest[at : at + 2], "big") for at in (2, 4)]
        ends = [
            (str(ipaddress.ip_address(address)), port)
            for address, port in zip(addresses, ports, strict=True)
        ]
        digest = hashlib.sha1(hashed, usedforsecurity=False).digest()
        assert base64.b64encode(digest).decode() == expected[2:]
        assert plain_community_id(rest[0], *ends, 0, one_way=True) == expected


def test_outputs_take_the_seed_of_the_configuration():
    record, plan, expected = simple(), plan_of(), []
    ends = [
        (str(ipaddress.ip_address(record[side])), record[f"{side}_port"])
        for side in ("initiator", "responder")
    ]
    for seed in (0, 1, 65_535):
        config = with_settings(plan.config, {"recorder.community_id_seed": seed})
        named = people_fields(dataclasses.replace(plan, config=config))
        lines = Renderer("<community_id>", named, 1).render(row_words([record]))
        expected.append(plain_community_id(record["protocol"], *ends, seed))
        assert bytes(lines.content).decode() == expected[-1]
    assert len(set(expected)) == 3
