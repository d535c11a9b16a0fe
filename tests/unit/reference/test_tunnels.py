"""Goal: tunnels of each kind are opened as the settings say, and layers are accounted for.

Method: one datagram in each kind of tunnel, then in nests of them, under outer, inner and all;
ports of what is metered tell which layer it was.
"""

from struct import pack

import pytest

from engine.config import TUNNELS
from engine.reference import Capture, Run, sources_of
from tests.property import frames as f
from tests.unit.reference.scenes import RAW, A, B, capture, finals, run_of, settings

INNER = f.ip(f.udp((11, 22), b"inner"), f.UDP, (A, B))
INNER6 = f.ip(f.udp((11, 22), b"inner"), f.UDP, (A * 4, B * 4))
TEREDO = f.ip(f.udp((11, 22), b"inner"), f.UDP, (f.TEREDO, B * 4))
OUT = (b"\xc0\0\2\1", b"\xc0\0\2\2")
ETHERNET = f.ethernet(INNER)
WIFI = b"\x08\x01" + bytes(22) + f.snap(INNER)
IPV6_OUT = (b"\xfd" * 16, b"\xfe" * 16)


def _gre(head: bytes, inside: bytes) -> bytes:
    return f.ip(head + inside, f.GRE, OUT)


def _udp(port: int, payload: bytes, source_port: int = 5000) -> bytes:
    return f.ip(f.udp((source_port, port), payload), f.UDP, OUT)


def _capwap(native: int, frame: bytes) -> bytes:
    return _udp(5247, bytes((0, 2 << 3, native, 0)) + bytes(4) + frame)


TUNNELLED = [
    ("ipip", f.ip(INNER, f.IPIP, OUT)),
    ("ipip", f.ip(INNER, f.IPIP, IPV6_OUT)),
    ("6in4", f.ip(INNER6, f.IPV6, OUT)),
    ("gre", _gre(b"\0\0\x08\0", INNER)),
    ("gre", _gre(b"\0\0\x86\xdd", INNER6)),
    ("gre", _gre(b"\xb0\0\x08\0" + bytes(12), INNER)),
    ("gre", _gre(b"\x20\0\x65\x58" + bytes(4), ETHERNET)),
    ("gre", _gre(b"\0\0\x88\x47", f.labels(INNER, 2))),
    ("gre", _gre(b"\0\0\x81\0", b"\0\5\x08\0" + INNER)),
    ("gre", _gre(b"\0\0\x88\x0b", b"\xff\x03\0\x21" + INNER)),
    ("erspan", _gre(b"\x10\0\x88\xbe" + bytes(4), bytes(8) + ETHERNET)),
    ("erspan", _gre(b"\0\0\x88\xbe", ETHERNET)),
    ("erspan", _gre(b"\x10\0\x22\xeb" + bytes(4), bytes(12) + ETHERNET)),
    ("erspan", _gre(b"\x10\0\x22\xeb" + bytes(4), bytes(11) + b"\1" + bytes(8) + ETHERNET)),
    ("vxlan", _udp(4789, b"\x08" + bytes(7) + ETHERNET)),
    ("geneve", _udp(6081, pack(">BBHI", 1, 0, 0x6558, 0) + bytes(4) + ETHERNET)),
    ("geneve", _udp(6081, pack(">BBHI", 0, 0, 0x0800, 0) + INNER)),
    ("gtpu", _udp(2152, pack(">BBHI", 0x30, 255, 0, 0) + INNER)),
    ("gtpu", _udp(2152, pack(">BBHI", 0x32, 255, 0, 0) + b"\0\0\0\x85" + INNER)),
    (
        "gtpu",
        _udp(2152, pack(">BBHI", 0x34, 255, 0, 0) + b"\0\0\0\x85\1\0\0\x85\2" + bytes(7) + INNER6),
    ),
    ("teredo", _udp(3544, TEREDO)),
    ("teredo", _udp(9999, TEREDO)),
    ("teredo", _udp(3544, b"\0\1\1\2" + bytes(3) + bytes(9) + bytes(8) + TEREDO)),
    ("teredo", _udp(9999, bytes(8) + TEREDO, source_port=3544)),
    ("tzsp", _udp(37008, b"\1\0\0\1\0\x0a\1x\1" + ETHERNET)),
    ("capwap", _capwap(0, ETHERNET)),
    ("capwap", _capwap(1, WIFI)),
    ("capwap", _capwap(1, WIFI[1::-1] + WIFI[2:])),
]
NO_TUNNELS = [
    _gre(b"\0\1\x08\0", INNER),
    _gre(b"\x40\0\x08\0", INNER),
    _gre(b"\0\0\x08\6", INNER),
    _udp(4789, bytes(8) + ETHERNET),
    _udp(4790, b"\x08" + bytes(7) + ETHERNET),
    _udp(6081, pack(">BBHI", 0x40, 0, 0x0800, 0) + INNER),
    _udp(6081, pack(">BBHI", 0, 0, 0x0806, 0) + INNER),
    _udp(2152, pack(">BBHI", 0x30, 1, 0, 0) + INNER),
    _udp(2152, pack(">BBHI", 0x20, 255, 0, 0) + INNER),
    _udp(2152, pack(">BBHI", 0x34, 255, 0, 0) + b"\0\0\0\x85\0\0\0\0" + INNER),
    _udp(9999, INNER6),
    _udp(9999, bytes(8) + TEREDO),
    _udp(37008, b"\2\0\0\1\1" + ETHERNET),
    _udp(37008, b"\1\0\0\x12\1" + ETHERNET),
    _udp(5247, bytes((0, 2 << 3, 0, 0x80)) + bytes(4) + ETHERNET),
    _udp(5247, bytes((0, 1 << 3, 0, 0)) + ETHERNET),
]


