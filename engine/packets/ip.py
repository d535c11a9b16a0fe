"""Parse an IP packet into a line: headers, extension headers, lengths, ports, flags.

The order of the checks is the definition (SEMANTICS.rst, "IP"). Every kernel returns a fate and
writes only into its line.
"""

import numpy as np
from numba import njit

from engine.memory.options import KERNEL
from engine.memory.pointers import load_u8, load_u16_be, load_u32_be, load_u64_be
from engine.packets.fates import ACCEPTED, IP_VERSION, LENGTH, SHORT, TCP_OFFSET, missing
from engine.packets.lines import (
    CAPTURED_END,
    CAPTURED_MASK,
    CAPTURED_SHIFT,
    DEMANDED,
    DESTINATION_HIGH,
    DESTINATION_LOW,
    DESTINATION_PORT_SHIFT,
    FIRST_FRAGMENT,
    FLAGS_SHIFT,
    FRAGMENT,
    FRAGMENT_KEY,
    FRAGMENT_PROTOCOL_SHIFT,
    FRAGMENT_SHIFT,
    FRAGMENT_VERSION_SHIFT,
    FRAGMENT_VLAN_SHIFT,
    HEADER_AT,
    HEADER_SHIFT,
    IP_HEADERS_MAX,
    KEY,
    LATER_FRAGMENT,
    LENGTHS,
    MARK_SHIFT,
    NO_FRAGMENT,
    OVERLONG_KEPT,
    PACKET_END,
    PACKET_LENGTH_MAX,
    PAYLOAD_AT,
    PROTOCOL,
    PROTOCOL_SHIFT,
    SOURCE_HIGH,
    SOURCE_LOW,
    TCP_HEADER_CUT,
    TRANSPORT_AT,
    VERSION6_SHIFT,
    WINDOW_SHIFT,
)
from engine.packets.lines import VLAN_SHIFT as LINE_VLAN_SHIFT
from engine.packets.link import OFFSET_MASK, VERSION_MASK, VERSION_SHIFT

ICMP, TCP, UDP, DCCP, ICMP6, SCTP, UDP_LITE = 1, 6, 17, 33, 58, 132, 136
IP_IN_IP, IP6_IN_IP, GRE = 4, 41, 47
HOP_BY_HOP, ROUTING, FRAGMENT_HEADER, AUTHENTICATION, OPTIONS, MOBILITY = 0, 43, 44, 51, 60, 135
TCP_NUMBERS_AT, TCP_NUMBERS_BYTES = 4, 8  # Sequence and acknowledgment, RFC 9293.
_MORE_FRAGMENTS, _FRAGMENT_OFFSET = 0x2000, 0x1FFF  # RFC 791.
_MORE_FRAGMENTS_6, _FRAGMENT_OFFSET_6 = 1, 0xFFF8  # RFC 8200.


def _counterparts() -> np.ndarray:
    """Return by type the counterpart, or -1: row 0 ICMP, row 1 ICMPv6 (Community ID v1)."""
    table = np.full((2, 256), -1, np.int16)
    pairs = (
        ((0, 8), (9, 10), (13, 14), (15, 16), (17, 18)),
        ((128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)),
    )
    for row, both in zip(table, pairs, strict=True):
        for left, right in both:
            row[left], row[right] = right, left
    return table


COUNTERPARTS = _counterparts()


@njit(**KERNEL)
def parse_ip(frame, place, vlan, limit, captured, line):
    """Parse the IP headers at `place` into `line`; return the packet's fate so far.

    `vlan`: the one in the key. `limit`: end of what holds the packet.
    """
    at = place & OFFSET_MASK
    fate = missing(at + 1, limit, captured)
    if fate:
        return fate
    version = load_u8(frame, at) >> 4
    announced = place >> VERSION_SHIFT & VERSION_MASK
    if (version != 4 and version != 6) or (announced != 0 and version != announced):
        return IP_VERSION
    line[HEADER_AT] = at
    line[CAPTURED_END] = captured
    line[FRAGMENT] = NO_FRAGMENT
    line[TCP_HEADER_CUT] = 0
    if version == 4:
        line[KEY] = vlan << LINE_VLAN_SHIFT
        fate = _parse_version4(frame, at, limit, vlan, line)
    else:
        line[KEY] = vlan << LINE_VLAN_SHIFT | 1 << VERSION6_SHIFT
        fate = _parse_version6(frame, at, limit, vlan, line)
    return fate


