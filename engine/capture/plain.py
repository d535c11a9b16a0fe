"""Send runs of ordinary packets: the loop that nearly every packet of a large capture goes through.

It takes a packet only if everything about it is ordinary: a record of a little-endian pcap file,
mapped, whole, of an Ethernet link, not older than the one before, of a source whose clock was never
corrected, without a filter, that packets/plain.py parses, and with a free slot. It stops before the
first that is not, which read.py then sends the long way round, with the same result.

Words of the source and of the ring are kept in variables, and written back at the end.
"""

from numba import njit

from engine.capture.publish import (
    RING_HEADER_WORDS,
    SLOT_SHIFT,
    SLOT_WORDS,
    has_room,
    next_slot,
    publish_ring,
    written_one,
)
from engine.capture.send import PUBLISHED, READ, READ_BYTES
from engine.capture.state import (
    ARENA_POSITION,
    BASE,
    BATCH,
    BUDGET,
    BYTES,
    CAPTURED_MAX,
    COPIED,
    COUNTERS,
    CURSOR,
    END,
    FILTERED,
    FRACTION,
    HAS_LATEST,
    HAS_NEWEST,
    HEADER_BYTES,
    KIND,
    LAST_STAMP,
    LAST_STAMP_BAD,
    LATEST,
    LATEST_STAMP,
    LENGTHS_ORDER,
    LENGTHS_PLAIN,
    LINES_AT,
    LINK_WORDS,
    LINKS,
    NEWEST_REFERENCE,
    NEWEST_TIME,
    NUMBER,
    PACKETS,
    PACKETS_LEFT,
    PCAP,
    REFERENCE_SHIFT,
    RING_CAPACITY,
    RING_HEADER,
    RING_PLACES,
    RING_SLOTS,
    RING_WORDS,
    ROW_PACKETS,
    ROW_TYPE,
    SENT,
    SWAPPED,
    WORKERS,
    WRITTEN,
)
from engine.config import SECOND_NS
from engine.events import COUNTERS_MAX
from engine.memory.addresses import words_at
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import bytes_at, load_u32, prefetch, shifted
from engine.packets.key import shard_of
from engine.packets.layers import DECAPSULATE, OUTER, SECRET_WORDS, SECRETS
from engine.packets.lines import REFERENCE, TIME
from engine.packets.link import ETHERNET
from engine.packets.plain import IP_AT, parse_plain
from engine.rings import spsc

RECORD_BYTES = 16  # Header of a pcap record.
_AHEAD_BYTES = 1024  # Measured: 512 to 2,048 are alike, 256 is slower.
_LINE_BYTES = 64


@njit(**KERNEL)
def send_plain(reader, source, rings, bound):
    """Send ordinary packets with a time below `bound` until one is not ordinary."""
    if source[KIND] != PCAP or source[SWAPPED] or source[HEADER_BYTES] != RECORD_BYTES:
        return
    if source[LENGTHS_ORDER] != LENGTHS_PLAIN or source[COPIED] or source[HAS_LATEST] == 0:
        return
    if source[LATEST] != source[LATEST_STAMP] or reader[FILTERED] or reader[SENT]:
        return
    link = words_at(source[LINKS], LINK_WORDS)
    if link[ROW_TYPE] != ETHERNET:
        return
    begin, packets = source[CURSOR], source[PACKETS]
    if reader[WORKERS] == 1:
        _send_to_one(reader, source, rings, bound)
    else:
        _send_to_many(reader, source, rings, bound)
    count = source[PACKETS] - packets
    if count == 0:
        return
    captured = source[CURSOR] - begin - count * RECORD_BYTES
    link[ROW_PACKETS] += count
    source[BYTES] += captured
    source[LATEST_STAMP] = source[LATEST]
    source[LAST_STAMP] = source[LATEST]
    source[LAST_STAMP_BAD] = 0
    counters = words_at(reader[COUNTERS], COUNTERS_MAX)
    counters[READ] += count
    counters[READ_BYTES] += captured
    counters[PUBLISHED] += count
    reader[PACKETS_LEFT] -= count
    reader[BUDGET] -= count
    reader[NEWEST_TIME] = source[LATEST]
    reader[NEWEST_REFERENCE] = (source[NUMBER] << REFERENCE_SHIFT) + source[CURSOR]
    reader[HAS_NEWEST] = 1


