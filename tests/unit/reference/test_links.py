"""Goal: every link layer leads to the IP header, or to the fate that the section names.

Method: one small packet behind each link layer, in its forms; then each with a byte wrong, and cut
at each length: what is missing in the frame is short, what is missing in the capture is cut.
"""

from struct import pack

import pytest

from engine.reference.internet import vlan_of
from engine.reference.links import LINKS, Network, RefusedError, Span, network_of
from tests.property import frames as f
from tests.unit.reference.scenes import A, B, fate, segment

V4 = segment(f.ACK)
V6 = f.ipv6(f.udp((1, 2)), f.UDP, (A * 4, B * 4))
IP4, IP6 = b"\x08\x00", b"\x86\xdd"
MAC = bytes(12)
SNAP = b"\xaa\xaa\x03\0\0\0"
WIFI = b"\x08\x01" + bytes(22)


def _network(link_type: int, frame: bytes) -> Network:
    return network_of(Span(frame, len(frame)), link_type)


def _where(link_type: int, head: bytes, packet: bytes = V4) -> tuple[int, int]:
    """Return announced version and VLAN; the IP header must be found behind the head."""
    network = _network(link_type, head + packet)
    assert network.offset == len(head)
    return network.version, vlan_of(network.tags, "outer")


@pytest.mark.parametrize(
    ("link_type", "head", "expected"),
    [
        (1, MAC + IP4, (4, 0)),
        (1, MAC + IP6, (6, 0)),
        (1, MAC + b"\x81\0\0\5" + IP4, (4, 5)),
        (1, MAC + b"\x88\xa8\0\5\x81\0\0\7" + IP4, (4, 5)),
        (1, MAC + b"\x91\0\x10\0\x81\0\xe0\7" + IP4, (4, 7)),
        (1, MAC + b"\x81\0\0\5\0\x64" + SNAP + IP4, (4, 5)),
        (1, MAC + b"\x05\xdc" + SNAP + IP6, (6, 0)),
        (1, MAC + b"\0\0\xaa\xaa\x03\0\0\xf8" + IP4, (4, 0)),
        (1, MAC + b"\x88\x47\0\0\0\0\0\0\1\0", (4, 0)),
        (1, MAC + b"\x88\x48\0\0\1\0", (4, 0)),
        (1, MAC + b"\x88\x64\x11\0\0\0\0\0\0\x21", (4, 0)),
        (1, MAC + b"\x88\x64\x11\0\0\0\0\0\x57", (6, 0)),
        (0, b"\2\0\0\0", (4, 0)),
        (0, b"\0\0\0\x18", (6, 0)),
        (108, b"\0\0\0\x1e", (6, 0)),
        (12, b"", (0, 0)),
        (14, b"", (0, 0)),
        (101, b"", (0, 0)),
        (228, b"", (4, 0)),
        (229, b"", (6, 0)),
        (113, bytes(14) + IP6, (6, 0)),
        (113, bytes(14) + b"\0\4" + SNAP + IP4, (4, 0)),
        (276, IP4 + bytes(18), (4, 0)),
        (276, b"\0\4" + bytes(18) + SNAP + IP4, (4, 0)),
        (9, b"\xff\x03\0\x21", (4, 0)),
        (9, b"\x57", (6, 0)),
        (50, b"\x0f\0" + IP4, (4, 0)),
        (50, b"\x8f\0" + IP6, (6, 0)),
        (50, b"\xff\x03\x21", (4, 0)),
        (51, b"\x11\0\0\0\0\0\0\x21", (4, 0)),
        (166, b"\0\xff\x03\0\x21", (4, 0)),
        (166, b"\1\x21", (4, 0)),
        (166, b"\x21", (4, 0)),
        (104, b"\x0f\0" + IP4, (4, 0)),
        (107, b"\x18\x41\x03\xcc", (4, 0)),
        (107, b"\x18\x40\x01\x03\0\x8e", (6, 0)),
        (107, b"\x18\x40\x40\x01\x03\x80\0\0\0" + IP4, (4, 0)),
        (107, b"\x18\x41" + IP4, (4, 0)),
        (10, bytes(13) + SNAP + IP4, (4, 0)),
        (239, b"\2\0\0\0" + pack("<HH", 24, 9), (4, 0)),
        (239, b"\x0a\0\0\0" + pack("<HHxxxx", 7, 1) + pack("<HH", 24, 9), (6, 0)),
        (105, WIFI + SNAP + IP4, (4, 0)),
        (105, b"\x08\x03" + bytes(28) + SNAP + IP4, (4, 0)),
        (105, b"\x88\x01" + bytes(24) + SNAP + IP4, (4, 0)),
        (105, b"\x88\x83" + bytes(34) + SNAP + IP4, (4, 0)),
        (127, pack("<HHI", 0, 8, 0) + WIFI + SNAP + IP4, (4, 0)),
        (127, pack("<HHIB", 0, 9, 2, 0x20) + b"\x88\x01" + bytes(26) + SNAP + IP4, (4, 0)),
        (127, pack("<HHI8xB", 0, 17, 3, 0) + b"\x88\x01" + bytes(24) + SNAP + IP4, (4, 0)),
        (
            127,
            pack("<HHII12xB", 0, 25, 0x80000003, 0, 0x20) + b"\x88\x01" + bytes(26) + SNAP + IP4,
            (4, 0),
        ),
        (192, pack("<HHI", 0, 8, 101), (0, 0)),
        (192, pack("<HHI4x", 0, 12, 105) + WIFI + SNAP + IP4, (4, 0)),
    ],
)
def test_link_layer_leads_to_the_ip_header(link_type: int, head: bytes, expected: tuple) -> None:
    assert _where(link_type, head) == expected


