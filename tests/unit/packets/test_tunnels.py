"""Which packets are tunnels, where the packet inside is, and what packet.decapsulate makes of it.

Goal: SEMANTICS.rst, "Tunnels". Method: one packet put inside each kind of tunnel by hand; then the
conditions of the kind are broken one by one, and the header is cut.
"""

import pytest

from tests.property import frames as f
from tests.unit.packets.parsing import FrameParser, Parsed

RAW = 101
A, B = b"\x0a\0\0\1", b"\x0a\0\0\2"
C, D = b"\x14\0\0\1", b"\x14\0\0\2"
C6, D6 = b"\x20\x02" + bytes(13) + b"\1", b"\x20\x03" + bytes(13) + b"\2"
INSIDE = f.ipv4(f.udp((7, 8), b"inner"), f.UDP, (C, D))
INSIDE6 = f.ipv6(f.udp((7, 8), b"inner"), f.UDP, (C6, D6))
FROM_TEREDO = f.ipv6(f.udp((7, 8), b"inner"), f.UDP, (f.TEREDO, D6))
TO_TEREDO = f.ipv6(f.udp((7, 8), b"inner"), f.UDP, (C6, f.TEREDO))
ETHERNET = f.ethernet(INSIDE)
WIFI = b"\x08\0" + bytes(22) + f.snap(INSIDE)
AUTHENTICATION = b"\0\1\2\3" + bytes(14)
ORIGIN = bytes(8)


def outer(content: bytes, protocol: int = f.GRE) -> bytes:
    """Return the outer packet."""
    return f.ipv4(content, protocol, (A, B))


def datagram(source: int, destination: int, content: bytes) -> bytes:
    """Return an outer UDP packet."""
    return outer(f.udp((source, destination), content), f.UDP)


def parse(
    packet: bytes, mode: str, wire: int = 0, tunnels: tuple[str, ...] | None = None
) -> Parsed:
    """Parse a raw packet with packet.decapsulate = mode."""
    return FrameParser(mode, tunnels).parse(packet, RAW, wire)


OPENED = {  # Kind and form: the packet, how many bytes stand before the inner IP header.
    "ipip": (outer(INSIDE, 4), 20),
    "6in4": (outer(INSIDE6, 41), 20),
    "gre": (outer(b"\0\0\x08\0" + INSIDE), 24),
    "gre 6": (outer(b"\0\0\x86\xdd" + INSIDE6), 24),
    "gre checksum key sequence": (outer(b"\xb0\0\x08\0" + bytes(12) + INSIDE), 36),
    "gre ethernet": (outer(b"\x20\0\x65\x58" + bytes(4) + ETHERNET), 42),
    "gre mpls": (outer(b"\0\0\x88\x47" + f.labels(INSIDE, 2)), 32),
    "gre vlan": (outer(b"\0\0\x81\0\0\5\x08\0" + INSIDE), 28),
    "gre ppp": (outer(b"\0\0\x88\x0b\xff\3\0\x21" + INSIDE), 28),
    "erspan 1": (outer(b"\0\0\x88\xbe" + ETHERNET), 38),
    "erspan 2": (outer(b"\x10\0\x88\xbe" + bytes(12) + ETHERNET), 50),
    "erspan 3": (outer(b"\x10\0\x22\xeb" + bytes(16) + ETHERNET), 54),
    "erspan 3 more": (outer(b"\x10\0\x22\xeb" + bytes(15) + b"\1" + bytes(8) + ETHERNET), 62),
    "vxlan": (datagram(9, 4789, b"\x08" + bytes(7) + ETHERNET), 50),
    "geneve": (datagram(9, 6081, b"\0\0\x08\0" + bytes(4) + INSIDE), 36),
    "geneve options": (datagram(9, 6081, b"\2\0\x65\x58" + bytes(12) + ETHERNET), 58),
    "geneve 6": (datagram(9, 6081, b"\0\0\x86\xdd" + bytes(4) + INSIDE6), 36),
    "gtpu": (datagram(9, 2152, b"\x30\xff" + bytes(6) + INSIDE), 36),
    "gtpu sequence": (datagram(9, 2152, b"\x32\xff" + bytes(9) + b"\x85" + INSIDE), 40),
    "gtpu extensions": (
        datagram(9, 2152, b"\x34\xff" + bytes(9) + b"\x85\1xx\x40\2xxxxxx\0" + INSIDE),
        52,
    ),
    "teredo from": (datagram(3544, 9, FROM_TEREDO), 28),
    "teredo to": (datagram(9, 3544, TO_TEREDO), 28),
    "teredo elsewhere": (datagram(9, 10, FROM_TEREDO), 28),
    "teredo origin": (datagram(3544, 9, ORIGIN + FROM_TEREDO), 36),
    "teredo authentication": (datagram(3544, 9, AUTHENTICATION + FROM_TEREDO), 46),
    "teredo both": (datagram(3544, 9, AUTHENTICATION + ORIGIN + TO_TEREDO), 54),
    "tzsp": (datagram(9, 37008, b"\1\0\0\1\1" + ETHERNET), 47),
    "tzsp tags": (datagram(9, 37008, b"\1\1\0\1\0\x0a\2xx\0\1" + ETHERNET), 53),
    "capwap": (datagram(9, 5247, b"\0\x10" + bytes(6) + ETHERNET), 50),
    "capwap back": (datagram(5247, 9, b"\0\x18" + bytes(10) + ETHERNET), 54),
    "capwap wireless": (datagram(9, 5247, b"\0\x10\1" + bytes(5) + WIFI), 68),
    "capwap swapped": (datagram(9, 5247, b"\0\x10\1" + bytes(5) + b"\0\x08" + WIFI[2:]), 68),
}


