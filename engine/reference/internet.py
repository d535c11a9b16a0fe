"""IP and transport headers: one layer of a packet (SEMANTICS.rst, "Packets": IP)."""

from dataclasses import dataclass
from struct import unpack_from
from typing import NamedTuple

from engine.reference.links import Network, RefusedError, Span

PACKET_BYTES_MAX = 1 << 20
HEADER_BYTES_MAX = 4095
CAPTURED_PAYLOAD_MAX = 65_535
TCP, UDP, DCCP, UDP_LITE, SCTP, ICMP, ICMP6 = 6, 17, 33, 136, 132, 1, 58
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION, MOBILITY = 0, 43, 44, 51, 60, 135
EXTENSIONS = {
    4: (AUTHENTICATION,),
    6: (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION, MOBILITY),
}
WITH_PORTS = (TCP, UDP, SCTP, DCCP, UDP_LITE)
TRANSPORT_BYTES = {UDP: 8, UDP_LITE: 8, SCTP: 12, ICMP: 8, ICMP6: 8}
BYTES_MIN = TRANSPORT_BYTES | {TCP: 20, DCCP: 12}
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32


def _both_ways(*pairs: tuple[int, int]) -> dict[int, int]:
    return dict(pairs) | {there: here for here, there in pairs}


# Community ID v1: the type that answers a type.
COUNTERPARTS = {
    ICMP: _both_ways((8, 0), (9, 10), (13, 14), (15, 16), (17, 18)),
    ICMP6: _both_ways((128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)),
}


class Fragment(NamedTuple):
    """What a fragment header says. `protocol` is the one named in it."""

    identification: int
    protocol: int
    offset: int  # In units of 8 bytes; 0: the first fragment.


@dataclass(slots=True)
class Layer:
    """One IP packet, as its own headers tell. Offsets are in the frame."""

    version: int
    source: bytes
    destination: bytes
    vlan: int
    offset: int  # Of the IP header.
    end: int  # Of the packet.
    payload_at: int  # Behind IP and transport header; may lie beyond the end.
    protocol: int
    payload: bytes = b""  # What of it is captured.
    header_length: int = 0
    payload_length: int = 0
    source_port: int = 0
    destination_port: int = 0
    one_way: bool = False  # An ICMP type without a counterpart.
    flags: int | None = None  # TCP flags; None: not captured, or no TCP header.
    window: int | None = None
    sequence: int = 0  # Where the window is known, these two are.
    acknowledgment: int = 0
    fragment: Fragment | None = None
    captured_bytes: int = 0  # Of what holds it, its own link layer included.

    @property
    def later_fragment(self) -> bool:
        """Return whether the transport header is in another packet."""
        return self.fragment is not None and self.fragment.offset > 0

    @property
    def tcp_header_cut(self) -> bool:
        """Return whether flags or window of a TCP header are not captured."""
        tcp_header = self.protocol == TCP and not self.later_fragment
        return tcp_header and (self.flags is None or self.window is None)

    @property
    def length(self) -> int:
        """Return the packet length."""
        return self.header_length + self.payload_length


class Allowed(NamedTuple):
    """What settings let pass, and which VLAN they take."""

    overlong: bool = False  # An IP length beyond the end of what holds the packet.
    short: bool = False  # A transport header that is not whole in the packet.
    vlan_in_key: str = "outer"
    vlan_outside: int = 0  # Of the layer outside.


NOTHING_ALLOWED = Allowed()


def layer_of(span: Span, network: Network, allowed: Allowed = NOTHING_ALLOWED) -> Layer:
    """Return the IP packet at `network` in what `span` holds; ports of later fragments stay 0."""
    version, at, tags = network
    vlan = vlan_of(tags, allowed.vlan_in_key)
    if allowed.vlan_in_key == "inner":
        vlan = vlan or allowed.vlan_outside
    said = span.number(at, 1) >> 4
    if said not in (4, 6) or version not in (0, said):
        raise RefusedError("malformed_ip_version")
    layer = (_ipv4 if said == 4 else _ipv6)(span, at, vlan, allowed.overlong)
    packet = Span(span.captured, layer.end)
    _extensions(packet, layer)
    ip_bytes = layer.payload_at - at
    if not layer.later_fragment:
        _transport(packet, layer, allowed.short)
    headers = layer.payload_at - at
    if headers > HEADER_BYTES_MAX:
        raise RefusedError("malformed_length")
    assert headers >= ip_bytes, "a transport header has no negative size"
    length = layer.end - at
    layer.payload_length = max(0, length - headers)
    layer.header_length = length - layer.payload_length
    captured_end = min(layer.end, layer.payload_at + CAPTURED_PAYLOAD_MAX)
    layer.payload = span.captured[layer.payload_at : max(captured_end, layer.payload_at)]
    return layer


