"""Settings for comparison: what a packet counts for, which VLAN it has, what is refused.

Goal: SEMANTICS.rst, "Settings for comparison". Method: packets built by hand, one rule each, with
the exact limit and one beyond it; what checksums are right is computed here. That the shortcut of
capture stays out of the way is shown by tests/property.
"""

import pytest

from engine.config import PORT_PROTOCOLS, Config, with_settings
from engine.packets.metering import demands_word, metering_word
from tests.property import frames as f
from tests.unit.packets.parsing import FrameParser, Layer, Parsed

ETHERNET, RAW = 1, 101
A, B = b"\x0a\0\0\1", b"\x0a\0\0\2"
A6, B6 = b"\xfe\x80" + bytes(13) + b"\1", b"\x20\x01" + bytes(13) + b"\2"
DATAGRAM = f.ipv4(f.udp((4000, 9), b"twelve bytes"), f.UDP, (A, B))
PORTED = {"tcp": f.TCP, "udp": f.UDP, "udp_lite": f.UDP_LITE, "sctp": f.SCTP, "dccp": f.DCCP}


def parse(frame: bytes, link: int = RAW, wire: int = 0, **changed: object) -> Parsed:
    """Parse a frame; flow_length="frame" stands for flow.length."""
    settings = {name.replace("_", ".", 1): value for name, value in changed.items()}
    config = with_settings(Config(), settings)
    return FrameParser(config.packet.decapsulate, config=config).parse(frame, link, wire)


def lengths(layer: Layer) -> tuple[int, int, int]:
    """Return packet length, header length and payload length."""
    return layer.header + layer.payload, layer.header, layer.payload


def test_defaults_ask_for_nothing():
    assert metering_word(Config()) == demands_word(Config()) == 0


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        ("ip", (40, 28, 12)),
        ("frame", (99, 87, 12)),
        ("captured", (54, 42, 12)),
        ("payload", (12, 0, 12)),
    ],
)
def test_length_is_that_of_packet_frame_capture_or_payload(length, expected):
    frame = f.ethernet(DATAGRAM)
    assert lengths(parse(frame, ETHERNET, 99, flow_length=length).only) == expected


def test_captured_payload_is_what_it_was():
    frame = f.ethernet(DATAGRAM)[:-4]
    for length in ("ip", "frame", "captured", "payload"):
        assert parse(frame, ETHERNET, 54, flow_length=length).only.captured == 8


def test_payload_shrinks_where_less_is_counted_than_it_has():
    frame = f.ethernet(DATAGRAM)[:46]
    assert lengths(parse(frame, ETHERNET, 54, flow_length="captured").only) == (46, 34, 12)
    big = f.ethernet(f.ipv4(f.udp((1, 2), bytes(1400)), f.UDP, (A, B)))
    layer = parse(big[:60], ETHERNET, len(big), flow_length="captured").only
    assert lengths(layer) == (60, 0, 60)
    assert layer.captured == 18


def test_header_length_stops_at_4095_and_packet_length_at_a_mebibyte():
    layer = parse(DATAGRAM, RAW, 12 + 4095, flow_length="frame").only
    assert lengths(layer) == (4107, 4095, 12)
    layer = parse(DATAGRAM, RAW, 12 + 4096, flow_length="frame").only
    assert lengths(layer) == (4108, 4095, 13)
    layer = parse(DATAGRAM, RAW, (1 << 32) - 1, flow_length="frame").only
    assert lengths(layer) == (1 << 20, 4095, (1 << 20) - 4095)


def test_packet_of_length_0_is_no_control_record():
    empty = f.ipv4(f.tcp((1, 2), f.ACK, window=0), f.TCP, (A, B))
    layer = parse(empty, flow_length="payload").only
    assert lengths(layer) == (0, 0, 0)
    assert layer.captured == 1


def test_icmp_can_be_without_ports():
    for kind in (8, 3):
        message = f.ipv4(f.icmp(kind, 1), f.ICMP, (A, B))
        layer = parse(message, flow_icmp="zero").only
        assert (layer.source_port, layer.destination_port, layer.mark) == (0, 0, 0)
    message = f.ipv6(f.icmp(1, 4), f.ICMP6, (A6, B6))
    layer = parse(message, flow_icmp="zero").only
    assert (layer.source_port, layer.destination_port, layer.mark) == (0, 0, 0)
    assert parse(message).only.mark == 1


