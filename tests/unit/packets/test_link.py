"""Where IP begins in frames of every link type, and what is refused on the way.

Goal: the rules of SEMANTICS.rst, "Link types" and "Ethertypes". Method: frames built by hand, one
rule each, around one IPv4 or IPv6 packet; what is expected is the offset of its header, the VLAN,
or a fate. Bytes needed are taken away one by one: beyond the frame short, beyond the capture cut.
"""

from struct import pack

import pytest

from tests.property import frames as f
from tests.unit.packets.parsing import FrameParser, Parsed

A, B = b"\x0a\0\0\1", b"\x0a\0\0\2"
A6, B6 = b"\x20\x01" + bytes(13) + b"\1", b"\x20\x01" + bytes(13) + b"\2"
FOUR = f.ipv4(f.udp((1, 2), b"hello"), f.UDP, (A, B))
SIX = f.ipv6(f.udp((1, 2), b"hello"), f.UDP, (A6, B6))
SNAP4 = f.snap(FOUR)
MACS = bytes(12)
TLV = pack("<HH", 8, 5) + bytes(4)


def parse(frame: bytes, link: int, wire: int = 0) -> Parsed:
    """Parse one frame."""
    return FrameParser().parse(frame, link, wire)


def wifi(control: int, *more: bytes) -> bytes:
    """Return an 802.11 data frame with these frame control bytes (big endian as written)."""
    return pack(">H", control) + bytes(22) + b"".join(more)


FOUND = [  # Link type, bytes before the packet, the packet.
    (1, MACS + b"\x08\0", FOUR),
    (1, MACS + b"\x86\xdd", SIX),
    (1, MACS + b"\x05\xdc" + SNAP4[:8], FOUR),
    (1, MACS + b"\0\0\xaa\xaa\3\0\0\xf8\x08\0", FOUR),
    (1, MACS + b"\x88\x47\0\0\0\0\0\0\1\0", FOUR),
    (1, MACS + b"\x88\x48\0\0\1\0", SIX),
    (1, MACS + b"\x88\x64\x11\0" + bytes(4) + b"\0\x21", FOUR),
    (1, MACS + b"\x88\x64\x11\0" + bytes(4) + b"\x57", SIX),
    (12, b"", FOUR),
    (14, b"", SIX),
    (101, b"", FOUR),
    (228, b"", FOUR),
    (229, b"", SIX),
    (0, b"\2\0\0\0", FOUR),
    (0, b"\0\0\0\2", FOUR),
    (0, b"\0\0\0\x1e", SIX),
    (0, b"\x0a\0\0\0", SIX),
    (108, b"\0\0\0\2", FOUR),
    (108, b"\0\0\0\x18", SIX),
    (113, bytes(14) + b"\x08\0", FOUR),
    (113, bytes(14) + b"\0\4" + SNAP4[:8], FOUR),
    (276, b"\x86\xdd" + bytes(18), SIX),
    (9, b"\xff\3\0\x21", FOUR),
    (9, b"\x21", FOUR),
    (9, b"\0\x57", SIX),
    (50, b"\xff\3\0\x21", FOUR),
    (50, b"\x0f\0\x08\0", FOUR),
    (50, b"\x8f\0\x86\xdd", SIX),
    (51, b"\x11\0" + bytes(4) + b"\0\x21", FOUR),
    (166, b"\0\xff\3\0\x21", FOUR),
    (166, b"\1\x21", FOUR),
    (166, b"\xff\3\x21", FOUR),
    (104, b"\x0f\0\x08\0", FOUR),
    (107, b"\x18\x41\3\xcc", FOUR),
    (107, b"\x18\x40\x40\x41\3\0\x8e", SIX),
    (107, b"\x18\x40\x41\3\0\x80\0\0\0\x08\0", FOUR),
    (107, b"\x18\x41\x08\0", FOUR),
    (10, bytes(13) + SNAP4[:8], FOUR),
    (239, b"\2\0\0\0" + TLV + pack("<HH", 4 + len(FOUR), 9), FOUR),
    (239, b"\x0a\0\0\0" + pack("<HH", 5, 1) + bytes(4) + pack("<HH", 44, 9), SIX),
    (105, wifi(0x0800) + SNAP4[:8], FOUR),
    (105, wifi(0x0803, bytes(6)) + SNAP4[:8], FOUR),
    (105, wifi(0x8801, bytes(2)) + SNAP4[:8], FOUR),
    (105, wifi(0x8880, bytes(6)) + SNAP4[:8], FOUR),
    (127, pack("<BBHI", 0, 0, 8, 0) + wifi(0x0800) + SNAP4[:8], FOUR),
    (127, pack("<BBHIB", 0, 0, 9, 2, 0x20) + wifi(0x8800, bytes(4)) + SNAP4[:8], FOUR),
    (127, pack("<BBHIQB", 0, 0, 17, 3, 0, 0x20) + wifi(0x8800, bytes(4)) + SNAP4[:8], FOUR),
    (
        127,
        pack("<BBHIIB", 0, 0, 13, 2 | 1 << 31, 0, 0x20) + wifi(0x8800, bytes(4)) + SNAP4[:8],
        FOUR,
    ),
    (192, pack("<BBHI", 0, 0, 8, 1) + MACS + b"\x08\0", FOUR),
    (192, pack("<BBHI", 0, 0, 12, 101) + bytes(4), SIX),
    (192, pack("<BBHI", 0, 0, 8, 105) + wifi(0x0800) + SNAP4[:8], FOUR),
]


