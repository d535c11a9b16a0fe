"""What IP and transport headers make of a record, and which packets are refused.

Goal: SEMANTICS.rst, "IP" and "ICMP ports". Method: packets built by hand on a raw link, one rule
each, with the exact limit and one beyond it.
"""

from struct import pack

import numpy as np
import pytest
from numba import njit

from engine.memory.pointers import pointer
from engine.packets.ip import transport_offset
from tests.property import frames as f
from tests.unit.packets.parsing import FrameParser, Layer, Parsed

RAW = 101
A, B = b"\x0a\0\0\1", b"\x0a\0\0\2"
A6, B6 = b"\xfe\x80" + bytes(13) + b"\1", b"\x20\x01" + bytes(13) + b"\2"
HOP, ROUTING, AUTHENTICATION, OPTIONS, MOBILITY = 0, 43, 51, 60, 135


def parse(packet: bytes, wire: int = 0) -> Parsed:
    """Parse a raw packet."""
    return FrameParser().parse(packet, RAW, wire)


def only(packet: bytes, wire: int = 0) -> Layer:
    """Return the record of a packet that must be accepted."""
    return parse(packet, wire).only


def test_record_has_addresses_ports_lengths_flags_and_window():
    packet = f.ipv4(f.tcp((4000, 80), 0x92, b"data", window=0xFEDC), f.TCP, (A, B))
    assert only(packet) == Layer(
        0x0A000001, 0x0A000002, 4, 40, 4, 0xFEDC, 4000, 80, 0, 0, 0, 0, 0, f.TCP, 0x92, 0, 0
    )


def test_record_has_both_halves_of_ipv6_addresses():
    layer = only(f.ipv6(f.udp((1, 2), b"x"), f.UDP, (A6, B6)))
    assert layer.source == int.from_bytes(A6)
    assert layer.destination == int.from_bytes(B6)
    assert (layer.version6, layer.header, layer.payload) == (1, 48, 1)


@pytest.mark.parametrize("words", (0, 4))
def test_header_length_below_20_is_malformed(words):
    assert parse(f.ipv4(bytes(40), f.UDP, (A, B), words=words)).fate == "malformed_length"


def test_options_count_as_header():
    layer = only(f.ipv4(f.udp((1, 2), b"xyz"), f.UDP, (A, B), options=bytes(40)))
    assert (layer.header, layer.payload) == (68, 3)


def test_length_below_the_header_or_beyond_the_frame_is_malformed():
    packet = f.udp((1, 2), b"xyz")
    assert parse(f.ipv4(packet, f.UDP, (A, B), length=19)).fate == "malformed_length"
    assert parse(f.ipv4(packet, f.UDP, (A, B), length=32)).fate == "malformed_length"
    assert parse(f.ipv4(packet, f.UDP, (A, B), length=31)).only.payload == 3
    assert parse(f.ipv6(packet, f.UDP, (A6, B6), length=12)).fate == "malformed_length"


def test_padding_of_the_frame_never_counts():
    layer = only(f.ipv4(f.udp((1, 2), b"xyz"), f.UDP, (A, B)) + bytes(20))
    assert (layer.payload, layer.captured) == (3, 3)


def test_ipv4_length_0_is_that_of_the_frame():
    packet = f.ipv4(f.udp((1, 2), bytes(72)), f.UDP, (A, B), length=0)
    assert only(packet).payload == 72
    layer = only(packet, 1 << 20)
    assert (layer.payload, layer.captured) == ((1 << 20) - 28, 72)
    assert parse(packet, (1 << 20) + 1).fate == "malformed_length"


@pytest.mark.parametrize(
    ("protocol", "grows"), [(HOP, True), (f.TCP, True), (f.UDP, True), (58, False)]
)
def test_ipv6_payload_length_0_is_that_of_the_frame_before_some_headers(protocol, grows):
    inside = {HOP: b"\x11\0" + bytes(6) + f.udp((1, 2)), f.TCP: f.tcp((1, 2), 0), 58: b""}
    packet = f.ipv6(inside.get(protocol, f.udp((1, 2))), protocol, (A6, B6), length=0)
    parsed = parse(packet, 100)
    if grows:
        assert parsed.only.header + parsed.only.payload == 100
    else:
        assert parsed.fate == "malformed_short"  # 40 bytes in all: no room for type and code.