def _ports(run: Run) -> set[int]:
    return {final.key.initiator_port for final in finals(run)}


def _fate(packet: bytes, **changed: object) -> str:
    file = capture((0, packet), link_type=RAW)
    (taken,) = Capture(sources_of([("one", file)]), settings(**changed))
    return taken.fate


@pytest.mark.parametrize(("kind", "packet"), TUNNELLED)
def test_inner_packet_is_metered_instead_of_the_outer(kind: str, packet: bytes) -> None:
    run = run_of((0, packet), packet_decapsulate="inner", packet_tunnels=[kind])
    assert (_ports(run), run.counters["layers"]) == ({11}, 0)


@pytest.mark.parametrize(("kind", "packet"), TUNNELLED)
def test_kind_that_is_not_named_stays_closed(kind: str, packet: bytes) -> None:
    others = [name for name in TUNNELS if name != kind]
    run = run_of((0, packet), packet_decapsulate="inner", packet_tunnels=others)
    assert 11 not in _ports(run)


@pytest.mark.parametrize(("kind", "packet"), TUNNELLED)
def test_outer_packet_is_metered_by_default(kind: str, packet: bytes) -> None:
    run = run_of((0, packet))
    assert 11 not in _ports(run)
    assert run.counters["accepted"] == 1


@pytest.mark.parametrize(("kind", "packet"), TUNNELLED)
def test_all_layers_have_records_while_the_packet_counts_once(kind: str, packet: bytes) -> None:
    run = run_of((0, packet), packet_decapsulate="all")
    assert len(finals(run)) == 2
    assert (run.counters["accepted"], run.counters["layers"]) == (1, 1)
    offsets = [final.first[1] for final in finals(run)]
    assert offsets == sorted(set(offsets))


@pytest.mark.parametrize("packet", NO_TUNNELS)
def test_header_that_is_otherwise_is_no_tunnel(packet: bytes) -> None:
    run = run_of((0, packet), packet_decapsulate="all")
    assert (run.counters["layers"], run.counters["layers_unreadable"]) == (0, 0)


@pytest.mark.parametrize(("kind", "packet"), TUNNELLED)
def test_damage_inside_leaves_the_outer_packet(kind: str, packet: bytes) -> None:
    at = packet.index(b"inner") - 28 + (0 if INNER in packet else -20)
    broken = packet[:at] + b"\x00" + packet[at + 1 :]
    if kind == "teredo":  # Without an IPv6 header it is no tunnel at all.
        broken = packet[: at + 4] + b"\xff" + packet[at + 5 :]
    inner = run_of((0, broken), packet_decapsulate="inner")
    every = run_of((0, broken), packet_decapsulate="all")
    assert (inner.counters["accepted"], 11 in _ports(inner)) == (1, False)
    assert (every.counters["layers"], every.counters["layers_unreadable"]) == (0, 1)


