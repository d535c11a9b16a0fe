"""Read sources: the kernels that capture calls, a batch of packets at a time.

Sources stand in a heap by (time of the next packet, source number). The first one is read until its
next packet is behind that of the second: one source alone pays nothing for the merge. A source that
has just been opened has the earliest time there is, so that its first packet is found at once.
"""

import numpy as np
from numba import njit

from engine.capture.clock import judge_stamp
from engine.capture.pcap import FILE_HEADER_BYTES, find_record
from engine.capture.pcapng import find_packet_block
from engine.capture.plain import send_plain
from engine.capture.publish import publish_all, send_end, send_ticks
from engine.capture.send import FATE_AT, pass_packet, send_packet
from engine.capture.state import (
    BEHIND,
    BUDGET,
    COUNTERS,
    DAMAGED,
    END,
    ENDED,
    FINAL,
    FOUND,
    FOUND_SOURCE,
    HEAP_COUNT,
    HOLDS,
    KIND,
    LIMIT,
    NEED_BYTES,
    NEED_HEADER,
    PACKET_TIME,
    PACKETS_LEFT,
    PCAP,
    PCAPNG,
    SOURCE_WORDS,
    SPENT,
    STAMP_BAD,
    WANTED,
)
from engine.config import SOURCES_MAX
from engine.events import COUNTERS_MAX
from engine.memory.addresses import words_at
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer, shifted
from engine.packets.fates import TIME
from engine.packets.fragments import forget_all

HEAP_ENTRY_WORDS = 2  # Time of the next packet, row of the source.
TIME_NONE = -(1 << 63)
TIME_LAST = (1 << 63) - 2  # Above every corrected time.


@njit(**KERNEL)
def _read_source(reader, source, rings, bound_time, wins_tie):
    """Read packets up to the bound (`wins_tie`: at its time too); return why it stopped."""
    while True:
        if reader[PACKETS_LEFT] <= 0:
            return LIMIT
        if reader[BUDGET] <= 0:
            return SPENT
        send_plain(reader, source, rings, bound_time + wins_tie)
        if reader[PACKETS_LEFT] <= 0:
            return LIMIT
        status = find_packet(reader, source)
        if status != FOUND:
            return status
        time = source[PACKET_TIME]
        if time > bound_time or (time == bound_time and wins_tie == 0):
            return BEHIND
        status = send_packet(reader, source, rings)
        if status != FOUND:
            return status


@njit(**KERNEL)
def find_packet(reader, source):
    """Find the next packet that has a time; pass those that have none."""
    while True:
        if source[KIND] == PCAP:
            status = find_record(source)
        elif source[KIND] == PCAPNG:
            status = find_packet_block(source)
        elif source[END] >= FILE_HEADER_BYTES or source[FINAL]:
            return NEED_HEADER
        else:
            source[WANTED] = FILE_HEADER_BYTES
            return NEED_BYTES
        if status != FOUND:
            return status
        if source[STAMP_BAD] == 0 and judge_stamp(source, reader[HOLDS]):
            return FOUND
        if reader[PACKETS_LEFT] <= 0:
            return LIMIT
        words_at(reader[COUNTERS], COUNTERS_MAX)[FATE_AT + TIME] += 1
        pass_packet(reader, source)
        if reader[BUDGET] <= 0:
            return SPENT


@njit(**KERNEL)
def _second(reader, heap):
    """Return (time, row) of the second source in the heap; beyond everything if there is none."""
    count = reader[HEAP_COUNT]
    time, row = np.int64(TIME_LAST), np.int64(SOURCES_MAX)
    for k in range(1, min(count, 3)):
        at = k * HEAP_ENTRY_WORDS
        if heap[at] < time or (heap[at] == time and heap[at + 1] < row):
            time, row = heap[at], heap[at + 1]
    return time, row