@pytest.mark.parametrize("form", OPENED)
def test_each_kind_of_tunnel_is_opened(form):
    packet, offset = OPENED[form]
    layer = parse(packet, "inner").only
    assert (layer.offset, layer.source_port, layer.destination_port) == (offset, 7, 8)
    assert (layer.payload, layer.captured, layer.layer) == (5, 5, 0)
    assert layer.vlan == (5 if form == "gre vlan" else 0)


@pytest.mark.parametrize("form", OPENED)
def test_outer_leaves_tunnels_closed(form):
    assert parse(OPENED[form][0], "outer").only.offset == 0


@pytest.mark.parametrize("form", OPENED)
def test_all_meters_every_layer_and_marks_the_inner_ones(form):
    packet, offset = OPENED[form]
    parsed = parse(packet, "all")
    assert [layer.offset for layer in parsed.layers] == [0, offset]
    assert [layer.layer for layer in parsed.layers] == [0, 1]
    assert parsed.unreadable == 0


@pytest.mark.parametrize("form", OPENED)
def test_a_kind_that_is_not_named_is_not_opened(form):
    others = tuple(
        kind
        for kind in (
            "ipip",
            "6in4",
            "gre",
            "erspan",
            "vxlan",
            "geneve",
            "gtpu",
            "teredo",
            "tzsp",
            "capwap",
        )
        if kind != form.split()[0]
    )
    parsed = parse(OPENED[form][0], "all", tunnels=others)
    assert (len(parsed.layers), parsed.unreadable) == (1, 0)


@pytest.mark.parametrize("form", OPENED)
def test_tunnel_is_none_until_its_header_is_there_and_unreadable_until_its_content_is(form):
    packet, offset = OPENED[form]
    seen = []
    for size in range(28, len(packet)):
        parsed = parse(packet[:size], "all", len(packet))
        assert parsed.fate == "accepted"
        seen.append((len(parsed.layers), parsed.unreadable))
    first = seen.index((1, 1)) if (1, 1) in seen else 0
    second = seen.index((2, 0))
    assert second > first, "the inner packet needs more than the tunnel's header"
    assert set(seen[:first]) <= {(1, 0)}
    assert set(seen[first:second]) <= {(1, 1)} or form.startswith("teredo")
    assert set(seen[second:]) == {(2, 0)}
    assert second + 28 <= offset + (44 if "6" in form or "teredo" in form else 24)


CLOSED = {
    "gre version 1": outer(b"\0\1\x08\0" + INSIDE),
    "gre routing": outer(b"\x40\0\x08\0" + INSIDE),
    "gre other type": outer(b"\0\0\x08\6" + INSIDE),
    "vxlan without its flag": datagram(9, 4789, b"\xf7" + bytes(7) + ETHERNET),
    "vxlan from its port": datagram(4789, 9, b"\x08" + bytes(7) + ETHERNET),
    "geneve version 1": datagram(9, 6081, b"\x40\0\x08\0" + bytes(4) + INSIDE),
    "geneve other type": datagram(9, 6081, b"\0\0\x08\6" + bytes(4) + INSIDE),
    "gtpu version 2": datagram(9, 2152, b"\x50\xff" + bytes(6) + INSIDE),
    "gtpu prime": datagram(9, 2152, b"\x20\xff" + bytes(6) + INSIDE),
    "gtpu echo": datagram(9, 2152, b"\x30\1" + bytes(6) + INSIDE),
    "gtpu empty extension": datagram(9, 2152, b"\x34\xff" + bytes(9) + b"\x85\0xxx" + INSIDE),
    "teredo with other addresses": datagram(9, 3544, INSIDE6),
    "teredo indications elsewhere": datagram(9, 10, ORIGIN + FROM_TEREDO),
    "teredo two origins": datagram(9, 3544, ORIGIN + ORIGIN + FROM_TEREDO),
    "tzsp version 2": datagram(9, 37008, b"\2\0\0\1\1" + ETHERNET),
    "tzsp type 2": datagram(9, 37008, b"\1\2\0\1\1" + ETHERNET),
    "tzsp of 802.11": datagram(9, 37008, b"\1\0\0\x12\1" + ETHERNET),
    "tzsp without end": datagram(9, 37008, b"\1\0\0\1\0\0"),
    "capwap preamble": datagram(9, 5247, b"\1\x10" + bytes(6) + ETHERNET),
    "capwap fragment": datagram(9, 5247, b"\0\x10\0\x80" + bytes(4) + ETHERNET),
    "capwap short header": datagram(9, 5247, b"\0\x08" + bytes(2) + ETHERNET),
    "esp": outer(INSIDE, 50),
}


