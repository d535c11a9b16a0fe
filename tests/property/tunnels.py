"""Bytes of tunnels: a packet put inside another, as each kind does it."""

from collections.abc import Callable
from struct import pack

from tests.property.dice import Dice
from tests.property.frames import (
    GRE,
    IPIP,
    IPV6,
    TEREDO,
    UDP,
    Addresses,
    ethernet,
    ip,
    ipv6,
    labels,
    ppp,
    udp,
    wifi,
)

Wrapper = Callable[[bytes, Addresses, Dice], bytes]


def _is_v6(packet: bytes) -> bool:
    return packet[:1] != b"" and packet[0] >> 4 == 6


def _in_udp(payload: bytes, ends: Addresses, ports: tuple[int, int]) -> bytes:
    return ip(udp(ports, payload), UDP, ends)


def _bare(packet: bytes, ends: Addresses, dice: Dice) -> bytes:
    protocol = IPV6 if _is_v6(packet) else IPIP
    return ip(packet, dice.of((protocol, protocol, protocol, IPIP)), ends)


def _gre_head(kind: int, dice: Dice, sequence: int | None = None) -> bytes:
    flags = dice.of((0, 0x80, 0x20, 0xB0, 0x40)) & (0xFF if sequence is None else 0xA0)
    flags |= sequence or 0
    words = sum(4 for bit in (0x80, 0x20, 0x10) if flags & bit)
    version = 1 if dice.one_in(16) else 0
    return pack(">BBH", flags, version, kind) + bytes(words)


def _gre(packet: bytes, ends: Addresses, dice: Dice) -> bytes:
    kind = 0x86DD if _is_v6(packet) else 0x0800
    shape = dice.below(6)
    if shape == 1:
        kind, packet = 0x6558, ethernet(packet)
    elif shape == 2:
        kind, packet = dice.of((0x8847, 0x8848)), labels(packet, 2)
    elif shape == 3:
        packet, kind = pack(">HH", 7, kind) + packet, dice.of((0x8100, 0x88A8))
    elif shape == 4:
        kind, packet = 0x880B, ppp(packet, dice)
    elif shape == 5:
        kind = 0x0806
    return ip(_gre_head(kind, dice) + packet, GRE, ends)


def _erspan(packet: bytes, ends: Addresses, dice: Dice) -> bytes:
    kind = dice.below(4)
    frame = ethernet(packet)
    if kind == 0:
        return ip(_gre_head(0x88BE, dice, 0x10) + bytes(8) + frame, GRE, ends)
    if kind == 1:
        return ip(_gre_head(0x88BE, dice, 0) + frame, GRE, ends)
    more = kind - 2
    head = bytes(11) + bytes((more,)) + bytes(8 * more)
    return ip(_gre_head(0x22EB, dice, 0x10) + head + frame, GRE, ends)


def _vxlan(packet: bytes, ends: Addresses, dice: Dice) -> bytes:
    flags = dice.of((0x08, 0x08, 0x08, 0))
    payload = pack(">B7x", flags) + ethernet(packet)
    return _in_udp(payload, ends, dice.of(((40000, 4789), (40000, 4789), (4789, 40000))))


def _geneve(packet: bytes, ends: Addresses, dice: Dice) -> bytes:
    options = dice.of((0, 1, 3, 63))
    kind = 0x86DD if _is_v6(packet) else 0x0800
    kind, inside = dice.of(((kind, packet), (0x6558, ethernet(packet)), (0x1234, packet)))
    version = 0x40 if dice.one_in(16) else 0
    return _in_udp(
        pack(">BBHI", options | version, 0, kind, 0) + bytes(4 * options) + inside,
        ends,
        (40000, 6081),
    )


def _gtpu(packet: bytes, ends: Addresses, dice: Dice) -> bytes:
    flags = dice.of((0x30, 0x32, 0x34, 0x37, 0x20, 0x50))
    kind = dice.of((255, 255, 255, 1))
    more = b""
    if flags & 7:
        chain = dice.below(3) if flags & 4 else 0
        more = bytes(3) + (b"\x85" if chain else b"\0")
        for left in range(chain - 1, -1, -1):
            words = dice.of((1, 2, 1, 0)) if left else 1
            more += bytes((words,)) + bytes(max(0, words * 4 - 2)) + (b"\x85" if left else b"\0")
    return _in_udp(pack(">BBHI", flags, kind, len(packet), 7) + more + packet, ends, (2152, 2152))


def _teredo(packet: bytes, ends: Addresses, dice: Dice) -> bytes:
    inner = ipv6(packet[40:], packet[6], (TEREDO, packet[24:40])) if _is_v6(packet) else packet
    before = dice.of((b"", b"\0\0" + bytes(6), b"\0\1\1\1" + bytes(11), b"\0\1\0\0" + bytes(9)))
    if before[:2] == b"\0\1" and dice.one_in(2):
        before += b"\0\0" + bytes(6)
    ports = dice.of(((3544, 50000), (50000, 3544), (50000, 50001)))
    return _in_udp(before + inner, ends, ports)


def _tzsp(packet: bytes, ends: Addresses, dice: Dice) -> bytes:
    tags = dice.of((b"\1", b"\0\0\1", b"\x0a\2xy\1", b"\x0a\xff", b""))
    head = pack(">BBH", dice.of((1, 1, 1, 2)), dice.of((0, 1, 2)), dice.of((1, 1, 18)))
    return _in_udp(head + tags + ethernet(packet), ends, (40000, 37008))


def _capwap(packet: bytes, ends: Addresses, dice: Dice) -> bytes:
    native, words = dice.below(2), dice.of((2, 4, 1, 31))
    fragment = 0x80 if dice.one_in(8) else 0
    head = pack(">BBBB", 0, words << 3, native, fragment) + bytes(max(0, words * 4 - 4))
    inside = wifi(packet, dice) if native else ethernet(packet)
    if native and dice.one_in(2):
        inside = inside[1::-1] + inside[2:]
    return _in_udp(head + inside, ends, dice.of(((5247, 40000), (40000, 5247))))


def _pptp(packet: bytes, ends: Addresses, dice: Dice) -> bytes:
    flags = dice.of((0x2001, 0x3001, 0x3081, 0x2081, 0x6001, 0x2002))
    words = sum(4 for bit in (0x1000, 0x80) if flags & bit)
    kind = dice.of((0x880B, 0x880B, 0x880B, 0x0800))
    head = pack(">HHHH", flags, kind, len(packet) & 0xFFFF, 1) + bytes(words)
    return ip(head[: dice.of((len(head), len(head), 6))] + ppp(packet, dice), GRE, ends)


def _ayiya(packet: bytes, ends: Addresses, dice: Dice) -> bytes:
    identity, signature = dice.of((0, 4, 4, 15)), dice.of((0, 5, 5, 15))
    operation, inside = dice.of((1, 1, 1, 0x21, 2)), dice.of((41, 41, 41, 59))
    head = bytes((identity << 4, signature << 4, operation, inside)) + bytes(4)
    head += bytes(min(2**identity, 64) + 4 * signature)
    return _in_udp(head + packet, ends, dice.of(((5072, 40000), (40000, 5072), (5072, 5072))))


WRAPPERS: tuple[Wrapper, ...] = (
    _bare,
    _gre,
    _vxlan,
    _geneve,
    _gtpu,
    _teredo,
    _erspan,
    _tzsp,
    _capwap,
    _pptp,
    _ayiya,
)