@pytest.mark.parametrize(
    ("link_type", "frame", "expected"),
    [
        (1, MAC + b"\x08\x06" + V4, "non_ip"),
        (1, MAC + b"\x05\xdd" + SNAP + IP4 + V4, "non_ip"),
        (1, MAC + b"\0\x40\x42\x42\x03" + bytes(30), "non_ip"),
        (1, MAC + b"\0\x40\xaa\xaa\x03\0\0\1" + IP4 + V4, "non_ip"),
        (1, MAC + IP6 + V4, "malformed_ip_version"),
        (1, MAC + b"\x88\x47\0\0\1\0" + b"\x00" + V4, "non_ip"),
        (1, MAC + b"\x88\x64\x11\x09\0\0\0\0\0\x21" + V4, "non_ip"),
        (1, MAC + b"\x88\x64\x11\0\0\0\0\0\xc0\x21" + V4, "non_ip"),
        (1, MAC + b"\x81\0\0\5" * 16 + IP4 + V4, "accepted"),
        (1, MAC + b"\x81\0\0\5" * 17 + IP4 + V4, "malformed_depth"),
        (1, MAC + b"\x81\0\0\5" * 15 + b"\x88\x47\0\0\0\0\0\0\1\0" + V4, "malformed_depth"),
        (1, MAC + b"\x81\0\0\5" * 16 + b"\x88\x64\x11\0\0\0\0\0\0\x21" + V4, "malformed_depth"),
        (0, b"\3\0\0\0" + V4, "non_ip"),
        (108, b"\2\0\0\0" + V4, "non_ip"),
        (101, b"\x55" + V4, "malformed_ip_version"),
        (228, V6, "malformed_ip_version"),
        (113, bytes(14) + b"\0\1" + V4, "non_ip"),
        (107, b"\x18\x40\x40\x40\x01\x03\xcc" + V4, "malformed_length"),
        (107, b"\x19\x03\xcc" + V4, "malformed_length"),
        (107, b"\x18\x41\x03\x81" + V4, "non_ip"),
        (239, b"\2\0\0\0" + pack("<HH", 3, 9) + V4, "malformed_length"),
        (239, b"\7\0\0\0" + pack("<HH", 24, 9) + V4, "non_ip"),
        (239, b"\2\0\0\0" + pack("<HH", 4, 1), "non_ip"),
        (105, b"\x80\x00" + bytes(40), "non_ip"),
        (105, b"\x48\x01" + bytes(40), "non_ip"),
        (105, b"\x08\x41" + bytes(40), "non_ip"),
        (105, b"\x88\x01" + bytes(22) + b"\x80\0" + SNAP + IP4 + V4, "non_ip"),
        (127, pack("<HHI", 0, 7, 0) + WIFI + SNAP + IP4 + V4, "malformed_length"),
        (192, pack("<HHI", 0, 7, 101) + V4, "malformed_length"),
        (192, pack("<HHI", 0, 8, 192) + V4, "unsupported_link"),
        (192, pack("<HHI", 0, 8, 147) + V4, "unsupported_link"),
        (147, V4, "unsupported_link"),
    ],
)
def test_frame_that_is_otherwise_has_its_fate(link_type: int, frame: bytes, expected: str) -> None:
    assert fate(frame, link_type) == expected