@njit(**KERNEL)
def _sink(reader, heap):
    """Move the first entry down to where it belongs."""
    count = reader[HEAP_COUNT]
    time, row = heap[0], heap[1]
    at = 0
    while 2 * at + 1 < count:
        child = 2 * at + 1
        if child + 1 < count and _is_before(heap, child + 1, heap[2 * child], heap[2 * child + 1]):
            child += 1
        if not _is_before(heap, child, time, row):
            break
        heap[2 * at], heap[2 * at + 1] = heap[2 * child], heap[2 * child + 1]
        at = child
    heap[2 * at], heap[2 * at + 1] = time, row


@njit(**KERNEL)
def _is_before(heap, entry, time, row):
    """Return whether a heap entry is before (time, row)."""
    at = entry * HEAP_ENTRY_WORDS
    return heap[at] < time or (heap[at] == time and heap[at + 1] < row)


@njit(**KERNEL)
def _remove_first(reader, heap):
    """Take the first entry out of the heap."""
    count = reader[HEAP_COUNT] - 1
    reader[HEAP_COUNT] = count
    heap[0], heap[1] = heap[2 * count], heap[2 * count + 1]
    if count:
        _sink(reader, heap)


# Entries: compiled when this module is imported, so what they call stands above.


@njit("i8(i8[::1], i8[::1], i8[::1], i8[::1])", **KERNEL)
def read_batch(reader_words, source_words, ring_words, heap_words):
    """Read until the budget is spent or something stops it; publish, tell idle workers; say why.

    SPENT, ENDED, DAMAGED, NEED_BYTES, NEED_HEADER, NEED_FILTER, LIMIT, RING_FULL or ARENA_FULL; the
    reader's `source` is the row concerned, -1 when no source is left. An ENDED or DAMAGED source
    has left the heap.
    """
    reader, sources = pointer(reader_words), pointer(source_words)
    rings, heap = pointer(ring_words), pointer(heap_words)
    reader[FOUND_SOURCE] = -1
    status = ENDED
    while reader[HEAP_COUNT] > 0:
        row = heap[1]
        reader[FOUND_SOURCE] = row
        source = shifted(sources, row * SOURCE_WORDS)
        bound_time, bound_row = _second(reader, heap)
        status = _read_source(reader, source, rings, bound_time, np.int64(row < bound_row))
        if status != BEHIND:
            break
        heap[0] = source[PACKET_TIME]
        _sink(reader, heap)
    if status in (ENDED, DAMAGED) and reader[FOUND_SOURCE] >= 0:
        _remove_first(reader, heap)
    publish_all(reader, rings)
    send_ticks(reader, rings)
    return status


@njit("i8(i8[::1], i8[::1])", **KERNEL)
def find_first(reader_words, source_words):
    """Find the first packet of one source: FOUND, or what read_batch returns but for full rings."""
    return find_packet(pointer(reader_words), pointer(source_words))


@njit("i8(i8[::1], i8[::1], i8, i8, i8)", **KERNEL)
def tell_end(reader_words, ring_words, kind, time, reference):
    """Send END or SOURCE_END to the workers that have room; return how many have it by now."""
    reader, rings = pointer(reader_words), pointer(ring_words)
    told = send_end(reader, rings, kind, time, reference)
    send_ticks(reader, rings)
    return told


@njit("void(i8[::1], i8[::1])", **KERNEL)
def remove_first(reader_words, heap_words):
    """Take the first source out of the heap."""
    _remove_first(pointer(reader_words), pointer(heap_words))


@njit("void(i8[::1])", **KERNEL)
def forget_fragments(cache):
    """Empty the fragment cache."""
    forget_all(pointer(cache))


@njit("void(i8[::1], i8[::1], i8, i8)", **KERNEL)
def add_source(reader_words, heap_words, row, time):
    """Put the source of a row into the heap; `time` of its first packet, TIME_NONE: not known."""
    reader, heap = pointer(reader_words), pointer(heap_words)
    at = reader[HEAP_COUNT]
    reader[HEAP_COUNT] = at + 1
    while at > 0:
        parent = (at - 1) // 2
        if _is_before(heap, parent, time, row):
            break
        heap[2 * at], heap[2 * at + 1] = heap[2 * parent], heap[2 * parent + 1]
        at = parent
    heap[2 * at], heap[2 * at + 1] = time, row