@pytest.mark.parametrize(("link", "before", "packet"), FOUND)
def test_ip_header_is_found_behind_every_link_layer(link, before, packet):
    layer = parse(before + packet, link).only
    assert layer.offset == len(before)
    assert layer.version6 == (packet is SIX)
    assert (layer.source_port, layer.payload) == (1, 5)


@pytest.mark.parametrize(("link", "before", "packet"), FOUND)
def test_missing_bytes_are_short_beyond_the_frame_and_cut_beyond_the_capture(link, before, packet):
    frame = before + packet
    for size in range(len(before) + 20):
        fate = parse(frame[:size], link).fate
        # NFLOG: the frame ends behind or within a TLV before the payload, so there is none.
        empty = link == 239 and (size == 4 or 8 <= size <= len(before) - 4)
        assert fate == ("non_ip" if empty else "malformed_short"), size
        assert parse(frame[:size], link, len(frame)).fate == "malformed_cut", size


REFUSED = [  # Link type, frame, fate.
    (1, MACS + b"\x05\xdd" + SNAP4, "non_ip"),
    (1, MACS + b"\x08\6" + bytes(28), "non_ip"),
    (1, MACS + b"\0\x10\x42\x42\3" + bytes(20), "non_ip"),
    (1, MACS + b"\0\x10\xaa\xaa\3\0\0\x0c\x08\0" + FOUR, "non_ip"),
    (1, MACS + b"\x08\0" + SIX, "malformed_ip_version"),
    (1, MACS + b"\x86\xdd" + FOUR, "malformed_ip_version"),
    (1, MACS + b"\x88\x47\0\0\1\0\x10" + bytes(30), "non_ip"),
    (1, MACS + b"\x88\x64\x12\0" + bytes(4) + b"\0\x21" + FOUR, "non_ip"),
    (1, MACS + b"\x88\x64\x11\7" + bytes(4) + b"\0\x21" + FOUR, "non_ip"),
    (1, MACS + b"\x88\x64\x11\0" + bytes(4) + b"\xc0\x21" + FOUR, "non_ip"),
    (12, b"\0" + FOUR, "malformed_ip_version"),
    (101, b"\x50" + FOUR, "malformed_ip_version"),
    (228, SIX, "malformed_ip_version"),
    (229, FOUR, "malformed_ip_version"),
    (0, b"\7\0\0\0" + FOUR, "non_ip"),
    (108, b"\2\0\0\0" + FOUR, "non_ip"),
    (113, bytes(14) + b"\0\1" + FOUR, "non_ip"),
    (276, b"\5\xff" + bytes(18) + FOUR, "non_ip"),
    (107, b"\x18\x40\x40\x40" + FOUR, "malformed_length"),
    (107, b"\x19\x41\3\xcc" + FOUR, "malformed_length"),
    (107, b"\x18\x41\3\x81" + FOUR, "non_ip"),
    (239, b"\7\0\0\0" + pack("<HH", 4 + len(FOUR), 9) + FOUR, "non_ip"),
    (239, b"\2\0\0\0" + pack("<HH", 3, 1) + FOUR, "malformed_length"),
    (105, wifi(0x0400) + SNAP4, "non_ip"),
    (105, wifi(0x4800) + SNAP4, "non_ip"),
    (105, wifi(0x0840) + SNAP4, "non_ip"),
    (105, wifi(0x8800, b"\x80\0") + SNAP4, "non_ip"),
    (127, pack("<BBHI", 0, 0, 7, 0) + wifi(0x0800) + SNAP4, "malformed_length"),
    (192, pack("<BBHI", 0, 0, 7, 1) + MACS + b"\x08\0" + FOUR, "malformed_length"),
    (192, pack("<BBHI", 0, 0, 8, 192) + FOUR, "unsupported_link"),
    (192, pack("<BBHI", 0, 0, 8, 147) + FOUR, "unsupported_link"),
    (147, FOUR, "unsupported_link"),
    (8, b"", "unsupported_link"),
]