_FRAMES = {
    1: MAC + b"\x81\0\0\5\x88\x47\0\0\0\0\0\0\1\0" + V4,
    0: b"\2\0\0\0" + V4,
    113: bytes(14) + b"\0\4" + SNAP + IP4 + V4,
    276: IP4 + bytes(18) + V4,
    9: b"\xff\x03\0\x21" + V4,
    50: b"\x0f\0" + IP4 + V4,
    51: b"\x11\0\0\0\0\0\0\x21" + V4,
    107: b"\x18\x41\x03\0\x80\0\0\0" + IP4 + V4,
    10: bytes(13) + SNAP + IP4 + V4,
    239: b"\2\0\0\0" + pack("<HHxxxx", 7, 1) + pack("<HH", 24, 9) + V4,
    105: b"\x88\x83" + bytes(34) + SNAP + IP4 + V4,
    127: pack("<HHIB", 0, 9, 2, 0x20) + b"\x88\x01" + bytes(26) + SNAP + IP4 + V4,
    192: pack("<HHI", 0, 8, 101) + V4,
}


@pytest.mark.parametrize("link_type", _FRAMES)
def test_missing_bytes_are_short_in_the_frame_and_cut_in_the_capture(link_type: int) -> None:
    frame = _FRAMES[link_type]
    assert fate(frame, link_type) == "accepted"
    ip_header = _network(link_type, frame).offset
    for size in range(ip_header + 20):
        if link_type == 239 and size in (4, *range(8, 13)):  # Behind a TLV, the frame just ends.
            continue
        assert fate(frame[:size], link_type) == "malformed_short"
        assert fate(frame[:size], link_type, wire_length=len(frame)) == "malformed_cut"


def test_each_header_of_fddi_is_needed_as_a_whole() -> None:
    for size in range(13):  # The frame ends in the LLC header, the capture before it.
        assert fate(_FRAMES[10][:size], 10, wire_length=17) == "malformed_cut"
    assert fate(_FRAMES[10][:13], 10, wire_length=17) == "malformed_short"


def test_tag_and_frame_relay_type_are_needed_as_a_whole() -> None:
    tagged, relayed = MAC + b"\x81\0", b"\x18\x41"
    for frame, link_type in ((tagged, 1), (relayed, 107)):
        assert fate(frame, link_type, wire_length=len(frame) + 1) == "malformed_short"
    assert fate(tagged, 1, wire_length=len(tagged) + 4) == "malformed_cut"
    assert fate(relayed, 107, wire_length=len(relayed) + 2) == "malformed_cut"


def test_every_link_type_of_the_section_is_read() -> None:
    known = {0, 1, 9, 10, 12, 14, 50, 51, 101, 104, 105, 107, 108, 113, 127, 166, 192, 228, 229}
    assert set(LINKS) == known | {239, 276}


def test_random_bytes_end_in_an_ip_header_or_a_fate() -> None:
    for link_type in LINKS:
        for seed in range(64):
            frame = bytes((seed * (k + 1) * 37 >> 2) & 0xFF for k in range(seed))
            try:
                assert _network(link_type, frame).offset <= len(frame) + 65_536
            except RefusedError as refused:
                assert refused.fate