@pytest.mark.parametrize(("kind", "packet"), TUNNELLED)
def test_damage_inside_refuses_the_packet_where_tunnels_must_carry_ip(
    kind: str, packet: bytes
) -> None:
    strict = {"packet_decapsulate": "inner", "packet_inner_not_ip": "drop"}
    assert _ports(run_of((0, packet), **strict)) == {11}
    at = packet.index(b"inner") - 28 + (0 if INNER in packet else -20)
    run = run_of((0, packet[:at] + b"\x50" + packet[at + 1 :]), **strict)
    refused = {name for name, count in run.counters.items() if count and "refused" in name}
    expected = {"refused_malformed_ip_version"}
    if kind == "teredo":  # Without an IPv6 header it is no tunnel at all.
        expected = set()
    elif packet[20:24] == b"\0\0\x88\x47":  # Labels announce no version.
        expected = {"refused_non_ip"}
    assert refused == expected
    assert run.counters["accepted"] == len(finals(run)) == (kind == "teredo")


def test_wireless_frame_without_data_is_no_packet() -> None:
    strict = {"packet_decapsulate": "inner", "packet_inner_not_ip": "drop"}
    for control in (b"\x40\0", b"\0\x40"):
        assert _fate(_capwap(1, control + WIFI[2:]), **strict) == "accepted"
    protected = _capwap(1, b"\x08\x40" + WIFI[2:])
    assert _fate(protected, **strict) == "non_ip"


def _nest(depth: int) -> bytes:
    packet = INNER
    for _ in range(depth):
        packet = f.ip(packet, f.IPIP, OUT)
    return packet


def test_four_layers_inside_are_read() -> None:
    run = run_of((0, _nest(4)), packet_decapsulate="inner")
    assert _ports(run) == {11}
    run = run_of((0, _nest(4)), packet_decapsulate="all")
    assert (run.counters["layers"], run.counters["layers_unreadable"]) == (4, 0)


def test_fifth_tunnel_is_too_deep() -> None:
    assert _fate(_nest(5), packet_decapsulate="inner") == "malformed_depth"
    assert _fate(_nest(5)) == "accepted"
    run = run_of((0, _nest(5)), packet_decapsulate="all")
    assert (run.counters["layers"], run.counters["layers_unreadable"]) == (4, 1)


def test_innermost_readable_layer_is_metered() -> None:
    broken = f.ip(f.ip(b"\x45 no packet", f.IPIP, (A, B)), f.IPIP, OUT)
    (final,) = finals(run_of((0, broken), packet_decapsulate="inner"))
    assert (final.key.initiator, final.key.protocol) == (A, f.IPIP)


def test_fragment_is_never_opened() -> None:
    packet = f.ipv4(INNER, f.IPIP, OUT, fragment=0x2000)
    (final,) = finals(run_of((0, packet), packet_decapsulate="inner"))
    assert final.key.initiator == OUT[0]


def test_vlan_is_that_of_the_layer_metered() -> None:
    inside = f.ethernet(INNER, (0x8100 << 16 | 9,))
    frame = f.ethernet(_udp(4789, b"\x08" + bytes(7) + inside), (0x8100 << 16 | 5,))
    file = capture((0, frame), link_type=1)
    metered = []
    for taken in Capture(sources_of([("one", file)]), settings(packet_decapsulate="all")):
        metered = [layer.vlan for _, layer, _ in taken.metered]
    assert metered == [5, 9]


def test_inner_fragments_find_their_first() -> None:
    first = f.ipv4(f.udp((11, 22), bytes(16)), f.UDP, (A, B), fragment=0x2000)
    later = f.ipv4(bytes(8), f.UDP, (A, B), fragment=3)
    packets = [(0, f.ip(first, f.IPIP, OUT)), (1, f.ip(later, f.IPIP, OUT))]
    (final,) = finals(run_of(*packets, packet_decapsulate="inner"))
    assert (final.key.initiator_port, final.counts.fwd_packets) == (11, 2)
    alone = run_of(packets[1], packet_decapsulate="all")
    assert (alone.counters["layers"], alone.counters["layers_unreadable"]) == (0, 1)
