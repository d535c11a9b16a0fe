"""Find the next packet of a pcapng file (SEMANTICS.rst, "Capture files"; draft-ietf-opsawg-pcapng).

Sections and interfaces are read on the way: they change the source's words and move its cursor. A
packet block only sets the words of the packet found.
"""

import numpy as np
from numba import njit

from engine.capture.pcap import beyond
from engine.capture.state import (
    BASE,
    BLOCK_BYTES_MAX,
    BLOCK_CONTENT,
    BLOCK_LENGTH,
    BLOCK_TRAILER,
    CAPTURED,
    CAPTURED_MAX,
    CURSOR,
    DAMAGE,
    DAMAGED,
    END,
    ENDED,
    FINAL,
    FOUND,
    FRAME,
    INTERFACE_COUNT,
    INTERFACE_DAMAGE,
    INTERFACE_WORDS,
    INTERFACES,
    INTERFACES_MAX,
    LAST_STAMP,
    LAST_STAMP_BAD,
    LINK,
    LINK_AT,
    LINK_COUNT,
    LINK_TYPE,
    LINK_WORDS,
    LINKS,
    LINKS_MAX,
    NEXT,
    NO_CAPTURE,
    OFFSET_S,
    OTHER_LINKS,
    PACKET_LINK,
    RECORD_LENGTH,
    RESOLUTION,
    ROW_PACKETS,
    ROW_PROGRAM,
    ROW_PROGRAM_SIZE,
    ROW_TYPE,
    ROW_UNSUPPORTED,
    SNAP_BYTES,
    STAMP,
    STAMP_BAD,
    SWAPPED,
    VERSION,
    WIRE,
)
from engine.capture.ticks import set_stamp
from engine.memory.addresses import words_at
from engine.memory.options import KERNEL
from engine.memory.pointers import (
    bytes_at,
    load_u16,
    load_u32,
    load_u32_be,
    load_u64,
    swap_u16,
    swap_u32,
    swap_u64,
)

SECTION, INTERFACE, OBSOLETE, SIMPLE, ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_OPTION_END, _OPTION_RESOLUTION, _OPTION_OFFSET = 0, 9, 14
_MICROSECONDS = 6  # if_tsresol, when it is not given.
_GO_ON = -1


@njit(**KERNEL)
def find_packet_block(source):
    """Find the next packet: FOUND, NEED_BYTES, ENDED or DAMAGED. Ends: each block moves on."""
    while True:
        size = _check_block(source)
        if size <= 0:
            return -size
        block = bytes_at(source[BASE] + source[CURSOR], size)
        status = _take_block(source, block, size)
        if status != _GO_ON:
            return status
        source[CURSOR] += size


@njit(**KERNEL)
def _u16(source, block, at):
    value = load_u16(block, at)
    return swap_u16(value) if source[SWAPPED] else value


@njit(**KERNEL)
def _u32(source, block, at):
    value = load_u32(block, at)
    return swap_u32(value) if source[SWAPPED] else value


@njit(**KERNEL)
def _damage(source, reason):
    source[DAMAGE] = reason
    return DAMAGED


@njit(**KERNEL)
def _smallest(kind):
    """Return the smallest total length of a block of this type."""
    if kind == SECTION:
        return 28
    if kind == INTERFACE:
        return 20
    if kind == SIMPLE:
        return 16
    return 32 if kind == ENHANCED or kind == OBSOLETE else 12


@njit(**KERNEL)
def _check_block(source):
    """Return the total length of the whole block at the cursor, or minus a status."""
    at, end = source[CURSOR], source[END]
    if at == end and source[FINAL]:
        return -ENDED
    if at + 8 > end:
        return -beyond(source, at + 12 if not source[FINAL] else at + 8)
    block = bytes_at(source[BASE] + at, min(end - at, 12))
    kind = _u32(source, block, 0)
    if load_u32(block, 0) == SECTION:
        if at + 12 > end:
            return -beyond(source, at + 12)
        kind = SECTION
        if load_u32(block, 8) == _BYTE_ORDER_MAGIC:
            source[SWAPPED] = 0
        elif load_u32_be(block, 8) == _BYTE_ORDER_MAGIC:
            source[SWAPPED] = 1
        else:
            return -_damage(source, NO_CAPTURE if at == 0 else BLOCK_CONTENT)
    size = _u32(source, block, 4)
    if size < _smallest(kind) or size > BLOCK_BYTES_MAX or size & 3:
        return -_damage(source, BLOCK_LENGTH)
    if at + size > end:
        return -beyond(source, at + size)
    if _u32(source, bytes_at(source[BASE] + at, size), size - 4) != size:
        return -_damage(source, BLOCK_TRAILER)
    return size


