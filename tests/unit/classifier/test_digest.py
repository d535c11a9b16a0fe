"""Goal: the digest is XXH3-128 over the bytes that the definition names.

Method: rows drawn by name, packed by struct as the page says, hashed in one piece.
"""

import struct

import numpy as np
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.classifier.digest import ENTRY_BYTES_MAX, Digest, pack
from engine.layouts import FEATURES, ROW
from tests.unit.classifier.builders import packed

WORDS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(width=32, allow_nan=False)


@st.composite
def drawn_rows(draw):
    """Draw (rows, the same as the bytes of the definition with scores, and without)."""
    count = draw(st.integers(0, 3))
    rows = np.zeros((count, ROW.words), np.int64)
    scored, unscored = [], []
    for row in rows:
        one, other = _fill(draw, row)
        scored.append(one)
        unscored.append(other)
    return rows, b"".join(scored), b"".join(unscored)


def _fill(draw, row) -> tuple[bytes, bytes]:
    """Fill a row with drawn values; return it as the definition's bytes."""
    version6, protocol, vlan = draw(st.booleans()), draw(st.integers(0, 255)), draw(VLANS)
    ports = draw(st.tuples(st.integers(0, 65535), st.integers(0, 65535)))
    reason, mark = draw(st.integers(0, 5)), draw(st.booleans())
    alert, source = draw(st.booleans()), draw(st.integers(0, 32767))
    names = ("initiator_high", "initiator_low", "responder_high", "responder_low")
    addresses = [draw(WORDS) if version6 else 0 for _ in names]
    if not version6:
        addresses[1], addresses[3] = draw(IPV4), draw(IPV4)
    times = [draw(WORDS) for _ in range(3)]
    counts = [draw(st.integers(0, 2**62)) for _ in range(4)]
    sequence, offset = draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 2**48 - 1))
    vector = np.zeros(FEATURES, np.float32)
    vector[draw(st.integers(0, 141))] = draw(FLOATS)
    valid = draw(st.integers(0, 2**FEATURES - 1))
    score, threshold = np.float32(draw(FLOATS)), np.float32(0.5)
    key = {"vlan": vlan, "version6": version6, "protocol": protocol, "mark": mark}
    key |= {"initiator_port": ports[0], "responder_port": ports[1]}
    words = {
        "head": packed(ROW, "head", kind=3, reason=reason, service=9),
        "key": packed(ROW, "key", **{name: int(value) for name, value in key.items()}),
        **dict(zip(names, addresses, strict=True)),
        **dict(zip(("time_ns", "start_ns", "end_ns"), times, strict=True)),
        **dict(zip(COUNTS, counts, strict=True)),
        "sequence": sequence,
        "first_reference": source << 48 | offset,
        "verdict": packed(ROW, "verdict", scored=1, alert=int(alert), label=3),
    }
    for name, value in words.items():
        row[ROW.index(name)] = value
    row.view(np.float32)[2 * ROW.index("vector_0") :][:FEATURES] = vector
    row.view(np.float32)[2 * ROW.index("score_threshold") :][:2] = score, threshold
    at = ROW.index("valid")
    row[at : at + 3] = np.frombuffer(valid.to_bytes(24, "little"), np.int64)
    body = struct.pack("<BBHHH", 6 if version6 else 4, protocol, vlan, *ports)
    if version6:
        body += struct.pack(">qqqq", *addresses)
    else:
        body += bytes(12) + struct.pack(">I", addresses[1])
        body += bytes(12) + struct.pack(">I", addresses[3])
    body += struct.pack("<H3q4qBBI", source, *times, *counts, reason, int(reason > 0), sequence)
    body += vector.tobytes() + valid.to_bytes(18, "little")
    tail = struct.pack("<Bf", 2, 0.5) if alert else b""
    return body + score.tobytes() + tail, body


VLANS = st.integers(0, 4095)
IPV4 = st.integers(0, 2**32 - 1)
COUNTS = ("fwd_packets", "bwd_packets", "fwd_total_bytes", "bwd_total_bytes")


@given(drawn_rows())
@settings(deadline=None)
def test_rows_are_packed_as_defined(drawn):
    rows, with_scores, without = drawn
    for scored, expected in ((True, with_scores), (False, without)):
        out = np.zeros(len(rows) * ENTRY_BYTES_MAX, np.uint8)
        size = pack(rows, rows.view(np.uint8), len(rows), out, scored)
        assert out[:size].tobytes() == expected


@given(drawn_rows(), drawn_rows())
@settings(deadline=None)
def test_digest_does_not_depend_on_batches(first, second):
    for scored, prefix in ((1, ""), (2, "noscore:")):
        digest = Digest(4, scored == 1)
        for rows in (first[0], second[0]):
            digest.update(rows, len(rows))
        expected = xxhash.xxh3_128_hexdigest(first[scored] + second[scored])
        assert digest.text() == prefix + expected
