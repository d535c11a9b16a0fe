"""Bytes of packets: IP, transport, link layers and tunnels, put together from their parts.

Every field can be given a wrong value; what is not given is right.
"""

from collections.abc import Callable
from struct import pack, unpack

from tests.property.dice import Dice

Addresses = tuple[bytes, bytes]  # Source, destination; 4 or 16 bytes each.
Ports = tuple[int, int]
ICMP, IPIP, TCP, UDP, IPV6, GRE, ICMP6, SCTP, UDP_LITE, DCCP = 1, 4, 6, 17, 41, 47, 58, 132, 136, 33
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
MORE_FRAGMENTS = 0x2000
MACS = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02"
TEREDO = bytes.fromhex("20010000") + b"\x01" * 12


def ipv4(payload: bytes, protocol: int, ends: Addresses, **fields: int | bytes) -> bytes:
    """Return an IPv4 packet. Fields: options, identification, fragment, length, words."""
    options = fields.get("options", b"")
    size = 20 + len(options)
    return (
        pack(
            ">BBHHHBBH4s4s",
            0x40 | fields.get("words", size // 4),
            0,
            fields.get("length", min(size + len(payload), 0xFFFF)),
            fields.get("identification", 0),
            fields.get("fragment", 0),
            64,
            protocol,
            0,
            *ends,
        )
        + options
        + payload
    )


def ipv6(payload: bytes, protocol: int, ends: Addresses, **fields: int) -> bytes:
    """Return an IPv6 packet. Fields: length, the payload length to claim."""
    length = fields.get("length", min(len(payload), 0xFFFF))
    return pack(">IHBB16s16s", 6 << 28, length, protocol, 64, *ends) + payload


def ip(payload: bytes, protocol: int, ends: Addresses) -> bytes:
    """Return a packet of the version that the addresses have."""
    return (ipv4 if len(ends[0]) == 4 else ipv6)(payload, protocol, ends)


def extended(
    payload: bytes, protocol: int, ends: Addresses, chain: list[tuple[int, bytes]]
) -> bytes:
    """Return an IPv6 packet with extension headers: (kind, bytes behind the next-header byte)."""
    for kind, rest in reversed(chain):
        payload, protocol = bytes((protocol,)) + rest + payload, kind
    return ipv6(payload, protocol, ends)


def fragment_header(identification: int, units: int, more: bool) -> tuple[int, bytes]:
    """Return the IPv6 fragment header for extended()."""
    return 44, pack(">BHI", 0, units << 3 | more, identification)


def tcp(ports: Ports, flags: int, payload: bytes = b"", **fields: int) -> bytes:
    """Return a TCP segment. Fields: window, words (data offset), sequence, acknowledgment."""
    words = fields.get("words", 5)
    numbers = fields.get("sequence", 0), fields.get("acknowledgment", 0)
    rest = words << 4, flags, fields.get("window", 1024), 0, 0
    head = pack(">HHIIBBHHH", *ports, *numbers, *rest)
    return head + bytes(max(0, words * 4 - 20)) + payload


def udp(ports: Ports, payload: bytes = b"") -> bytes:
    """Return a UDP datagram."""
    return pack(">HHHH", *ports, min(8 + len(payload), 0xFFFF), 0) + payload


def icmp(kind: int, code: int, payload: bytes = b"") -> bytes:
    """Return an ICMP or ICMPv6 message."""
    return pack(">BBHI", kind, code, 0, 0) + payload


def sctp(ports: Ports, payload: bytes = b"") -> bytes:
    """Return an SCTP packet."""
    return pack(">HHII", *ports, 0, 0) + payload


def dccp(ports: Ports, words: int, payload: bytes = b"") -> bytes:
    """Return a DCCP packet with this data offset."""
    return pack(">HHBBHI", *ports, words, 0, 0, 0) + bytes(max(0, words * 4 - 12)) + payload


def checked(packet: bytes) -> bytes:
    """Return an IP packet with right checksums, where its headers are plain."""
    version6 = packet[0] >> 4 == 6
    begin = 40 if version6 else (packet[0] & 15) * 4
    if not version6:
        packet = _summed(packet[:begin], b"", 10) + packet[begin:]
    protocol = packet[6 if version6 else 9]
    places = {TCP: 16, UDP: 6, ICMP6: 2} if version6 else {TCP: 16, UDP: 6, ICMP: 2}
    if protocol not in places:
        return packet
    segment = packet[begin:]
    addresses = packet[8:40] if version6 else packet[12:20]
    pseudo = b"" if protocol == ICMP else addresses + pack(">II", len(segment), protocol)
    return packet[:begin] + _summed(segment, pseudo, places[protocol])


def _summed(octets: bytes, pseudo: bytes, at: int) -> bytes:
    """Return octets with the checksum at `at` that makes the sum over them and `pseudo` right."""
    if at + 2 > len(octets):
        return octets
    blank = octets[:at] + b"\0\0" + octets[at + 2 :]
    content = pseudo + blank + bytes(len(pseudo + blank) % 2)
    total = sum(unpack(f">{len(content) // 2}H", content))
    return octets[:at] + pack(">H", -total % 0xFFFF) + octets[at + 2 :]


def _type(packet: bytes) -> int:
    return 0x86DD if packet[:1] and packet[0] >> 4 == 6 else 0x0800


def ethernet(packet: bytes, tags: tuple[int, ...] = (), kind: int | None = None) -> bytes:
    """Return an Ethernet frame with VLAN tags (type << 16 | tag), the outermost first."""
    kind = _type(packet) if kind is None else kind
    types = [tag >> 16 for tag in tags] + [kind]
    stack = b"".join(
        pack(">HH", tag & 0xFFFF, kind) for tag, kind in zip(tags, types[1:], strict=True)
    )
    return MACS + pack(">H", types[0]) + stack + packet


def snap(packet: bytes) -> bytes:
    """Return LLC and SNAP before a packet."""
    return b"\xaa\xaa\x03\0\0\0" + pack(">H", _type(packet)) + packet


def labels(packet: bytes, count: int) -> bytes:
    """Return MPLS labels before a packet."""
    return (
        b"".join(pack(">I", 16 << 12 | (k == count - 1) << 8 | 64) for k in range(count)) + packet
    )


def ppp(packet: bytes, dice: Dice) -> bytes:
    """Return PPP before a packet, in one of its forms."""
    protocol = 0x57 if _type(packet) == 0x86DD else 0x21
    return (
        dice.of((b"\xff\x03", b"")) + dice.of((pack(">H", protocol), bytes((protocol,)))) + packet
    )


def pppoe(packet: bytes) -> bytes:
    """Return a PPPoE session header before a packet."""
    protocol = 0x57 if _type(packet) == 0x86DD else 0x21
    return pack(">BBHHH", 0x11, 0, 1, len(packet) + 2, protocol) + packet


def wifi(packet: bytes, dice: Dice) -> bytes:
    """Return an 802.11 data frame, or nearly one."""
    kind = dice.of((0x08, 0x88, 0x08, 0x88, 0x48, 0xC8, 0x80, 0xD4))
    flags = dice.of((0x01, 0x02, 0x03, 0x80, 0x83, 0x40))
    size = 24 + (6 if flags & 3 == 3 else 0)
    quality = b"\0\0" if not dice.one_in(8) else b"\x80\0"
    if kind & 0x80:
        quality += b"\0\0\0\0" if flags & 0x80 else b""
    else:
        quality = b""
    return bytes((kind, flags)) + bytes(size - 2) + quality + snap(packet)


def _radiotap(packet: bytes, dice: Dice) -> bytes:
    present, fields = dice.of(
        (
            (0, b""),
            (2, b"\0"),
            (2, b"\x20"),
            (3, bytes(8) + b"\x20"),
            (1 << 31 | 2, pack("<I", 0) + b"\x20"),
        )
    )
    frame = wifi(packet, dice)
    if fields[-1:] == b"\x20":
        header = len(frame) - len(snap(packet))
        frame = frame[:header] + bytes(-header % 4) + frame[header:]
    size = 8 + len(fields) if not dice.one_in(16) else dice.below(16)
    return pack("<BBHI", 0, 0, size, present) + fields + frame


def _nflog(packet: bytes, dice: Dice) -> bytes:
    family = 10 if _type(packet) == 0x86DD else 2
    before = dice.of((b"", pack("<HHB", 5, 10, 0) + bytes(3), pack("<HH", 4, 1), pack("<HH", 3, 1)))
    payload = pack("<HH", min(4 + len(packet), 0xFFFF), 9) + packet
    return bytes((dice.of((family, family, family, 7)), 0, 0, 0)) + before + payload


def _frame_relay(packet: bytes, dice: Dice) -> bytes:
    address = dice.of((b"\x18\x41", b"\x18\x40\x01", b"\x18\x40\x40\x01", b"\x19", b"\0\0\0\0\1"))
    v6 = _type(packet) == 0x86DD
    head = dice.of(
        (
            b"\x03\x8e" if v6 else b"\x03\xcc",
            b"\x03\0\x8e" if v6 else b"\x03\0\xcc",
            b"\x03\0\x80\0\0\0" + pack(">H", _type(packet)),
            pack(">H", _type(packet)),
            b"\x03\x81",
        )
    )
    return address + head + packet


def _family(order: str) -> Callable[[bytes, Dice], bytes]:
    def wrapped(packet: bytes, dice: Dice) -> bytes:
        families = (10, 24, 28, 30, 7) if _type(packet) == 0x86DD else (2, 2, 2, 2, 7)
        turned = dice.one_in(3) and order == "<"
        return pack((">" if turned else order) + "I", dice.of(families)) + packet

    return wrapped


def _on_ethernet(packet: bytes, dice: Dice) -> bytes:
    shape = dice.below(30) - 18
    if shape < 6:
        return ethernet(packet)
    if shape == 6:
        types = (0x8100, 0x88A8, 0x9100)
        count = dice.of((1, 2, 3, 16, 17))
        return ethernet(packet, tuple(dice.of(types) << 16 | dice.below(3) for _ in range(count)))
    if shape == 7:
        return ethernet(labels(packet, dice.of((1, 2, 16, 17))), kind=dice.of((0x8847, 0x8848)))
    if shape == 8:
        return ethernet(pppoe(packet), kind=0x8864)
    if shape == 9:
        return ethernet(snap(packet), kind=dice.of((len(packet) + 8 & 0x3FF, 1500, 1501, 0x5FF)))
    if shape == 10:
        return ethernet(snap(packet), (0x8100 << 16 | 5,), kind=dice.below(0x600))
    if dice.one_in(3):
        return bytes(12) + pack(">HH", 0x8903, 1) + ethernet(packet)  # FabricPath.
    return ethernet(packet, kind=dice.of((0x0806, 0x86DD, 0x0800, 0x88CC)))


LINKS: dict[int, Callable[[bytes, Dice], bytes]] = {
    1: _on_ethernet,
    0: _family("<"),
    108: _family(">"),
    101: lambda packet, dice: packet,
    12: lambda packet, dice: packet,
    14: lambda packet, dice: packet,
    228: lambda packet, dice: packet,
    229: lambda packet, dice: packet,
    113: lambda packet, dice: bytes(14) + pack(">H", _type(packet)) + packet,
    276: lambda packet, dice: pack(">H", _type(packet)) + bytes(18) + packet,
    9: ppp,
    50: lambda packet, dice: dice.of(
        (ppp(packet, dice), b"\x0f\0" + pack(">H", _type(packet)) + packet)
    ),
    51: lambda packet, dice: pppoe(packet),
    166: lambda packet, dice: dice.of((b"\0", b"\1", b"")) + ppp(packet, dice),
    104: lambda packet, dice: b"\x0f\0" + pack(">H", _type(packet)) + packet,
    107: _frame_relay,
    10: lambda packet, dice: bytes(13) + snap(packet),
    239: _nflog,
    105: wifi,
    127: _radiotap,
    192: lambda packet, dice: _ppi(packet, dice),
    147: lambda packet, dice: packet,
}


def _ppi(packet: bytes, dice: Dice) -> bytes:
    link_type = dice.of((1, 105, 101, 192, 147))
    size = dice.of((8, 12, 8, 8, 7))
    return (
        pack("<BBHI", 0, 0, size, link_type)
        + bytes(max(0, size - 8))
        + LINKS[link_type](packet, dice)
    )