def vlan_of(tags: tuple[int, ...], vlan_in_key: str) -> int:
    """Return the VLAN in the key of a layer whose link layer has these ids, outermost first."""
    if not tags or vlan_in_key == "off":
        return 0
    if vlan_in_key != "all":
        return tags[-1 if vlan_in_key == "inner" else 0]
    bits = ""
    for tag in tags:
        bits = bits[5:] + bits[:5]
        bits = f"{int(bits or '0', 2) ^ tag:012b}"
    return int(bits, 2)


def _ipv4(span: Span, at: int, vlan: int, overlong: bool) -> Layer:
    span.need(at + 20)
    first, total, identification, offset, protocol, source, destination = unpack_from(
        ">BxHHHxB2x4s4s", span.captured, at
    )
    header_bytes = (first & 0x0F) * 4
    if header_bytes < 20:
        raise RefusedError("malformed_length")
    end = _end(span, at, total or span.end - at, header_bytes, overlong)
    layer = Layer(4, source, destination, vlan, at, end, at + header_bytes, protocol)
    if offset & 0x3FFF:
        layer.fragment = Fragment(identification, protocol, offset & 0x1FFF)
    return layer


def _ipv6(span: Span, at: int, vlan: int, overlong: bool) -> Layer:
    span.need(at + 40)
    length, protocol, source, destination = unpack_from(">HBx16s16s", span.captured, at + 4)
    if length == 0 and protocol in (HOP_BY_HOP, TCP, UDP):
        length = span.end - at
    else:
        length += 40
    end = _end(span, at, length, 40, overlong)
    return Layer(6, source, destination, vlan, at, end, at + 40, protocol)


def _end(span: Span, at: int, length: int, header_bytes: int, overlong: bool) -> int:
    if overlong:
        length = min(length, span.end - at)
    if length > PACKET_BYTES_MAX or length < header_bytes or at + length > span.end:
        raise RefusedError("malformed_length")
    return at + length


def _extensions(packet: Span, layer: Layer) -> None:
    """Walk the extension headers: the protocol and the payload move behind them."""
    kinds = EXTENSIONS[layer.version]
    while layer.protocol in kinds and not layer.later_fragment:
        at, kind = layer.payload_at, layer.protocol
        packet.need(at + (8 if kind == FRAGMENT else 2))
        following, count = packet.captured[at], packet.captured[at + 1]
        if kind == FRAGMENT:
            size = 8
            offset, identification = unpack_from(">HI", packet.captured, at + 2)
            if layer.fragment is None and offset & 0xFFF9:
                layer.fragment = Fragment(identification, following, offset >> 3)
        elif kind == AUTHENTICATION:
            size = (count + 2) * 4
        else:
            size = (count + 1) * 8
        layer.payload_at, layer.protocol = at + size, following
        if layer.payload_at > layer.end:
            raise RefusedError("malformed_short")
        if layer.payload_at - layer.offset > HEADER_BYTES_MAX:
            raise RefusedError("malformed_length")


def _transport(packet: Span, layer: Layer, lenient: bool) -> None:
    """Read ports, flags and window; the payload moves behind the transport header."""
    at, protocol = layer.payload_at, layer.protocol
    if lenient and at + BYTES_MIN.get(protocol, 0) > layer.end:
        return
    if protocol in WITH_PORTS:
        packet.need(at + 4)
        layer.source_port, layer.destination_port = unpack_from(">HH", packet.captured, at)
        if protocol == TCP:
            layer.payload_at += _tcp(packet, layer, at, lenient)
        elif protocol == DCCP:
            layer.payload_at += _dccp_bytes(packet, at)
        else:
            layer.payload_at += TRANSPORT_BYTES[protocol]
    elif protocol in COUNTERPARTS:
        packet.need(at + 2)
        kind, code = packet.captured[at], packet.captured[at + 1]
        layer.source_port = kind
        layer.destination_port = COUNTERPARTS[protocol].get(kind, code)
        layer.one_way = kind not in COUNTERPARTS[protocol]
        layer.payload_at += TRANSPORT_BYTES[protocol]


def _there(packet: Span, offset: int) -> bool:
    return offset <= packet.end and offset <= len(packet.captured)


def _tcp(packet: Span, layer: Layer, at: int, lenient: bool) -> int:
    """Take flags and window as far as they are there; return the header's size."""
    size = packet.captured[at + 12] >> 4 << 2 if _there(packet, at + 13) else 20
    if size < 20 or at + size > packet.end:
        if not lenient:
            raise RefusedError("malformed_tcp_offset")
        size = 20
    if _there(packet, at + 14):
        layer.flags = packet.captured[at + 13]
    if _there(packet, at + 16):
        layer.window = unpack_from(">H", packet.captured, at + 14)[0]
        layer.sequence, layer.acknowledgment = unpack_from(">II", packet.captured, at + 4)
    return size


def _dccp_bytes(packet: Span, at: int) -> int:
    return packet.captured[at + 4] * 4 if _there(packet, at + 5) else 12