@pytest.mark.parametrize("name", PORT_PROTOCOLS)
def test_only_protocols_that_are_named_have_ports(name):
    for listed in PORT_PROTOCOLS:
        body = f.tcp((4000, 80), f.SYN) if listed == "tcp" else f.sctp((4000, 80), bytes(12))
        packet = f.ipv4(body, PORTED[listed], (A, B))
        layer = parse(packet)
        assert (layer.only.source_port, layer.only.destination_port) == (4000, 80)
        config = with_settings(Config(), {"flow.port_protocols": name})
        taken = FrameParser(config=config).parse(packet, RAW).only
        ports = (4000, 80) if listed == name else (0, 0)
        assert (taken.source_port, taken.destination_port) == ports
        assert taken.header == layer.only.header


def test_tunnel_is_found_by_ports_that_are_not_in_the_key():
    inside = f.ethernet(DATAGRAM)
    vxlan = f.udp((4000, 4789), b"\x08" + bytes(7) + inside)
    config = with_settings(
        Config(),
        {"flow.port_protocols": "tcp", "packet.decapsulate": "all", "flow.length": "frame"},
    )
    frame = f.ethernet(f.ipv4(vxlan, f.UDP, (A, B)))
    layers = FrameParser("all", config=config).parse(frame, ETHERNET).layers
    assert [layer.destination_port for layer in layers] == [0, 0]
    assert [lengths(layer)[0] for layer in layers] == [len(frame)] * 2


FOLDED = 0x795 ^ 7  # 0xabc, turned left by 5 bits in 12, then the next id.
TAGS = tuple(0x8100 << 16 | tag for tag in (0, 0x2ABC, 7, 0xF001))  # Ids 0, 0xabc, 7, 1.


@pytest.mark.parametrize(
    ("choice", "vlan"),
    [
        ("outer", 0xABC),
        ("inner", 1),
        ("off", 0),
        ("all", ((0x795 ^ 7) << 5 & 0xFFF | (0x795 ^ 7) >> 7) ^ 1),
    ],
)
def test_vlan_of_a_stack_of_tags(choice, vlan):
    assert 0xABC << 5 & 0xFFF | 0xABC >> 7 == 0x795
    frame = f.ethernet(DATAGRAM, TAGS)
    config = with_settings(Config(), {"flow.vlan_in_key": choice})
    assert FrameParser(config=config).parse(frame, ETHERNET).only.vlan == vlan


@pytest.mark.parametrize("choice", ("outer", "inner", "all"))
def test_vlan_of_one_tag_is_its_id(choice):
    config = with_settings(Config(), {"flow.vlan_in_key": choice})
    for frame in (
        f.ethernet(DATAGRAM, (0x8100 << 16 | 0xFFF,)),
        f.ethernet(f.labels(DATAGRAM, 2), (0x8100 << 16 | 0xFFF,), 0x8847),
        f.ethernet(f.pppoe(DATAGRAM), (0x8100 << 16 | 0xFFF,), 0x8864),
    ):
        assert FrameParser(config=config).parse(frame, ETHERNET).only.vlan == 0xFFF
    assert FrameParser(config=config).parse(f.ethernet(DATAGRAM), ETHERNET).only.vlan == 0


def test_packet_that_is_not_captured_to_its_end_can_be_refused():
    assert parse(DATAGRAM, packet_cut="skip").fate == "accepted"
    assert parse(DATAGRAM[:-1], RAW, len(DATAGRAM), packet_cut="skip").fate == "malformed_cut"
    assert parse(DATAGRAM[:-1], RAW, len(DATAGRAM)).fate == "accepted"


