"""Goal: IP and transport headers give the fields and the fate of the section "Packets".

Method: packets by hand at each limit, one claim each; then one packet of each kind cut at every
length, by the wire and by the capture.
"""

import pytest

from engine.reference.internet import Fragment, Layer, layer_of
from engine.reference.links import Network, RefusedError, Span
from tests.property import frames as f
from tests.unit.reference.scenes import A, B, datagram, fate, segment

ENDS = (A, B)
ENDS6 = (A * 4, B * 4)
LONG, LONGER = (60, b"\xfb" + bytes(2014)), (60, b"\xfc" + bytes(2022))  # 40 + 2,016 + 2,016 + 20.


def _layer(packet: bytes, captured: int | None = None, end: int | None = None) -> Layer:
    span = Span(packet[:captured], len(packet) if end is None else end)
    return layer_of(span, Network(0, 0))


def _lengths(layer: Layer) -> tuple[int, int, int]:
    return layer.header_length, layer.payload_length, len(layer.payload)


def test_tcp_packet_has_its_fields() -> None:
    layer = _layer(segment(f.PSH | f.ACK, b"hello", window=77))
    assert (layer.version, layer.protocol, layer.source, layer.destination) == (4, 6, A, B)
    assert (layer.source_port, layer.destination_port) == (4000, 80)
    assert (layer.flags, layer.window, layer.payload) == (0x18, 77, b"hello")
    assert _lengths(layer) == (40, 5, 5)


def test_padding_of_the_frame_never_counts() -> None:
    assert _lengths(_layer(segment(f.ACK) + bytes(20))) == (40, 0, 0)


def test_payload_beyond_the_capture_counts_but_is_not_captured() -> None:
    packet = datagram(b"x" * 100)
    assert _lengths(_layer(packet, captured=58, end=128)) == (28, 100, 30)


def test_captured_payload_ends_at_65535_bytes() -> None:
    packet = f.ipv4(f.udp((1, 2), bytes(70_000)), f.UDP, ENDS, length=0)
    assert _lengths(_layer(packet)) == (28, 70_000, 65_535)


def test_length_zero_is_the_rest_of_the_frame() -> None:
    assert _lengths(_layer(f.ipv4(f.udp((1, 2), b"abc"), f.UDP, ENDS, length=0) + b"de")) == (
        28,
        5,
        5,
    )
    for protocol in (f.TCP, f.UDP):
        packet = f.ipv6(f.tcp((1, 2), 0) + b"abc", protocol, ENDS6, length=0)
        assert sum(_lengths(_layer(packet))[:2]) == 63


def test_packet_has_at_most_a_mebibyte() -> None:
    packet = f.ipv4(b"", 99, ENDS, length=0)
    assert fate(packet, wire_length=1 << 20) == "accepted"
    assert fate(packet, wire_length=(1 << 20) + 1) == "malformed_length"


def test_ipv6_length_zero_before_anything_else_is_forty() -> None:
    assert _lengths(_layer(f.ipv6(b"abc", 59, ENDS6, length=0))) == (40, 0, 0)


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (f.ipv4(b"", 99, ENDS, words=4), "malformed_length"),
        (f.ipv4(b"", 99, ENDS, length=19), "malformed_length"),
        (f.ipv4(b"", 99, ENDS, words=6), "malformed_length"),
        (f.ipv4(b"", 99, ENDS, length=21), "malformed_length"),
        (f.ipv6(b"", 59, ENDS6, length=1), "malformed_length"),
        (f.ipv4(b"\0\1\0", f.UDP, ENDS), "malformed_short"),
        (f.ipv4(b"\0\1\0\2", f.UDP, ENDS), "accepted"),
        (f.ipv4(b"\x08", f.ICMP, ENDS), "malformed_short"),
        (f.ipv4(b"\x08\0", f.ICMP, ENDS), "accepted"),
        (f.ipv4(b"", 99, ENDS), "accepted"),
        (f.ip(f.tcp((1, 2), 0, words=4), f.TCP, ENDS), "malformed_tcp_offset"),
        (f.ip(f.tcp((1, 2), 0, words=6)[:-1], f.TCP, ENDS), "malformed_tcp_offset"),
        (f.ip(f.tcp((1, 2), 0)[:12], f.TCP, ENDS), "malformed_tcp_offset"),
        (f.extended(b"", 59, ENDS6, [(60, b"\1")]), "malformed_short"),
        (f.extended(b"", 59, ENDS6, [(60, b"\xff" + bytes(2046))] * 2), "malformed_length"),
        (f.extended(f.tcp((1, 2), 0), 6, ENDS6, [LONG] * 2), "accepted"),
        (f.extended(f.tcp((1, 2), 0), 6, ENDS6, [LONG, LONGER]), "malformed_length"),
    ],
)
def test_packet_at_a_limit_has_its_fate(packet: bytes, expected: str) -> None:
    assert fate(packet) == expected