CHAIN = [  # Header number, bytes behind its first, its size.
    (HOP, b"\0" + bytes(6), 8),
    (ROUTING, b"\1" + bytes(14), 16),
    (OPTIONS, b"\0" + bytes(6), 8),
    (MOBILITY, b"\0" + bytes(6), 8),
    (AUTHENTICATION, b"\4" + bytes(22), 24),
    (44, b"\0\0\0" + bytes(4), 8),
]


@pytest.mark.parametrize(("kind", "rest", "size"), CHAIN)
def test_each_extension_header_is_passed(kind, rest, size):
    layer = only(f.extended(f.udp((1, 2), b"x"), f.UDP, (A6, B6), [(kind, rest)]))
    assert (layer.header, layer.payload, layer.source_port) == (48 + size, 1, 1)
    assert layer.fragment == 0


def test_extension_headers_are_passed_in_any_order_and_number():
    chain = [(kind, rest) for kind, rest, _ in CHAIN]
    layer = only(f.extended(f.udp((1, 2), b"x"), f.UDP, (A6, B6), chain + chain[::-1]))
    assert (layer.header, layer.protocol) == (48 + 2 * 72, f.UDP)


def test_authentication_is_passed_in_ipv4_and_others_are_not():
    inside = b"\x11\4" + bytes(22) + f.udp((1, 2), b"x")
    assert only(f.ipv4(inside, AUTHENTICATION, (A, B))).header == 52
    other = only(f.ipv4(b"\x11\0" + bytes(6) + f.udp((1, 2)), OPTIONS, (A, B)))
    assert (other.protocol, other.source_port, other.payload) == (OPTIONS, 0, 16)


def test_extension_header_beyond_the_packet_is_short():
    packet = f.extended(b"", f.UDP, (A6, B6), [(OPTIONS, b"\2" + bytes(6))])
    assert parse(packet).fate == "malformed_short"
    assert parse(packet + bytes(40)).fate == "malformed_short"