@njit(**KERNEL)
def _send_to_one(reader, source, ring, bound):
    """Send ordinary packets to the only worker; move cursor, latest time and packet count."""
    end = source[END]
    options = source[FRACTION], reader[DECAPSULATE] == OUTER
    content = bytes_at(source[BASE], end)
    header = words_at(ring[RING_HEADER], RING_HEADER_WORDS)
    slots = words_at(ring[RING_SLOTS], ring[RING_CAPACITY] * SLOT_WORDS)
    reference = (source[NUMBER] << REFERENCE_SHIFT) + RECORD_BYTES + IP_AT
    mask = ring[RING_CAPACITY] - 1
    at, latest = source[CURSOR], source[LATEST]
    ahead = at
    left = min(reader[BUDGET], reader[PACKETS_LEFT])
    ordinary = True
    while ordinary and left > 0 and has_room(ring):
        written = ring[WRITTEN]
        # Plain: both words are capture's own.
        free = header[spsc.HEAD_SEEN] + ring[RING_CAPACITY]
        stop = min(written + left, min(free, header[spsc.TAIL] + reader[BATCH]))
        while written < stop:
            while ahead < at + _AHEAD_BYTES:
                prefetch(content, ahead)
                ahead += _LINE_BYTES
            slot = shifted(slots, (written & mask) << SLOT_SHIFT)
            size = _take_record(content, at, end, options, slot)
            time = slot[TIME]
            if size == 0 or time < latest or time >= bound:
                ordinary = False
                break
            slot[REFERENCE] = reference + at
            written += 1
            latest = time
            at += size
        taken = written - ring[WRITTEN]
        left -= taken
        source[PACKETS] += taken
        _finish_chunk(reader, ring, written)
    source[CURSOR] = at
    source[LATEST] = latest


@njit(**HOT)
def _take_record(content, at, end, options, record):
    """Write time and packet of the record at `at`; return its size with header, or 0.

    `options`: what a unit of the fraction is worth in ns, and whether UDP is taken.
    """
    if at + RECORD_BYTES > end:
        return 0
    fraction, udp = options
    captured = load_u32(content, at + 8)
    size = RECORD_BYTES + captured
    if captured > CAPTURED_MAX or at + size > end:
        return 0
    record[TIME] = load_u32(content, at) * SECOND_NS + load_u32(content, at + 4) * fraction
    wire = max(load_u32(content, at + 12), captured)
    frame = shifted(content, at + RECORD_BYTES)
    return size if parse_plain(frame, captured, wire, udp, record) else 0


@njit(**KERNEL)
def _finish_chunk(reader, ring, written):
    """Count the records up to sequence `written` as written; publish a full batch."""
    if ring[RING_PLACES]:
        places = words_at(ring[RING_PLACES], ring[RING_CAPACITY])
        for sequence in range(ring[WRITTEN], written):
            places[sequence & (ring[RING_CAPACITY] - 1)] = reader[ARENA_POSITION]
    ring[WRITTEN] = written
    header = words_at(ring[RING_HEADER], RING_HEADER_WORDS)
    if written - header[spsc.TAIL] >= reader[BATCH]:  # Plain: capture's own tail.
        publish_ring(ring)


@njit(**KERNEL)
def _send_to_many(reader, source, rings, bound):
    """Do what _send_to_one does, choosing the worker of each packet by its key."""
    end = source[END]
    options = source[FRACTION], reader[DECAPSULATE] == OUTER
    content = bytes_at(source[BASE], end)
    record = shifted(reader, LINES_AT)
    secrets = words_at(reader[SECRET_WORDS], SECRETS)
    workers = reader[WORKERS]
    reference = (source[NUMBER] << REFERENCE_SHIFT) + RECORD_BYTES + IP_AT
    at, latest = source[CURSOR], source[LATEST]
    ahead = at
    taken = 0
    left = min(reader[BUDGET], reader[PACKETS_LEFT])
    while taken < left:
        while ahead < at + _AHEAD_BYTES:
            prefetch(content, ahead)
            ahead += _LINE_BYTES
        size = _take_record(content, at, end, options, record)
        time = record[TIME]
        if size == 0 or time < latest or time >= bound:
            break
        record[REFERENCE] = reference + at
        ring = shifted(rings, shard_of(record, 0, secrets, workers) * RING_WORDS)
        if not has_room(ring):
            break
        slot = next_slot(ring)
        for word in range(SLOT_WORDS):
            slot[word] = record[word]
        written_one(reader, ring, reader[ARENA_POSITION])
        taken += 1
        latest = time
        at += size
    source[PACKETS] += taken
    source[CURSOR] = at
    source[LATEST] = latest