@pytest.mark.parametrize(("link", "frame", "fate"), REFUSED)
def test_what_is_not_ip_is_refused_by_reason(link, frame, fate):
    assert parse(frame, link).fate == fate


def tagged(count: int, kind: int = 0x8100, first: int = 7) -> bytes:
    """Return an Ethernet frame with `count` tags; the first has id `first`, the rest 9."""
    tags = tuple(kind << 16 | (first if k == 0 else 9) for k in range(count))
    return f.ethernet(FOUR, tags)


@pytest.mark.parametrize("kind", (0x8100, 0x88A8, 0x9100))
def test_vlan_is_the_outermost_tag_id_that_is_not_0(kind):
    assert parse(tagged(1, kind), 1).only.vlan == 7
    assert parse(tagged(3, kind), 1).only.vlan == 7
    assert parse(tagged(2, kind, first=0xE000), 1).only.vlan == 9
    assert parse(tagged(1, kind, first=0xE000), 1).only.vlan == 0


def test_vlan_stays_with_what_is_behind_pppoe():
    frame = MACS + b"\x81\0\0\5\x88\x64\x11\0" + bytes(4) + b"\0\x21" + FOUR
    assert parse(frame, 1).only.vlan == 5


def test_length_behind_a_tag_is_llc_even_above_1500():
    assert parse(MACS + b"\x81\0\0\5\x05\xff" + SNAP4, 1).only.vlan == 5


def test_more_than_16_tags_labels_and_sessions_are_too_deep():
    assert parse(tagged(16), 1).fate == "accepted"
    assert parse(tagged(17), 1).fate == "malformed_depth"
    assert parse(MACS + b"\x88\x47" + f.labels(FOUR, 16), 1).fate == "accepted"
    assert parse(MACS + b"\x88\x47" + f.labels(FOUR, 17), 1).fate == "malformed_depth"
    mixed = f.ethernet(f.labels(FOUR, 2), tuple(0x81000009 for _ in range(15)), 0x8847)
    assert parse(mixed, 1).fate == "malformed_depth"


def test_a_tag_too_many_is_too_deep_before_its_bytes_are_needed():
    frame = tagged(17)
    assert parse(frame[: 14 + 16 * 4], 1).fate == "malformed_depth"