def test_later_fragments_can_be_refused():
    config = with_settings(Config(), {"packet.fragments": "skip"})
    parser = FrameParser(config=config)
    whole = f.udp((4000, 9), bytes(16))
    first = f.ipv4(whole[:16], f.UDP, (A, B), identification=1, fragment=f.MORE_FRAGMENTS)
    later = f.ipv4(whole[16:], f.UDP, (A, B), identification=1, fragment=2)
    assert parser.parse(first, RAW).fate == "accepted"
    assert parser.parse(later, RAW).fate == "fragment_orphan"


RIGHT = {
    "tcp": f.ipv4(f.tcp((1, 2), f.ACK, b"odd"), f.TCP, (A, B)),
    "udp": f.ipv4(f.udp((1, 2), b"even"), f.UDP, (A, B)),
    "icmp": f.ipv4(f.icmp(8, 0, b"echo!"), f.ICMP, (A, B)),
    "options": f.ipv4(f.tcp((1, 2), f.ACK), f.TCP, (A, B), options=bytes(8)),
    "tcp6": f.ipv6(f.tcp((1, 2), f.ACK, b"odd"), f.TCP, (A6, B6)),
    "udp6": f.ipv6(f.udp((1, 2), b"even"), f.UDP, (A6, B6)),
    "icmp6": f.ipv6(f.icmp(128, 0, b"echo!"), f.ICMP6, (A6, B6)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_checksums_are_accepted_and_any_other_byte_is_refused(name):
    packet = f.checked(RIGHT[name])
    assert parse(packet, packet_checksums="verify").fate == "accepted"
    assert parse(packet + bytes(6), packet_checksums="verify").fate == "accepted"  # Padding.
    for at in range(40 if "6" in name else 20, len(packet)):
        wrong = bytearray(packet)
        wrong[at] ^= 0x10
        found = parse(bytes(wrong), packet_checksums="verify").fate
        length_of_udp = "udp" in name and at % 20 in (4, 5)  # It may then have no end to verify.
        assert found != "accepted" or length_of_udp, at


def test_wrong_checksum_of_the_ipv4_header_is_refused_whatever_follows():
    packet = bytearray(f.checked(f.ipv4(bytes(8), 50, (A, B), fragment=3)))
    assert parse(bytes(packet), packet_checksums="verify").fate == "fragment_orphan"
    packet[8] ^= 1
    assert parse(bytes(packet), packet_checksums="verify").fate == "malformed_checksum"


def test_what_cannot_be_verified_is_accepted():
    wrong = f.udp((1, 2), b"even")[:6] + b"\0\1" + b"even"
    unsummed = f.udp((1, 2), b"even")
    first = f.ipv4(wrong, f.UDP, (A, B), fragment=f.MORE_FRAGMENTS)
    for packet, wire in (
        (f.ipv6(unsummed, f.UDP, (A6, B6)), 0),  # No checksum.
        (f.ipv6(wrong, f.UDP, (A6, B6))[:-1], 52),  # Not captured to its end.
        (f.extended(wrong, f.UDP, (A6, B6), [(60, bytes(7))]), 0),  # Behind an extension header.
        (f.ipv6(wrong, f.UDP_LITE, (A6, B6)), 0),
        (f.ipv6(wrong[:4] + b"\0\7" + wrong[6:], f.UDP, (A6, B6)), 0),  # A length below 8,
        (f.ipv6(wrong[:4] + b"\0\xff" + wrong[6:], f.UDP, (A6, B6)), 0),  # beyond the packet.
        (f.ipv6(wrong[:4], f.UDP, (A6, B6)), 0),
        (_summed_header(first), 0),
    ):
        assert parse(packet, RAW, wire, packet_checksums="verify").fate == "accepted"
    whole = f.ipv6(wrong, f.UDP, (A6, B6))
    assert parse(whole, packet_checksums="verify").fate == "malformed_checksum"


def _summed_header(packet: bytes) -> bytes:
    """Return an IPv4 packet with a right header checksum, its content as it was."""
    return f.checked(packet)[:20] + packet[20:]


def test_inner_packet_with_a_wrong_checksum_is_unreadable():
    inner = f.ipv4(f.udp((1, 2), b"even"), f.UDP, (A, B))
    outer = f.checked(f.ipv4(inner, f.IPIP, (A, B)))
    assert parse(outer, packet_decapsulate="all", packet_checksums="verify").unreadable == 1
    right = f.checked(f.ipv4(f.checked(inner), f.IPIP, (A, B)))
    found = parse(right, packet_decapsulate="all", packet_checksums="verify")
    assert (len(found.layers), found.unreadable) == (2, 0)


def _vxlan(packet: bytes) -> bytes:
    return f.ipv4(f.udp((4000, 4789), b"\x08" + bytes(7) + f.ethernet(packet)), f.UDP, (A, B))


def test_length_of_a_layer_begins_with_its_own_link_layer():
    frame = f.ethernet(_vxlan(f.ipv4(DATAGRAM, f.IPIP, (B, A)))) + bytes(9)
    config = with_settings(Config(), {"flow.length": "layer"})
    found = FrameParser("all", config=config).parse(frame, ETHERNET).layers
    inside = len(DATAGRAM)
    expected = [len(frame), 14 + 20 + inside, inside]
    assert [layer.header + layer.payload for layer in found] == expected
    (only,) = FrameParser("inner", config=config).parse(frame, ETHERNET).layers
    assert only.header + only.payload == inside
    cut = FrameParser("all", config=config).parse(frame[:-20], ETHERNET, len(frame)).layers
    assert [layer.header + layer.payload for layer in cut] == [
        len(frame) - 20,
        *(size - 11 for size in expected[1:]),  # 9 bytes of padding are not theirs.
    ]


def test_layers_that_carry_in_udp_are_metered_and_others_are_not():
    frame = f.ipv4(_vxlan(f.ipv4(DATAGRAM, f.IPIP, (B, A))), f.IPIP, (A, B))
    every = FrameParser("all").parse(frame, RAW)
    found = FrameParser("udp").parse(frame, RAW)
    assert [layer.protocol for layer in every.layers] == [f.IPIP, f.UDP, f.IPIP, f.UDP]
    assert [layer.offset for layer in found.layers] == [every.layers[k].offset for k in (1, 3)]
    assert [layer.layer for layer in found.layers] == [0, 1]


def test_carrier_of_what_cannot_be_read_is_metered():
    for packet in (f.ipv4(DATAGRAM[:9], f.IPIP, (A, B)), f.ipv4(b"", 50, (A, B))):
        found = FrameParser("udp").parse(packet, RAW)
        assert [layer.layer for layer in found.layers] == [0]
        assert found.unreadable == (packet[9] == f.IPIP)


SHORT = {f.TCP: 20, f.SCTP: 12, f.DCCP: 12, f.UDP: 8, f.UDP_LITE: 8, f.ICMP: 8}


@pytest.mark.parametrize("protocol", SHORT)
def test_packet_too_short_for_its_transport_header_can_have_ports_0(protocol):
    whole = f.tcp((4000, 80), f.SYN) if protocol == f.TCP else f.sctp((4000, 80), b"12345678")
    for size in range(SHORT[protocol] + 1):
        packet = f.ipv4(whole[:size], protocol, (A, B))
        config = with_settings(Config(), {"packet.short_transport": "zero"})
        layer = FrameParser(config=config).parse(packet, RAW).only
        if size < SHORT[protocol]:
            assert (layer.source_port, layer.destination_port, layer.flags) == (0, 0, 0)
            assert lengths(layer) == (20 + size, 20, size)
            assert layer.mark == layer.tcp_header_cut == (protocol == f.TCP)
        else:
            assert layer == FrameParser().parse(packet, RAW).only
            assert layer.source_port != 0


@pytest.mark.parametrize("words", (0, 4, 15))
def test_wrong_data_offset_can_count_as_20(words):
    packet = f.ipv4(f.tcp((4000, 80), f.SYN, b"abcdef")[:12] + bytes((words << 4,)), f.TCP, (A, B))
    packet = f.ipv4(packet[20:] + b"\x02" + bytes(12), f.TCP, (A, B))
    assert parse(packet).fate == "malformed_tcp_offset"
    config = with_settings(Config(), {"packet.short_transport": "zero"})
    layer = FrameParser(config=config).parse(packet, RAW).only
    assert (lengths(layer), layer.flags, layer.source_port) == ((46, 40, 6), 2, 4000)
