"""Send runs of ordinary packets: the loop that nearly every packet of a large capture goes through.

It takes a packet only if everything about it is ordinary: a record of a little-endian pcap file, or
an enhanced packet block of a little-endian pcapng file with stamps in us or ns, mapped, whole, of
an Ethernet link, not older than the one before, of a source whose clock was never corrected,
without a filter or settings that change what counts, that packets/plain.py parses, and with a free
slot. It stops before the first that is not, which read.py then sends the long way round, with the
same result.

Words of the source and of the ring are kept in variables, and written back at the end.
"""

import numpy as np
from numba import njit

from engine.capture.pcapng import ENHANCED
from engine.capture.publish import (
    RING_HEADER_WORDS,
    SLOT_SHIFT,
    SLOT_WORDS,
    has_room,
    next_slot,
    publish_batch,
    written_one,
)
from engine.capture.send import PUBLISHED, READ, READ_BYTES
from engine.capture.state import (
    ARENA_POSITION,
    BASE,
    BATCH,
    BLOCK_BYTES_MAX,
    BUDGET,
    BYTES,
    CAPTURED_MAX,
    CATCHING_UP,
    COPIED,
    COUNTERS,
    CURSOR,
    END,
    FILTERED,
    FRACTION,
    HAS_LATEST,
    HAS_NEWEST,
    HEADER_BYTES,
    INTERFACE_COUNT,
    INTERFACE_WORDS,
    INTERFACES,
    KIND,
    LAST_STAMP,
    LAST_STAMP_BAD,
    LATEST,
    LATEST_STAMP,
    LENGTHS_ORDER,
    LENGTHS_PLAIN,
    LINES_AT,
    LINK,
    LINK_AT,
    LINK_TYPE,
    LINK_WORDS,
    LINKS,
    NEWEST_REFERENCE,
    NEWEST_TIME,
    NUMBER,
    OFFSET_S,
    PACKETS,
    PACKETS_LEFT,
    PCAP,
    PCAPNG,
    REFERENCE_SHIFT,
    RESOLUTION,
    RING_CAPACITY,
    RING_HEADER,
    RING_PLACES,
    RING_SLOTS,
    RING_WORDS,
    ROW_PACKETS,
    ROW_TYPE,
    SENT,
    SWAPPED,
    UNKNOWN,
    WORKERS,
    WRITTEN,
)
from engine.config import SECOND_NS
from engine.events import COUNTERS_MAX
from engine.memory.addresses import words_at
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import bytes_at, load_u32, prefetch, shifted
from engine.packets.key import shard_of
from engine.packets.layers import DECAPSULATE, DEMANDS, METERING, OUTER, SECRET_WORDS, SECRETS
from engine.packets.lines import REFERENCE, TIME
from engine.packets.link import ETHERNET
from engine.packets.plain import IP_AT, parse_plain
from engine.rings import spsc

RECORD_BYTES = 16  # Header of a pcap record.
_BLOCK_HEADER_BYTES, _BLOCK_BYTES_MIN = 28, 32
_NANOSECONDS, _MICROSECONDS = 9, 6  # if_tsresol.
# Upper halves of ticks below these give stamps that every clock can take (clock.TIME_NS_MAX).
_UPPER_NS_MAX, _UPPER_US_MAX = 0x7000_0000, 1 << 20
# How far ahead lines are asked for. Measured: 512 to 2,048 bytes are alike, 256 is slower. Of large
# records only the first two lines are needed, and where they are is known as long as records are
# alike: then 3 to 8 records ahead are alike (big flows: 48 to 17 ns a packet).
_AHEAD_BYTES = 1024
_LINE_BYTES = 64
_AHEAD_RECORDS = 6
_LARGE_BYTES = 256
_ALIKE_MIN = 4


@njit(**KERNEL)
def send_plain(reader, source, rings, bound):
    """Send ordinary packets with a time below `bound` until one is not ordinary."""
    if source[SWAPPED] or source[COPIED] or source[HAS_LATEST] == 0 or source[KIND] == UNKNOWN:
        return
    if source[LATEST] != source[LATEST_STAMP] or reader[FILTERED] or reader[SENT]:
        return
    if reader[METERING] or reader[DEMANDS] or reader[CATCHING_UP]:
        return
    scale = _pcap_scale(source) if source[KIND] == PCAP else _pcapng_scale(source)
    if scale == 0:
        return
    packets, captured = source[PACKETS], source[BYTES]
    if reader[WORKERS] == 1:
        _send_to_one(reader, source, rings, bound, scale)
    else:
        _send_to_many(reader, source, rings, bound, scale)
    count = source[PACKETS] - packets
    if count == 0:
        return
    link = words_at(source[LINKS] + source[LINK] * LINK_WORDS * 8, LINK_WORDS)
    link[ROW_PACKETS] += count
    source[LATEST_STAMP] = source[LATEST]
    source[LAST_STAMP] = source[LATEST]
    source[LAST_STAMP_BAD] = 0
    counters = words_at(reader[COUNTERS], COUNTERS_MAX)
    counters[READ] += count
    counters[READ_BYTES] += source[BYTES] - captured
    counters[PUBLISHED] += count
    reader[PACKETS_LEFT] -= count
    reader[BUDGET] -= count
    reader[NEWEST_TIME] = source[LATEST]
    reader[NEWEST_REFERENCE] = (source[NUMBER] << REFERENCE_SHIFT) + source[CURSOR]
    reader[HAS_NEWEST] = 1