@njit(**KERNEL)
def _parse_version4(frame, at, limit, vlan, line):
    """Parse the IPv4 header and its extension headers; write all but lengths and ports."""
    fate = missing(at + 20, limit, line[CAPTURED_END])
    if fate:
        return fate
    header = (load_u8(frame, at) & 15) * 4
    length = load_u16_be(frame, at + 2)
    if length == 0 or (at + length > limit and line[DEMANDED] & OVERLONG_KEPT):
        length = limit - at
    if header < 20 or length > PACKET_LENGTH_MAX or length < header or at + length > limit:
        return LENGTH
    line[PACKET_END] = at + length
    line[SOURCE_HIGH] = 0
    line[SOURCE_LOW] = load_u32_be(frame, at + 12)
    line[DESTINATION_HIGH] = 0
    line[DESTINATION_LOW] = load_u32_be(frame, at + 16)
    protocol = load_u8(frame, at + 9)
    pieces = load_u16_be(frame, at + 6)
    if pieces & (_MORE_FRAGMENTS | _FRAGMENT_OFFSET):
        key = load_u16_be(frame, at + 4) | vlan << FRAGMENT_VLAN_SHIFT
        line[FRAGMENT_KEY] = key | protocol << FRAGMENT_PROTOCOL_SHIFT
        line[FRAGMENT] = LATER_FRAGMENT if pieces & _FRAGMENT_OFFSET else FIRST_FRAGMENT
    line[TRANSPORT_AT] = at + header
    line[PROTOCOL] = protocol
    if protocol == AUTHENTICATION and line[FRAGMENT] != LATER_FRAGMENT:
        return _pass_extensions(frame, False, vlan, line)
    return ACCEPTED


@njit(**KERNEL)
def _parse_version6(frame, at, limit, vlan, line):
    """Parse the IPv6 header and its extension headers; write all but lengths and ports."""
    fate = missing(at + 40, limit, line[CAPTURED_END])
    if fate:
        return fate
    length = load_u16_be(frame, at + 4) + 40
    protocol = load_u8(frame, at + 6)
    if length == 40 and (protocol in (HOP_BY_HOP, TCP, UDP)):
        length = limit - at
    if at + length > limit and line[DEMANDED] & OVERLONG_KEPT:
        length = limit - at
    if length > PACKET_LENGTH_MAX or at + length > limit:
        return LENGTH
    line[PACKET_END] = at + length
    line[SOURCE_HIGH] = load_u64_be(frame, at + 8)
    line[SOURCE_LOW] = load_u64_be(frame, at + 16)
    line[DESTINATION_HIGH] = load_u64_be(frame, at + 24)
    line[DESTINATION_LOW] = load_u64_be(frame, at + 32)
    line[TRANSPORT_AT] = at + 40
    line[PROTOCOL] = protocol
    return _pass_extensions(frame, True, vlan, line)


@njit(**KERNEL)
def _is_extension(protocol, version6):
    """Return whether a header of this number is passed on the way to the transport header."""
    if protocol == AUTHENTICATION:
        return True
    if not version6:
        return False
    if protocol in (HOP_BY_HOP, ROUTING, FRAGMENT_HEADER):
        return True
    return protocol in (OPTIONS, MOBILITY)


@njit(**KERNEL)
def _pass_extensions(frame, version6, vlan, line):
    """Move `line` behind the extension headers. Ends: each takes 8 of at most 4,095 bytes."""
    at = line[TRANSPORT_AT]
    protocol = line[PROTOCOL]
    end, captured = line[PACKET_END], line[CAPTURED_END]
    while line[FRAGMENT] != LATER_FRAGMENT and _is_extension(protocol, version6):
        pieces = protocol == FRAGMENT_HEADER
        fate = missing(at + (8 if pieces else 2), end, captured)
        if fate:
            return fate
        next_protocol = load_u8(frame, at)
        size = (load_u8(frame, at + 1) + 1) * 8
        if pieces:
            size = 8
            word = load_u16_be(frame, at + 2)
            if line[FRAGMENT] == NO_FRAGMENT and word & (_FRAGMENT_OFFSET_6 | _MORE_FRAGMENTS_6):
                key = load_u32_be(frame, at + 4) | next_protocol << FRAGMENT_PROTOCOL_SHIFT
                key |= vlan << FRAGMENT_VLAN_SHIFT
                line[FRAGMENT_KEY] = key | 1 << FRAGMENT_VERSION_SHIFT
                later = word & _FRAGMENT_OFFSET_6 != 0
                line[FRAGMENT] = LATER_FRAGMENT if later else FIRST_FRAGMENT
        elif protocol == AUTHENTICATION:
            size = (load_u8(frame, at + 1) + 2) * 4
        at += size
        protocol = next_protocol
        if at > end:
            return SHORT
        if at - line[HEADER_AT] > IP_HEADERS_MAX:
            return LENGTH
    line[TRANSPORT_AT] = at
    line[PROTOCOL] = protocol
    return ACCEPTED