def long_chain(size: int) -> bytes:
    """Return a packet whose IP headers have `size` bytes, a multiple of 8, above 2,088."""
    second = size - 40 - 2048
    chain = [
        (OPTIONS, b"\xff" + bytes(2046)),
        (OPTIONS, bytes((second // 8 - 1,)) + bytes(second - 2)),
    ]
    return f.extended(f.udp((1, 2), b"x"), f.UDP, (A6, B6), chain)


def test_headers_above_4095_bytes_are_malformed():
    assert only(long_chain(4080)).header == 4088
    assert parse(long_chain(4088)).fate == "malformed_length"  # 4,096 with that of UDP.
    third = [(OPTIONS, b"\xff" + bytes(2046))] * 2
    assert parse(f.extended(f.udp((1, 2)), 59, (A6, B6), third)).fate == "malformed_length"


@pytest.mark.parametrize("protocol", (f.TCP, f.UDP, f.SCTP, f.DCCP, f.UDP_LITE))
def test_ports_are_needed_of_every_protocol_that_has_them(protocol):
    packet = f.ipv4(b"\1\2\3", protocol, (A, B))
    assert parse(packet).fate == "malformed_short"
    whole = f.ipv4(f.tcp((0x0102, 0x0304), 0), protocol, (A, B))
    assert parse(whole[:23], len(whole)).fate == "malformed_cut"
    layer = only(whole[:24], len(whole))
    assert (layer.source_port, layer.destination_port) == (0x0102, 0x0304)


def test_each_protocol_has_its_header_length():
    def header(protocol: int, content: bytes) -> int:
        return only(f.ipv4(content, protocol, (A, B))).header - 20

    assert header(f.UDP, f.udp((1, 2), bytes(30))) == 8
    assert header(f.UDP_LITE, f.udp((1, 2), bytes(30))) == 8
    assert header(f.SCTP, f.sctp((1, 2), bytes(30))) == 12
    assert header(f.ICMP, f.icmp(8, 0, bytes(30))) == 8
    assert header(f.DCCP, f.dccp((1, 2), 6, bytes(30))) == 24
    assert header(f.TCP, f.tcp((1, 2), 0, bytes(30), words=8)) == 32
    assert header(50, bytes(30)) == 0


def test_header_longer_than_the_packet_leaves_no_payload():
    layer = only(f.ipv4(f.udp((1, 2))[:6], f.UDP, (A, B)))
    assert (layer.header, layer.payload, layer.captured) == (26, 0, 0)
    assert only(f.ipv4(f.dccp((1, 2), 255), f.DCCP, (A, B), length=40)).payload == 0


def test_tcp_offset_must_be_20_to_the_end_of_the_packet():
    assert parse(f.ipv4(f.tcp((1, 2), 0, words=4), f.TCP, (A, B))).fate == "malformed_tcp_offset"
    segment = f.tcp((1, 2), 0, words=6)
    assert only(f.ipv4(segment, f.TCP, (A, B))).header == 44
    assert parse(f.ipv4(segment[:23], f.TCP, (A, B))).fate == "malformed_tcp_offset"
    assert parse(f.ipv4(f.tcp((1, 2), 0)[:12], f.TCP, (A, B))).fate == "malformed_tcp_offset"


@pytest.mark.parametrize(
    ("captured", "flags", "window", "cut"),
    [
        (4, 0, 0, 1),
        (12, 0, 0, 1),
        (13, 0, 0, 1),
        (14, 0xFF, 0, 1),
        (15, 0xFF, 0, 1),
        (16, 0xFF, 9, 0),
    ],
)
def test_flags_and_window_beyond_the_capture_are_none(captured, flags, window, cut):
    packet = f.ipv4(f.tcp((1, 2), 0xFF, bytes(10), window=9, words=7), f.TCP, (A, B))
    layer = only(packet[: 20 + captured], len(packet))
    assert (layer.flags, layer.window, layer.mark, layer.tcp_header_cut) == (
        flags,
        window,
        cut,
        cut,
    )
    assert layer.header == (48 if captured >= 13 else 40)
    assert layer.header + layer.payload == len(packet)


def test_captured_payload_is_what_the_capture_holds_at_most_65535():
    packet = f.ipv4(f.udp((1, 2), bytes(100)), f.UDP, (A, B))
    assert only(packet[:28], 128).captured == 0
    assert only(packet[:31], 128).captured == 3
    large = f.ipv4(f.udp((1, 2), bytes(70_000)), f.UDP, (A, B), length=0)
    assert (only(large).payload, only(large).captured) == (70_000, 65_535)


PAIRS = {
    f.ICMP: [(0, 8), (9, 10), (13, 14), (15, 16), (17, 18)],
    f.ICMP6: [(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)],
}


@pytest.mark.parametrize("protocol", PAIRS)
def test_icmp_ports_are_type_and_counterpart_or_code(protocol):
    mapped = {left: right for pair in PAIRS[protocol] for left, right in (pair, pair[::-1])}
    for kind in range(256):
        layer = only(f.ipv4(f.icmp(kind, 77), protocol, (A, B)))
        expected = (kind, mapped[kind], 0) if kind in mapped else (kind, 77, 1)
        assert (layer.source_port, layer.destination_port, layer.mark) == expected


def test_icmp_needs_type_and_code():
    assert parse(f.ipv4(b"\x08", f.ICMP, (A, B))).fate == "malformed_short"
    packet = f.ipv4(f.icmp(8, 0), f.ICMP, (A, B))
    assert parse(packet[:21], len(packet)).fate == "malformed_cut"
    assert only(packet[:22], len(packet)).source_port == 8


def test_version_nibble_decides_on_a_raw_link():
    assert parse(pack(">B", 0x55) + bytes(40)).fate == "malformed_ip_version"


@njit
def _offset(octets, limit):
    return transport_offset(pointer(octets), limit)


@pytest.mark.parametrize(
    "packet",
    (
        f.ipv4(f.tcp((1, 2), 0), f.TCP, (A, B)),
        f.ipv4(f.tcp((1, 2), 0), f.TCP, (A, B), options=bytes(40)),
        f.ipv4(b"\x06\4" + bytes(22) + f.tcp((1, 2), 0), AUTHENTICATION, (A, B)),
        f.ipv6(f.tcp((1, 2), 0), f.TCP, (A6, B6)),
        f.extended(
            f.tcp((1, 2), 0),
            f.TCP,
            (A6, B6),
            [
                (HOP, b"\0" + bytes(6)),
                f.fragment_header(1, 0, False),
                (AUTHENTICATION, b"\4" + bytes(22)),
                (OPTIONS, b"\2" + bytes(22)),
            ],
        ),
    ),
)
def test_transport_header_is_found_again_and_nothing_behind_the_limit_is_read(packet):
    begin = only(packet).header - 20
    octets = np.frombuffer(packet, np.uint8).copy()
    assert _offset(octets, begin) == begin
    assert _offset(octets, begin - 1) == -1
    for limit in range(begin + 1):
        cut = octets.copy()
        cut[max(limit, 20) :] = 0xFF  # An extension header of another length.
        assert _offset(cut, limit) in (-1, begin)