@njit(**KERNEL)
def _take_block(source, block, size):
    """Read a whole block: FOUND for a packet, DAMAGED, or _GO_ON."""
    kind = _u32(source, block, 0)
    if kind == ENHANCED:
        return _take_packet(source, block, size, _u32(source, block, 8))
    if kind == OBSOLETE:
        return _take_packet(source, block, size, _u16(source, block, 8))
    if kind == SIMPLE:
        return _take_simple(source, block, size)
    if kind == INTERFACE:
        return _take_interface(source, block, size)
    if kind == SECTION:
        major, minor = _u16(source, block, 12), _u16(source, block, 14)
        if major != 1 or (minor != 0 and minor != 2):
            return _damage(source, VERSION)
        source[INTERFACE_COUNT] = 0
    return np.int64(_GO_ON)


@njit(**KERNEL)
def _take_packet(source, block, size, number):
    """Find an enhanced or obsolete packet block of interface `number`."""
    if number >= source[INTERFACE_COUNT]:
        return _damage(source, INTERFACE_DAMAGE)
    interface = words_at(source[INTERFACES] + number * INTERFACE_WORDS * 8, INTERFACE_WORDS)
    captured = _u32(source, block, 20)
    status = _set_packet(source, interface, 28, captured, _u32(source, block, 24))
    if status != FOUND or captured > size - 32:
        return status if status != FOUND else _damage(source, BLOCK_CONTENT)
    source[NEXT] = source[CURSOR] + size
    set_stamp(source, interface, _u32(source, block, 12), _u32(source, block, 16))
    return FOUND


@njit(**KERNEL)
def _take_simple(source, block, size):
    """Find a simple packet block: it has the stamp of the packet before it."""
    if source[INTERFACE_COUNT] == 0:
        return _damage(source, INTERFACE_DAMAGE)
    interface = words_at(source[INTERFACES], INTERFACE_WORDS)
    original = _u32(source, block, 8)
    captured = original
    if interface[SNAP_BYTES] != 0:
        captured = min(original, interface[SNAP_BYTES])
    status = _set_packet(source, interface, 12, captured, original)
    if status != FOUND or captured > size - 16:
        return status if status != FOUND else _damage(source, BLOCK_CONTENT)
    source[NEXT] = source[CURSOR] + size
    source[STAMP] = source[LAST_STAMP]
    source[STAMP_BAD] = source[LAST_STAMP_BAD]
    return FOUND


@njit(**KERNEL)
def _set_packet(source, interface, header, captured, original):
    """Set where the packet found is; FOUND or DAMAGED."""
    if captured > CAPTURED_MAX:
        return _damage(source, RECORD_LENGTH)
    source[FRAME] = source[CURSOR] + header
    source[CAPTURED] = captured
    source[WIRE] = max(original, captured)
    source[LINK] = interface[LINK_AT]
    source[PACKET_LINK] = interface[LINK_TYPE]
    return FOUND


@njit(**KERNEL)
def _take_interface(source, block, size):
    """Add an interface to the section: _GO_ON or DAMAGED."""
    count = source[INTERFACE_COUNT]
    resolution = _MICROSECONDS
    offset = 0
    at, end = 16, size - 4
    while at < end:
        if at + 4 > end:
            return _damage(source, BLOCK_CONTENT)
        code, length = _u16(source, block, at), _u16(source, block, at + 2)
        if code == _OPTION_END:
            break
        at += 4
        wrong = (code == _OPTION_RESOLUTION and length != 1) or (
            code == _OPTION_OFFSET and length != 8
        )
        if wrong or at + ((length + 3) & ~3) > end:
            return _damage(source, BLOCK_CONTENT)
        if code == _OPTION_RESOLUTION:
            resolution = np.int64(block[at])
        elif code == _OPTION_OFFSET:
            offset = load_u64(block, at)
            if source[SWAPPED]:
                offset = swap_u64(offset)
        at += (length + 3) & ~3
    if count == INTERFACES_MAX:
        return _damage(source, INTERFACE_DAMAGE)
    interface = words_at(source[INTERFACES] + count * INTERFACE_WORDS * 8, INTERFACE_WORDS)
    interface[LINK_TYPE] = _u16(source, block, 8)
    interface[SNAP_BYTES] = _u32(source, block, 12)
    interface[RESOLUTION] = resolution
    interface[OFFSET_S] = offset
    interface[LINK_AT] = link_row(source, interface[LINK_TYPE])
    source[INTERFACE_COUNT] = count + 1
    return np.int64(_GO_ON)


@njit(**KERNEL)
def link_row(source, link_type):
    """Return the row of a link type in the source's links, a new one if it is new."""
    links = words_at(source[LINKS], LINKS_MAX * LINK_WORDS)
    count = source[LINK_COUNT]
    for row in range(count):
        if links[row * LINK_WORDS + ROW_TYPE] == link_type:
            return np.int64(row)
    if count == LINKS_MAX:
        return np.int64(LINKS_MAX - 1)
    at = count * LINK_WORDS
    links[at + ROW_TYPE] = link_type if count < LINKS_MAX - 1 else OTHER_LINKS
    links[at + ROW_PACKETS] = 0
    links[at + ROW_UNSUPPORTED] = 0
    links[at + ROW_PROGRAM] = 0
    links[at + ROW_PROGRAM_SIZE] = 0
    source[LINK_COUNT] = count + 1
    return np.int64(count)