@pytest.mark.parametrize("form", CLOSED)
def test_a_packet_that_only_looks_like_a_tunnel_is_none(form):
    parsed = parse(CLOSED[form], "all")
    assert (parsed.fate, len(parsed.layers), parsed.unreadable) == ("accepted", 1, 0)


def test_inner_packet_ends_with_the_payload_of_the_outer():
    packet = outer(f.ipv4(f.udp((7, 8), b"inner"), f.UDP, (C, D), length=34), 4) + bytes(9)
    assert parse(packet, "all").unreadable == 1
    layer = parse(
        outer(f.ipv4(f.udp((7, 8), b"inner"), f.UDP, (C, D), length=0), 4) + bytes(9), "inner"
    )
    assert layer.only.payload == 5


def test_unreadable_inner_packet_leaves_the_outer_metered():
    packet = outer(b"\x45" + bytes(10), 4)
    assert parse(packet, "inner").only.offset == 0
    parsed = parse(packet, "all")
    assert (len(parsed.layers), parsed.unreadable) == (1, 1)


def nested(count: int) -> bytes:
    """Return a packet with `count` layers inside the outer one."""
    packet = INSIDE
    for _ in range(count):
        packet = outer(packet, 4)
    return packet


def test_four_layers_inside_are_opened_and_a_fifth_is_too_deep():
    assert parse(nested(4), "inner").only.offset == 80
    assert parse(nested(5), "inner").fate == "malformed_depth"
    assert [layer.offset for layer in parse(nested(4), "all").layers] == [0, 20, 40, 60, 80]
    deep = parse(nested(6), "all")
    assert (len(deep.layers), deep.unreadable) == (5, 1)
    assert parse(nested(6), "outer").fate == "accepted"


def test_fragments_are_not_opened():
    first = f.ipv4(INSIDE, 4, (A, B), fragment=0x2000, identification=5)
    parsed = parse(first, "all")
    assert (len(parsed.layers), parsed.unreadable) == (1, 0)


def test_fragment_inside_a_tunnel_is_resolved():
    first = f.ipv4(f.udp((7, 8), bytes(8)), f.UDP, (C, D), fragment=0x2000, identification=5)
    later = f.ipv4(bytes(16), f.UDP, (C, D), fragment=2, identification=5)
    for mode in ("inner", "all"):
        parser = FrameParser(mode)
        orphan = parser.parse(outer(later, 4), RAW)
        assert orphan.layers[-1].offset == 0
        assert orphan.unreadable == (mode == "all")
        parser.parse(outer(first, 4), RAW)
        found = parser.parse(outer(later, 4), RAW).layers[-1]
        assert (found.offset, found.source_port, found.fragment) == (20, 7, 1)


def test_vlan_is_that_of_the_layer_metered():
    frame = f.ethernet(outer(b"\0\0\x65\x58" + f.ethernet(INSIDE, (0x8100_0009,))), (0x8100_0005,))
    layers = FrameParser("all").parse(frame, 1).layers
    assert [layer.vlan for layer in layers] == [5, 9]
    bare = f.ethernet(outer(INSIDE, 4), (0x8100_0005,))
    assert [layer.vlan for layer in FrameParser("all").parse(bare, 1).layers] == [5, 0]


def test_swapped_frame_control_is_tried_when_no_packet_can_be_read():
    # As they are, the bytes give a header of 24 and a version of 10; swapped, one of 32.
    snap = f.snap(INSIDE)
    wireless = b"\x0b\x88" + bytes(22) + snap[:8] + snap
    packet = datagram(9, 5247, b"\0\x10\1" + bytes(5) + wireless)
    assert parse(packet, "inner").only.offset == 28 + 8 + 40
