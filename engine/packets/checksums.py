"""Whether a packet has a wrong checksum (packet.checksums = verify).

Looked at are the IPv4 header, and TCP, UDP, ICMP and ICMPv6 where they follow the IP header at
once, are no fragment and are captured to the packet's end (SEMANTICS.rst, "Settings").
"""

from numba import njit

from engine.memory.options import KERNEL
from engine.memory.pointers import load_u8, load_u16_be
from engine.packets.ip import ICMP, ICMP6, TCP, UDP
from engine.packets.lines import (
    CAPTURED_END,
    FRAGMENT,
    HEADER_AT,
    KEY,
    NO_FRAGMENT,
    PACKET_END,
    PROTOCOL,
    TRANSPORT_AT,
    VERSION6_SHIFT,
)

_RIGHT = 0xFFFF  # RFC 1071: the sum over all, the checksum included.
_UDP_BYTES, _ICMP_BYTES_MIN = 8, 4


@njit(**KERNEL)
def has_wrong_checksum(frame, line):
    """Return whether a checksum of the packet in `line`, which is accepted so far, is wrong."""
    at, begin, end = line[HEADER_AT], line[TRANSPORT_AT], line[PACKET_END]
    version6 = line[KEY] >> VERSION6_SHIFT & 1
    header = 40
    if not version6:
        header = (load_u8(frame, at) & 15) * 4
        if at + header > line[CAPTURED_END]:
            return False
        if _folded(_sum_words(frame, at, at + header)) != _RIGHT:
            return True
    if line[FRAGMENT] != NO_FRAGMENT or end > line[CAPTURED_END] or begin != at + header:
        return False
    protocol = line[PROTOCOL]
    if protocol == UDP:
        end = _end_of_datagram(frame, begin, end)
    elif protocol != TCP and protocol != (ICMP6 if version6 else ICMP):
        return False
    if end < begin + _ICMP_BYTES_MIN:
        return False
    total = _sum_words(frame, begin, end)
    if protocol != ICMP:
        addresses = at + 8 if version6 else at + 12
        total += _sum_words(frame, addresses, addresses + (32 if version6 else 8))
        total += protocol + (end - begin)
    return _folded(total) != _RIGHT


@njit(**KERNEL)
def _end_of_datagram(frame, begin, end):
    """Return the end that a UDP header gives; its beginning if it has no checksum, or no end."""
    if end < begin + _UDP_BYTES or load_u16_be(frame, begin + 6) == 0:
        return begin
    size = load_u16_be(frame, begin + 4)
    if size < _UDP_BYTES or begin + size > end:
        return begin
    return begin + size


@njit(**KERNEL)
def _sum_words(frame, begin, end):
    """Return the sum of the 16-bit words from `begin` to `end`; an odd last byte is an upper one.

    Ends: a packet has at most 2**20 bytes.
    """
    total = 0
    at = begin
    while at + 2 <= end:
        total += load_u16_be(frame, at)
        at += 2
    if at < end:
        total += load_u8(frame, at) << 8
    return total


@njit(**KERNEL)
def _folded(total):
    """Return a sum with its carries added, in 16 bits."""
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total
