"""Packets that settings for comparison let pass, and the tunnels opened only where they are named.

Goal: SEMANTICS.rst, "Let pass" and "Tunnels", at their limits. Method: frames made by hand, parsed
by capture's kernels with and without the setting. That the twin does the same is shown by the
property tests, which draw these settings too.
"""

from struct import pack

import pytest

from engine.config import FURTHER_TUNNELS, TUNNELS, Config, with_settings
from tests.property.frames import TCP, UDP, ethernet, ip, ipv4, ipv6, tcp, udp
from tests.unit.packets.parsing import FrameParser

A, B = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
A6, B6 = bytes(15) + b"\1", bytes(15) + b"\2"
PORTS = (4000, 53)
INNER6 = ipv6(udp(PORTS, b"inside"), UDP, (A6, B6))
INNER = ipv4(udp(PORTS, b"inside"), UDP, (A, B))


def parser(**changed) -> FrameParser:
    """Return a parser with settings of `packet` or `flow` changed."""
    named = {name.replace("_", ".", 1): value for name, value in changed.items()}
    config = with_settings(Config(), named)
    return FrameParser(config.packet.decapsulate, config.packet.tunnels, config)


def longer(packet: bytes, more: int) -> bytes:
    """Return an IPv4 packet that says that it is longer than it is."""
    return packet[:2] + pack(">H", len(packet) + more) + packet[4:]


@pytest.mark.parametrize("more", (1, 1000))
def test_ip_length_beyond_the_frame_is_what_the_frame_has(more):
    frame = ethernet(longer(INNER, more))
    assert parser().parse(frame).fate == "malformed_length"
    kept = parser(packet_overlong="keep").parse(frame).only
    assert kept.header + kept.payload == len(INNER)
    # Bytes on the wire that were not captured count.
    kept = parser(packet_overlong="keep").parse(frame, wire=len(frame) + more - 1).only
    assert kept.header + kept.payload == len(INNER) + more - 1


def test_overlong_ipv6_packet_is_kept_likewise():
    frame = ethernet(INNER6[:4] + pack(">H", len(INNER6) - 40 + 9) + INNER6[6:])
    assert parser().parse(frame).fate == "malformed_length"
    kept = parser(packet_overlong="keep").parse(frame).only
    assert kept.header + kept.payload == len(INNER6)


def test_ip_length_below_the_header_is_refused_all_the_same():
    frame = ethernet(INNER[:2] + pack(">H", 19) + INNER[4:])
    assert parser(packet_overlong="keep").parse(frame).fate == "malformed_length"


@pytest.mark.parametrize(
    ("protocol", "content", "default"),
    (
        (UDP, b"\1\2\3", "malformed_short"),
        (TCP, tcp(PORTS, 2)[:19], "accepted"),
        (TCP, b"", "malformed_short"),
        (1, b"\x08", "malformed_short"),
    ),
)
def test_packet_without_its_transport_header_has_no_ports(protocol, content, default):
    packet = ipv4(content, protocol, (A, B))
    frame = ethernet(packet)
    if default != "accepted":
        assert parser().parse(frame).fate == default
    kept = parser(packet_short_transport="zero").parse(frame).only
    assert (kept.source_port, kept.destination_port, kept.flags) == (0, 0, 0)
    assert (kept.header, kept.payload) == (20, len(content))
    assert kept.tcp_header_cut == (protocol == TCP)


def test_transport_header_that_is_not_captured_is_cut_all_the_same():
    frame = ethernet(INNER)
    parsed = parser(packet_short_transport="zero").parse(frame[:36], wire=len(frame))
    assert parsed.fate == "malformed_cut"


@pytest.mark.parametrize("offset", (0, 4, 6, 15))
def test_tcp_header_length_that_cannot_be_is_20(offset):
    segment = tcp(PORTS, 2, b"abc")
    segment = segment[:12] + bytes((offset << 4,)) + segment[13:]
    frame = ethernet(ipv4(segment, TCP, (A, B)))
    assert parser().parse(frame).fate == "malformed_tcp_offset"
    kept = parser(packet_short_transport="zero").parse(frame).only
    assert (kept.source_port, kept.destination_port) == PORTS
    assert (kept.header, kept.payload) == (40, 3)


def test_vlan_of_the_outer_frame_is_that_of_a_layer_without_one():
    inside = ethernet(INNER)
    vxlan = udp((9999, 4789), b"\x08" + bytes(7) + inside)
    frame = ethernet(ip(vxlan, UDP, (A, B)), (0x8100 << 16 | 7, 0x8100 << 16 | 9))
    opened = {"packet_decapsulate": "all"}
    vlans = {
        mode: [layer.vlan for layer in parser(flow_vlan_in_key=mode, **opened).parse(frame).layers]
        for mode in ("outer", "inner", "off")
    }
    assert vlans == {"outer": [7, 0], "inner": [9, 9], "off": [0, 0]}


FABRICPATH = bytes(12) + pack(">HH", 0x8903, 1) + ethernet(INNER)
PPTP = ethernet(ip(pack(">HHHHI", 0x3001, 0x880B, 9, 1, 5) + b"\xff\x03\0\x21" + INNER, 47, (A, B)))
AYIYA_HEAD = bytes((4 << 4, 5 << 4, 1, 41)) + bytes(4 + 16 + 20)
AYIYA = ethernet(ip(udp((5072, 5072), AYIYA_HEAD + INNER6), UDP, (A, B)))
FURTHER = {"fabricpath": FABRICPATH, "pptp": PPTP, "ayiya": AYIYA}


def test_every_further_tunnel_is_tested():
    assert set(FURTHER) == set(FURTHER_TUNNELS)


@pytest.mark.parametrize("kind", FURTHER)
def test_further_tunnel_is_opened_where_it_is_named(kind):
    opened = parser(packet_decapsulate="inner", packet_tunnels=kind)
    inner = opened.parse(FURTHER[kind]).only
    assert (inner.source_port, inner.destination_port) == PORTS


@pytest.mark.parametrize("kind", FURTHER)
def test_further_tunnel_is_closed_by_default(kind):
    closed = parser(packet_decapsulate="inner").parse(FURTHER[kind])
    assert closed.fate == "non_ip" or closed.only.source_port != PORTS[0]
    assert set(Config().packet.tunnels) == set(TUNNELS)


@pytest.mark.parametrize("kind", FURTHER)
def test_further_tunnel_that_is_cut_is_none(kind):
    whole = FURTHER[kind]
    opened = parser(packet_decapsulate="inner", packet_tunnels=kind)
    for size in range(len(whole)):
        parsed = opened.parse(whole[:size], wire=len(whole))
        if parsed.fate == "accepted" and parsed.only.source_port == PORTS[0]:
            assert size >= parsed.only.offset + 24  # The inner header and its ports are there.