@njit(**KERNEL)
def transport_offset(packet, limit):
    """Return where the transport header of an accepted packet begins; at most `limit`, or -1.

    For whoever has the bytes again later: nothing at or behind `limit` is read.
    """
    if limit < 20:
        return -1
    version6 = load_u8(packet, 0) >> 4 == 6
    at, protocol = (load_u8(packet, 0) & 15) * 4, load_u8(packet, 9)
    if version6:
        at, protocol = 40, load_u8(packet, 6)
    while _is_extension(protocol, version6):
        if at + 2 > limit:
            return -1
        size = (load_u8(packet, at + 1) + 1) * 8
        if protocol == FRAGMENT_HEADER:
            size = 8
        elif protocol == AUTHENTICATION:
            size = (load_u8(packet, at + 1) + 2) * 4
        protocol = load_u8(packet, at)
        at += size
    return at if at <= limit else -1


@njit(**KERNEL)
def _has_ports(protocol):
    """Return whether the transport header begins with two ports."""
    if protocol in (TCP, UDP, SCTP):
        return True
    return protocol in (DCCP, UDP_LITE)


@njit(**KERNEL)
def _bytes_min(protocol):
    """Return how long a transport header is at least."""
    if protocol == TCP:
        return 20
    if protocol in (SCTP, DCCP):
        return 12
    return 8 if _has_ports(protocol) or protocol in (ICMP, ICMP6) else 0


@njit(**KERNEL)
def parse_transport(frame, lenient, line):
    """Write ports, flags and lengths behind the IP headers in `line`; return the packet's fate.

    `lenient`: a transport header that is too short for the packet does not refuse it.
    """
    at, begin, end = line[HEADER_AT], line[TRANSPORT_AT], line[PACKET_END]
    protocol = line[PROTOCOL]
    if lenient and line[FRAGMENT] != LATER_FRAGMENT and begin + _bytes_min(protocol) > end:
        line[TCP_HEADER_CUT] = np.int64(protocol == TCP)
        line[KEY] |= protocol << PROTOCOL_SHIFT | line[TCP_HEADER_CUT] << MARK_SHIFT
        return _write_lengths(begin - at, at, 0, line)
    captured = line[CAPTURED_END]
    header = 0
    window = 0
    key = line[KEY]
    if line[FRAGMENT] == LATER_FRAGMENT:
        key |= 1 << FRAGMENT_SHIFT
    elif _has_ports(protocol):
        fate = missing(begin + 4, end, captured)
        if fate:
            return fate
        key |= load_u16_be(frame, begin) | load_u16_be(frame, begin + 2) << DESTINATION_PORT_SHIFT
        header = 12 if protocol == SCTP else 8
        there = min(end, captured)
        if protocol == TCP:
            header = load_u8(frame, begin + 12) >> 4 << 2 if begin + 13 <= there else 20
            if header < 20 or begin + header > end:
                if not lenient:
                    return TCP_OFFSET
                header = 20
            if begin + 14 <= there:
                flags = load_u8(frame, begin + 13)
                key |= ((flags ^ 0x80) - 0x80) << FLAGS_SHIFT
            if begin + 16 <= there:
                window = load_u16_be(frame, begin + 14)
            else:
                line[TCP_HEADER_CUT] = 1
                key |= 1 << MARK_SHIFT
        elif protocol == DCCP:
            header = load_u8(frame, begin + 4) << 2 if begin + 5 <= there else 12
    elif protocol in (ICMP, ICMP6):
        fate = missing(begin + 2, end, captured)
        if fate:
            return fate
        key |= _message_ports(protocol, load_u8(frame, begin), load_u8(frame, begin + 1))
        header = 8
    line[KEY] = key | protocol << PROTOCOL_SHIFT
    return _write_lengths(begin - at + header, at, window, line)


@njit(**KERNEL)
def _message_ports(protocol, kind, code):
    """Return the key bits of an ICMP message: ports, and the mark of a one-way type."""
    counterpart = np.int64(COUNTERPARTS[1 if protocol == ICMP6 else 0, kind])
    if counterpart < 0:
        return kind | code << DESTINATION_PORT_SHIFT | 1 << MARK_SHIFT
    return kind | counterpart << DESTINATION_PORT_SHIFT


@njit(**KERNEL)
def _write_lengths(headers, at, window, line):
    """Write the record's lengths; `headers` are the bytes of IP and transport headers."""
    if headers > IP_HEADERS_MAX:
        return LENGTH
    end = line[PACKET_END]
    payload = max(0, end - at - headers)
    begin = end - payload
    captured = min(max(0, min(end, line[CAPTURED_END]) - begin), CAPTURED_MASK)
    line[PAYLOAD_AT] = begin
    header = begin - at
    signed_window = (window ^ 0x8000) - 0x8000
    line[LENGTHS] = (
        payload
        | header << HEADER_SHIFT
        | captured << CAPTURED_SHIFT
        | signed_window << WINDOW_SHIFT
    )
    return ACCEPTED