@pytest.mark.parametrize(
    "packet",
    [
        segment(f.ACK),
        datagram(b"payload"),
        f.ip(f.icmp(8, 0), f.ICMP, ENDS),
        f.ip(f.sctp((1, 2)), f.SCTP, ENDS),
        f.ip(f.dccp((1, 2), 4), f.DCCP, ENDS),
        f.extended(f.udp((1, 2)), f.UDP, ENDS6, [(0, b"\0" + bytes(6)), (51, b"\4" + bytes(22))]),
        f.extended(f.udp((1, 2)), f.UDP, ENDS6, [f.fragment_header(1, 0, True)]),
    ],
)
def test_packet_needs_its_ports_in_the_capture(packet: bytes) -> None:
    layer = _layer(packet)
    needed = layer.payload_at - {6: 20, 17: 8, 1: 8, 132: 12, 33: 16}[layer.protocol]
    needed += 2 if layer.protocol == f.ICMP else 4
    for captured in range(len(packet)):
        expected = "accepted" if captured >= needed else "malformed_cut"
        assert fate(packet[:captured], wire_length=len(packet)) == expected


def test_tcp_flags_and_window_beyond_the_capture_count_as_none() -> None:
    packet = segment(f.SYN, window=9)
    for captured, flags, window in ((33, None, None), (34, 2, None), (35, 2, None), (36, 2, 9)):
        layer = _layer(packet, captured, 40)
        assert (layer.flags, layer.window) == (flags, window)
        assert layer.tcp_header_cut == (captured < 36)
        assert _lengths(layer) == (40, 0, 0)


def test_tcp_offset_beyond_the_capture_counts_as_twenty() -> None:
    assert _lengths(_layer(segment(0, words=8), 32, 52)) == (40, 12, 0)


def test_dccp_header_ends_at_its_data_offset() -> None:
    packet = f.ip(f.dccp((1, 2), 6, b"abc"), f.DCCP, ENDS)
    assert _lengths(_layer(packet)) == (44, 3, 3)
    assert _lengths(_layer(packet, 24, len(packet))) == (32, 15, 0)


def test_header_longer_than_the_packet_leaves_no_payload() -> None:
    assert _lengths(_layer(f.ip(f.udp((1, 2))[:5], f.UDP, ENDS))) == (25, 0, 0)


def test_options_and_extension_headers_are_headers() -> None:
    assert _lengths(_layer(f.ipv4(f.udp((1, 2), b"a"), f.UDP, ENDS, options=bytes(8)))) == (
        36,
        1,
        1,
    )
    chain = [
        (0, b"\0" + bytes(6)),
        (43, b"\1" + bytes(14)),
        (60, b"\0" + bytes(6)),
        (135, b"\0" + bytes(6)),
    ]
    assert _lengths(_layer(f.extended(f.udp((1, 2), b"a"), f.UDP, ENDS6, chain))) == (88, 1, 1)