@njit(**KERNEL)
def _pcap_scale(source):
    """Return the ns of a unit of the fraction of ordinary pcap records, 0 for others."""
    ordinary = source[HEADER_BYTES] == RECORD_BYTES and source[LENGTHS_ORDER] == LENGTHS_PLAIN
    if not ordinary or words_at(source[LINKS], LINK_WORDS)[ROW_TYPE] != ETHERNET:
        return 0
    source[LINK] = 0
    return source[FRACTION]


@njit(**KERNEL)
def _pcapng_scale(source):
    """Return the ns of a tick of the interface of the block at the cursor, 0 if not ordinary."""
    at = source[CURSOR]
    if at + _BLOCK_BYTES_MIN > source[END]:
        return 0
    block = bytes_at(source[BASE] + at, _BLOCK_BYTES_MIN)
    number = load_u32(block, 8)
    if load_u32(block, 0) != ENHANCED or number >= source[INTERFACE_COUNT]:
        return 0
    interface = words_at(source[INTERFACES] + number * INTERFACE_WORDS * 8, INTERFACE_WORDS)
    if interface[LINK_TYPE] != ETHERNET or interface[OFFSET_S] != 0:
        return 0
    source[LINK] = interface[LINK_AT]
    if interface[RESOLUTION] == _MICROSECONDS:
        return 1000
    return 1 if interface[RESOLUTION] == _NANOSECONDS else 0


@njit(**KERNEL)
def _send_to_one(reader, source, ring, bound, scale):
    """Send ordinary packets to the only worker; move cursor, latest time and counts."""
    content = bytes_at(source[BASE], source[END])
    header = words_at(ring[RING_HEADER], RING_HEADER_WORDS)
    slots = words_at(ring[RING_SLOTS], ring[RING_CAPACITY] * SLOT_WORDS)
    mask = ring[RING_CAPACITY] - 1
    options = _options(reader, source, scale)
    at, latest, captured = source[CURSOR], source[LATEST], source[BYTES]
    ahead, size, alike = at, np.int64(0), np.int64(0)
    left = min(reader[BUDGET], reader[PACKETS_LEFT])
    ordinary = True
    while ordinary and left > 0 and has_room(ring):
        written = ring[WRITTEN]
        free = header[spsc.HEAD_SEEN] + ring[RING_CAPACITY]  # Plain: capture's own word.
        due = header[spsc.TAIL] + reader[BATCH]  # Plain: capture's own tail.
        stop = min(written + left, min(free, due))
        while written < stop:
            ahead = _ask(content, at, ahead, size, alike)
            slot = shifted(slots, (written & mask) << SLOT_SHIFT)
            before = size
            size = _take(content, at, source[END], options, slot)
            if size == 0 or slot[TIME] < latest or slot[TIME] >= bound:
                ordinary = False
                break
            alike = alike + 1 if size == before else 0
            latest = slot[TIME]
            captured += slot[REFERENCE]
            slot[REFERENCE] = options[3] + at
            written += 1
            at += size
        taken = written - ring[WRITTEN]
        left -= taken
        source[PACKETS] += taken
        _finish_chunk(reader, ring, written)
    source[CURSOR], source[LATEST], source[BYTES] = at, latest, captured


@njit(**HOT)
def _options(reader, source, scale):
    """Return what does not change from packet to packet.

    The scale of stamps; whether UDP is taken; the interface, -1 for pcap; the frame reference of
    the IP header of a record at offset 0.
    """
    reference = (source[NUMBER] << REFERENCE_SHIFT) + IP_AT
    interface = np.int64(-1)
    if source[KIND] == PCAPNG:
        interface = load_u32(bytes_at(source[BASE] + source[CURSOR], _BLOCK_BYTES_MIN), 8)
        reference += _BLOCK_HEADER_BYTES
    else:
        reference += RECORD_BYTES
    return scale, np.int64(reader[DECAPSULATE] == OUTER), interface, reference


