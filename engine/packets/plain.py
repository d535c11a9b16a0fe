"""Parse what nearly every frame is: Ethernet, IPv4 without options, no fragment, TCP or UDP.

A shortcut of layers.parse_frame: it takes a frame only if that would accept it, and then writes the
same words (tests/unit/packets compares them). Everything else it leaves alone; UDP, which may be a
tunnel, unless `udp` is 1.
"""

from numba import njit

from engine.memory.options import HOT
from engine.memory.pointers import load_u8, load_u16, load_u16_be, load_u32_be, load_u64, swap_u16
from engine.packets.ip import TCP, UDP
from engine.packets.lines import (
    CAPTURED_SHIFT,
    DESTINATION_HIGH,
    DESTINATION_LOW,
    DESTINATION_PORT_SHIFT,
    FLAGS_SHIFT,
    HEADER_SHIFT,
    KEY,
    LENGTHS,
    PORT_MASK,
    PROTOCOL_SHIFT,
    SOURCE_HIGH,
    SOURCE_LOW,
    WINDOW_SHIFT,
)

IP_AT = 14  # Behind the Ethernet header.
_TRANSPORT_AT = IP_AT + 20
_UDP_FRAME_BYTES = _TRANSPORT_AT + 8
_TCP_FRAME_BYTES = _TRANSPORT_AT + 20
_TYPE_IPV4 = 0x0008  # Ethertype 0x0800 as a little-endian load reads it.
_VERSION_HEADER = 0x45
_PIECES_SHIFT, _PIECES = 48, 0xFF3F  # Offset and more-fragments bit, likewise.


@njit(**HOT)
def parse_plain(frame, captured, wire, udp, record):
    """Write all but time and reference of a frame's record and return 1, or return 0."""
    if captured < _UDP_FRAME_BYTES or load_u16(frame, 12) != _TYPE_IPV4:
        return 0
    words = load_u64(frame, IP_AT)
    length = swap_u16(words >> 16)
    if words & 0xFF != _VERSION_HEADER or words >> _PIECES_SHIFT & _PIECES or IP_AT + length > wire:
        return 0
    protocol = load_u8(frame, IP_AT + 9)
    if protocol == TCP:
        header = 20 + (load_u8(frame, _TRANSPORT_AT + 12) >> 4 << 2)
        if captured < _TCP_FRAME_BYTES or header < 40 or header > length:
            return 0
        flags = load_u8(frame, _TRANSPORT_AT + 13)
        window = load_u16_be(frame, _TRANSPORT_AT + 14)
    elif protocol == UDP and udp:
        header = 28
        if length < header:
            return 0
        flags = 0
        window = 0
    else:
        return 0
    kept = max(0, min(IP_AT + length, captured) - IP_AT - header)
    ports = load_u32_be(frame, _TRANSPORT_AT)
    record[SOURCE_HIGH] = 0
    record[SOURCE_LOW] = load_u32_be(frame, IP_AT + 12)
    record[DESTINATION_HIGH] = 0
    record[DESTINATION_LOW] = load_u32_be(frame, IP_AT + 16)
    signed_window = (window ^ 0x8000) - 0x8000
    record[LENGTHS] = (
        length - header
        | header << HEADER_SHIFT
        | kept << CAPTURED_SHIFT
        | signed_window << WINDOW_SHIFT
    )
    signed_flags = (flags ^ 0x80) - 0x80
    record[KEY] = (
        ports >> 16
        | (ports & PORT_MASK) << DESTINATION_PORT_SHIFT
        | protocol << PROTOCOL_SHIFT
        | signed_flags << FLAGS_SHIFT
    )
    return 1