def test_authentication_header_is_walked_in_both_versions() -> None:
    head = b"\4" + bytes(22)
    six = f.extended(f.udp((1, 2)), f.UDP, ENDS6, [(51, head)])
    four = f.ipv4(bytes((f.UDP,)) + head + f.udp((1, 2)), 51, ENDS)
    assert [_layer(packet).protocol for packet in (six, four)] == [f.UDP] * 2
    assert _layer(four).destination_port == 2


def test_other_extension_headers_are_none_in_ipv4() -> None:
    layer = _layer(f.ipv4(f.fragment_header(1, 0, True)[1] + bytes(8), 44, ENDS))
    assert (layer.protocol, layer.source_port, layer.fragment) == (44, 0, None)


@pytest.mark.parametrize(
    ("protocol", "kind", "counterpart"),
    [
        (1, 8, 0), (1, 0, 8), (1, 9, 10), (1, 13, 14), (1, 16, 15), (1, 17, 18),
        (58, 128, 129), (58, 131, 130), (58, 133, 134), (58, 136, 135), (58, 139, 140),
        (58, 145, 144),
    ],
)  # fmt: skip
def test_icmp_types_with_an_answer_have_two_ways(
    protocol: int, kind: int, counterpart: int
) -> None:
    layer = _layer(f.ip(f.icmp(kind, 3), protocol, ENDS))
    assert (layer.source_port, layer.destination_port, layer.one_way) == (kind, counterpart, False)


def test_other_icmp_types_have_one_way_and_their_code() -> None:
    for protocol, kind in ((1, 3), (1, 11), (58, 1), (58, 8)):
        layer = _layer(f.ip(f.icmp(kind, 4), protocol, ENDS))
        assert (layer.source_port, layer.destination_port, layer.one_way) == (kind, 4, True)


def test_first_fragment_is_read_and_later_ones_are_not() -> None:
    first = _layer(f.ipv4(f.udp((1, 2), bytes(8)), f.UDP, ENDS, fragment=0x2000, identification=7))
    later = _layer(f.ipv4(f.udp((1, 2), bytes(8)), f.UDP, ENDS, fragment=2, identification=7))
    assert (first.fragment, first.source_port) == (Fragment(7, 17, 0), 1)
    assert (later.fragment, later.source_port) == (Fragment(7, 17, 2), 0)
    assert (_lengths(first), _lengths(later)) == ((28, 8, 8), (20, 16, 16))


def test_fragment_bits_that_say_nothing_make_no_fragment() -> None:
    assert _layer(f.ipv4(f.udp((1, 2)), f.UDP, ENDS, fragment=0x4000)).fragment is None
    atomic = f.extended(f.udp((1, 2)), f.UDP, ENDS6, [f.fragment_header(1, 0, False)])
    assert (_layer(atomic).fragment, _layer(atomic).destination_port) == (None, 2)


def test_only_the_first_fragment_header_counts() -> None:
    chain = [
        f.fragment_header(1, 0, False),
        f.fragment_header(2, 0, True),
        f.fragment_header(3, 5, True),
    ]
    layer = _layer(f.extended(f.udp((1, 2)), f.UDP, ENDS6, chain))
    assert (layer.fragment, layer.destination_port) == (Fragment(2, 44, 0), 2)


def test_later_fragment_ends_the_chain() -> None:
    chain = [f.fragment_header(1, 5, False), (0, b"\0" + bytes(6))]
    layer = _layer(f.extended(b"rest", f.UDP, ENDS6, chain))
    assert (layer.fragment, layer.payload_at) == (Fragment(1, 0, 5), 48)
    assert _lengths(layer) == (48, 12, 12)


def test_frame_that_claims_to_be_shorter_than_its_capture_is_not() -> None:
    assert fate(datagram(b"abc"), wire_length=1) == "accepted"


def test_inner_packet_may_not_leave_what_holds_it() -> None:
    with pytest.raises(RefusedError, match="malformed_length"):
        _layer(datagram(b"abc"), end=30)
