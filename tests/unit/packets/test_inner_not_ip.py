"""What `packet.inner_not_ip = drop` refuses, with which fate, and what it leaves metered.

Goal: SEMANTICS.rst, "Settings for comparison", at its limits. Method: every form of every tunnel
with its content cut at each byte, beside what `packet.decapsulate = all` finds unreadable; then
contents made by hand, each with its fate. That the twin does the same is shown by the property
tests, which draw the setting too.
"""

from struct import pack

import pytest

from engine.config import Config, with_settings
from tests.property import frames as f
from tests.unit.packets.parsing import FrameParser, Parsed
from tests.unit.packets.test_tunnels import (
    CLOSED,
    INSIDE,
    OPENED,
    RAW,
    A,
    B,
    datagram,
    nested,
    outer,
    parse,
)

DROP = with_settings(Config(), {"packet.inner_not_ip": "drop"})
ARP = f.ethernet(bytes(28), kind=0x0806)
LATER = f.ipv4(bytes(16), f.UDP, (A, B), fragment=2, identification=5)


def strict(packet: bytes, wire: int = 0, mode: str = "inner") -> Parsed:
    """Parse a raw packet under the setting."""
    return FrameParser(mode, config=DROP).parse(packet, RAW, wire)


def wireless(control: bytes, content: bytes) -> bytes:
    """Return 802.11 in CAPWAP."""
    return datagram(9, 5247, b"\0\x10\1" + bytes(5) + control + bytes(22) + content)


@pytest.mark.parametrize("form", OPENED)
def test_packet_is_refused_where_all_finds_a_layer_unreadable_and_only_there(form):
    packet, _ = OPENED[form]
    refused = 0
    for size in range(28, len(packet) + 1):
        found = strict(packet[:size], len(packet))
        if parse(packet[:size], "all", len(packet)).unreadable:
            assert (found.fate, found.layers) == ("malformed_cut", ())
            refused += 1
        else:
            assert found == parse(packet[:size], "inner", len(packet))
    assert refused > 0


@pytest.mark.parametrize("form", CLOSED)
def test_what_only_looks_like_a_tunnel_is_metered(form):
    assert strict(CLOSED[form]) == parse(CLOSED[form], "inner")
    assert strict(CLOSED[form]).fate == "accepted"


REFUSED = {
    "no IP in Ethernet": (datagram(9, 4789, b"\x08" + bytes(7) + ARP), "non_ip"),
    "no IP in LLC": (
        outer(b"\0\0\x65\x58" + f.ethernet(b"\x42\x42\x03" + bytes(9), kind=12)),
        "non_ip",
    ),
    "nothing": (outer(b"", 4), "malformed_short"),
    "no nibble of IP": (
        datagram(9, 2152, b"\x30\xff" + bytes(6) + b"\x50" + INSIDE[1:]),
        "malformed_ip_version",
    ),
    "other version": (outer(INSIDE, 41), "malformed_ip_version"),
    "longer than the outer": (
        outer(INSIDE[:2] + pack(">H", len(INSIDE) + 1) + INSIDE[4:], 4),
        "malformed_length",
    ),
    "later fragment alone": (outer(LATER, 4), "fragment_orphan"),
    "second tunnel": (outer(outer(b"\x45" + bytes(10), 4), 4), "malformed_short"),
    "fifth layer": (nested(5), "malformed_depth"),
    "CAPWAP without frame control": (
        datagram(9, 5247, b"\0\x10\1" + bytes(5) + b"\x40"),
        "malformed_short",
    ),
}


@pytest.mark.parametrize("content", REFUSED)
def test_fate_is_that_of_what_is_inside(content):
    packet, fate = REFUSED[content]
    assert strict(packet).fate == fate


@pytest.mark.parametrize("content", REFUSED)
@pytest.mark.parametrize("mode", ("outer", "all", "udp"))
def test_other_layers_than_the_inner_are_metered_as_without(content, mode):
    packet, _ = REFUSED[content]
    assert strict(packet, mode=mode) == parse(packet, mode)
    assert strict(packet, mode=mode).fate == "accepted"


SNAP_ARP = f.snap(bytes(28))[:6] + b"\x08\x06" + bytes(28)
NO_DATA = {"probe request": 0x40, "beacon": 0x80, "acknowledgement": 0xD4, "null": 0x48}


@pytest.mark.parametrize("kind", NO_DATA)
@pytest.mark.parametrize("swapped", (False, True))
def test_wireless_frame_without_data_leaves_the_outer_metered(kind, swapped):
    control = bytes((NO_DATA[kind], 0))
    packet = wireless(control[::-1] if swapped else control, f.snap(INSIDE))
    assert strict(packet).only.offset == 0
    assert parse(packet, "all").unreadable == 1


@pytest.mark.parametrize(
    ("control", "content", "fate"),
    (
        (b"\x08\1", SNAP_ARP, "non_ip"),
        (b"\1\x08", SNAP_ARP, "non_ip"),
        (b"\x08\x41", f.snap(INSIDE), "non_ip"),  # Protected.
        (b"\x88\1", b"\x80\0" + f.snap(INSIDE), "non_ip"),  # An A-MSDU.
        (b"\x08\1", f.snap(INSIDE[:19]), "malformed_short"),
        (b"\1\x08", f.snap(INSIDE[:19]), "malformed_short"),
        # Data either way; a header of 24 bytes as they are, of 26 swapped.
        (b"\x08\x88", f.snap(INSIDE[:19]), "non_ip"),
        (b"\x88\x08", f.snap(INSIDE[:19]), "malformed_short"),
    ),
)
def test_wireless_data_that_is_no_packet_is_refused_by_the_last_order_that_carries_data(
    control, content, fate
):
    assert strict(wireless(control, content)).fate == fate


def test_first_fragment_that_carries_a_tunnel_is_metered():
    first = f.ipv4(b"\x45" + bytes(10), 4, (A, B), fragment=0x2000, identification=5)
    assert strict(first).only.offset == 0


def test_fragment_inside_is_metered_once_its_first_is_known():
    first = f.ipv4(f.udp((7, 8), bytes(8)), f.UDP, (A, B), fragment=0x2000, identification=5)
    parser = FrameParser("inner", config=DROP)
    assert parser.parse(outer(LATER, 4), RAW).fate == "fragment_orphan"
    parser.parse(outer(first, 4), RAW)
    assert parser.parse(outer(LATER, 4), RAW).only.source_port == 7


def test_inner_packet_that_other_settings_refuse_is_refused_with_their_reason():
    inner = f.ipv4(f.udp((1, 2), b"even"), f.UDP, (A, B))
    packet = f.checked(f.ipv4(inner, f.IPIP, (A, B)))
    config = with_settings(DROP, {"packet.checksums": "verify"})
    assert FrameParser("inner", config=config).parse(packet, RAW).fate == "malformed_checksum"