@njit(**HOT)
def _ask(content, at, ahead, size, alike):
    """Prefetch what the next records need; return how far the lines have been asked for."""
    if size >= _LARGE_BYTES and alike >= _ALIKE_MIN:
        prefetch(content, at + _AHEAD_RECORDS * size)
        prefetch(content, at + _AHEAD_RECORDS * size + _LINE_BYTES)
        return max(ahead, at)
    while ahead < at + _AHEAD_BYTES:
        prefetch(content, ahead)
        ahead += _LINE_BYTES
    return ahead


@njit(**HOT)
def _take(content, at, end, options, record):
    """Write time and packet of the record at `at`; return its size, or 0 if it is not ordinary.

    Its captured length stands in the word of the reference then.
    """
    if options[2] < 0:
        return _take_record(content, at, end, options, record)
    return _take_block(content, at, end, options, record)


@njit(**HOT)
def _take_record(content, at, end, options, record):
    """Do what _take does, for pcap."""
    if at + RECORD_BYTES > end:
        return 0
    captured = load_u32(content, at + 8)
    size = RECORD_BYTES + captured
    if captured > CAPTURED_MAX or at + size > end:
        return 0
    record[TIME] = load_u32(content, at) * SECOND_NS + load_u32(content, at + 4) * options[0]
    wire = max(load_u32(content, at + 12), captured)
    frame = shifted(content, at + RECORD_BYTES)
    record[REFERENCE] = captured
    return size if parse_plain(frame, captured, wire, options[1], record) else 0


@njit(**HOT)
def _take_block(content, at, end, options, record):
    """Do what _take does, for pcapng."""
    if at + _BLOCK_BYTES_MIN > end or load_u32(content, at) != ENHANCED:
        return 0
    size = load_u32(content, at + 4)
    if size < _BLOCK_BYTES_MIN or size > BLOCK_BYTES_MAX or size & 3 or at + size > end:
        return 0
    upper, captured = load_u32(content, at + 12), load_u32(content, at + 20)
    if load_u32(content, at + size - 4) != size or load_u32(content, at + 8) != options[2]:
        return 0
    if upper >= (_UPPER_NS_MAX if options[0] == 1 else _UPPER_US_MAX):
        return 0
    if captured > CAPTURED_MAX or captured > size - _BLOCK_BYTES_MIN:
        return 0
    record[TIME] = (upper << 32 | load_u32(content, at + 16)) * options[0]
    wire = max(load_u32(content, at + 24), captured)
    frame = shifted(content, at + _BLOCK_HEADER_BYTES)
    record[REFERENCE] = captured
    return size if parse_plain(frame, captured, wire, options[1], record) else 0


@njit(**KERNEL)
def _finish_chunk(reader, ring, written):
    """Count the records up to sequence `written` as written; publish a full batch."""
    if ring[RING_PLACES]:
        places = words_at(ring[RING_PLACES], ring[RING_CAPACITY])
        for sequence in range(ring[WRITTEN], written):
            places[sequence & (ring[RING_CAPACITY] - 1)] = reader[ARENA_POSITION]
    ring[WRITTEN] = written
    publish_batch(reader, ring)


@njit(**KERNEL)
def _send_to_many(reader, source, rings, bound, scale):
    """Do what _send_to_one does, choosing the worker of each packet by its key."""
    content = bytes_at(source[BASE], source[END])
    record = shifted(reader, LINES_AT)
    secrets = words_at(reader[SECRET_WORDS], SECRETS)
    workers = reader[WORKERS]
    options = _options(reader, source, scale)
    at, latest, captured = source[CURSOR], source[LATEST], source[BYTES]
    ahead, size, alike = at, np.int64(0), np.int64(0)
    taken = 0
    left = min(reader[BUDGET], reader[PACKETS_LEFT])
    while taken < left:
        ahead = _ask(content, at, ahead, size, alike)
        before = size
        size = _take(content, at, source[END], options, record)
        if size == 0 or record[TIME] < latest or record[TIME] >= bound:
            break
        ring = shifted(rings, shard_of(record, 0, secrets, workers) * RING_WORDS)
        if not has_room(ring):
            break
        alike = alike + 1 if size == before else 0
        latest = record[TIME]
        captured += record[REFERENCE]
        record[REFERENCE] = options[3] + at
        slot = next_slot(ring)
        for word in range(SLOT_WORDS):
            slot[word] = record[word]
        written_one(reader, ring, reader[ARENA_POSITION])
        taken += 1
        at += size
    source[PACKETS] += taken
    source[CURSOR], source[LATEST], source[BYTES] = at, latest, captured
