"""What settings change of a parsed layer, and what they refuse (SEMANTICS.rst, Settings)."""

from engine.config import Config
from engine.reference.internet import (
    DCCP,
    HEADER_BYTES_MAX,
    ICMP,
    ICMP6,
    PACKET_BYTES_MAX,
    SCTP,
    TCP,
    UDP,
    UDP_LITE,
    Layer,
)

NAMES = {TCP: "tcp", UDP: "udp", UDP_LITE: "udp_lite", SCTP: "sctp", DCCP: "dccp"}
UDP_HEADER_BYTES, CHECKSUM_END = 8, 4


def settle(layer: Layer, config: Config, wire: int, captured: int) -> None:
    """Change what a layer of a frame of `wire` bytes counts for, as the settings say."""
    flow = config.flow
    if layer.protocol in (ICMP, ICMP6):
        if flow.icmp == "zero":
            layer.source_port = layer.destination_port = 0
            layer.one_way = False
    elif layer.protocol in NAMES and NAMES[layer.protocol] not in flow.port_protocols:
        layer.source_port = layer.destination_port = 0
    if flow.length == "ip":
        return
    sizes = {"frame": wire, "captured": captured, "payload": layer.payload_length}
    sizes["layer"] = layer.captured_bytes
    length = min(sizes[flow.length], PACKET_BYTES_MAX)
    layer.header_length = max(0, min(length - layer.payload_length, HEADER_BYTES_MAX))
    layer.payload_length = length - layer.header_length


def has_wrong_checksum(layer: Layer, captured: bytes) -> bool:
    """Return whether a checksum of a layer that can be verified is wrong."""
    header_bytes = 40
    if layer.version == 4:
        header_bytes = (captured[layer.offset] & 15) * 4
        if layer.offset + header_bytes > len(captured):
            return False
        if not _is_right(captured[layer.offset : layer.offset + header_bytes]):
            return True
    begin = layer.offset + header_bytes
    segment = captured[begin : layer.end]
    next_header = captured[layer.offset + (9 if layer.version == 4 else 6)]
    if layer.fragment is not None or layer.end > len(captured) or next_header != layer.protocol:
        return False
    if layer.protocol == UDP:
        size = int.from_bytes(segment[4:6], "big")
        if not UDP_HEADER_BYTES <= size <= len(segment) or segment[6:8] == b"\0\0":
            return False
        segment = segment[:size]
    elif layer.protocol not in (TCP, ICMP if layer.version == 4 else ICMP6):
        return False
    if len(segment) < CHECKSUM_END:
        return False
    pseudo = layer.source + layer.destination + len(segment).to_bytes(4, "big")
    pseudo += layer.protocol.to_bytes(4, "big")
    return not _is_right(segment if layer.protocol == ICMP else pseudo + segment)


def _is_right(octets: bytes) -> bool:
    """Return whether the ones' complement sum of 16-bit words is that of a right checksum."""
    octets += bytes(len(octets) % 2)
    total = sum(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))
    return total > 0 and total % 0xFFFF == 0
