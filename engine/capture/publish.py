"""Send records to the workers' packet rings; tell idle workers how far capture has come.

What capture owes to the merge behind the workers, which else could wait for ever; why that is
enough stands in rings/README.rst:
  - Before it waits, for a ring or for the arena, it publishes all it holds (`publish_all`), and it
    sends the newest position as a tick to every worker whose last record lies before it and that
    has room; while it waits it does so again (`send_ticks`).
  - The newest position follows each record that is written, so nothing in a ring lies behind it, in
    the midst of a packet with several layers too. A step is sent before its packet, at a position
    just before its frame.

A `ring` is a row of state.RING_ROW, `rings` all of them. Only capture writes slots, so it reads the
last record of a ring back from there.
"""

import numpy as np
from numba import njit

from engine.capture.resume import had_end
from engine.capture.state import (
    ARENA_BYTES,
    ARENA_FREE,
    ARENA_POSITION,
    BATCH,
    COUNTERS,
    HAS_NEWEST,
    NEWEST_REFERENCE,
    NEWEST_TIME,
    REFERENCE_SHIFT,
    RING_CAPACITY,
    RING_HEADER,
    RING_PLACES,
    RING_SLOTS,
    RING_WORDS,
    SENT,
    SEPARATE,
    STOPPED,
    WORKERS,
    WRITTEN,
)
from engine.events import COUNTERS_MAX, counter_index
from engine.layouts import PACKET, RING, TICK
from engine.memory.addresses import words_at
from engine.memory.atomics import load_acquire, store_relaxed
from engine.memory.options import KERNEL
from engine.memory.pointers import shifted
from engine.packets.lines import (
    DESTINATION_LOW,
    KEY,
    LENGTHS,
    PROTOCOL_SHIFT,
    REFERENCE,
    SOURCE_HIGH,
    TIME,
)
from engine.rings import spsc

SLOT_WORDS = PACKET.words
SLOT_SHIFT = 3
assert SLOT_WORDS == 1 << SLOT_SHIFT
RING_HEADER_WORDS = RING.words
_CONTROL_PUBLISHED = RING.index("control_published")
_CONTROL, _READ = counter_index("capture", "control"), counter_index("capture", "read")


@njit(**KERNEL)
def has_room(ring):
    """Return whether a slot is free, looking at the consumer's head only when none seems to be."""
    header = words_at(ring[RING_HEADER], RING_HEADER_WORDS)
    held = ring[WRITTEN] - header[spsc.TAIL]  # Plain: capture is the tail's only writer.
    return spsc.claim(header, held + 1) != spsc.FULL


@njit(**KERNEL)
def next_slot(ring):
    """Return the slot to write next. The caller has asked has_room."""
    at = ring[WRITTEN] & (ring[RING_CAPACITY] - 1)
    return words_at(ring[RING_SLOTS] + (at << SLOT_SHIFT) * 8, SLOT_WORDS)


@njit(**KERNEL)
def publish_ring(ring):
    """Make every record written visible."""
    header = words_at(ring[RING_HEADER], RING_HEADER_WORDS)
    if ring[WRITTEN] != header[spsc.TAIL]:  # Plain: capture is the tail's only writer.
        spsc.publish(header, ring[WRITTEN])


@njit(**KERNEL)
def written_one(reader, ring, place):
    """Count the record in next_slot, whose payload is at `place` of the arena, as written."""
    if ring[RING_PLACES]:
        places = words_at(ring[RING_PLACES], ring[RING_CAPACITY])
        places[ring[WRITTEN] & (ring[RING_CAPACITY] - 1)] = place
    ring[WRITTEN] += 1
    publish_batch(reader, ring)


@njit(**KERNEL)
def publish_batch(reader, ring):
    """Publish what is written if it is a batch."""
    header = words_at(ring[RING_HEADER], RING_HEADER_WORDS)
    if ring[WRITTEN] - header[spsc.TAIL] >= reader[BATCH]:  # Plain: capture's own tail.
        spsc.publish(header, ring[WRITTEN])


@njit(**KERNEL)
def send_control(reader, ring, kind, time, reference):
    """Write and publish a control record; return its slot words. The caller has asked has_room."""
    slot = next_slot(ring)
    for k in range(SLOT_WORDS):
        slot[k] = 0
    slot[TIME] = time
    slot[REFERENCE] = reference
    slot[LENGTHS] = 0
    slot[KEY] = kind << PROTOCOL_SHIFT
    header = words_at(ring[RING_HEADER], RING_HEADER_WORDS)
    published = header[_CONTROL_PUBLISHED] + 1  # Plain: capture's own line.
    store_relaxed(header, _CONTROL_PUBLISHED, published)
    words_at(reader[COUNTERS], COUNTERS_MAX)[_CONTROL] += 1
    return slot


@njit(**KERNEL)
def publish_all(reader, rings):
    """Publish what is written in every ring."""
    for k in range(reader[WORKERS]):
        publish_ring(shifted(rings, k * RING_WORDS))


@njit(**KERNEL)
def send_ticks(reader, rings):
    """Tell every worker that has room the newest position, unless it has a record from there on.

    A run of one worker needs none: nothing is merged.
    """
    if reader[WORKERS] == 1 or reader[HAS_NEWEST] == 0:
        return
    for k in range(reader[WORKERS]):
        ring = shifted(rings, k * RING_WORDS)
        if not _is_told(reader, ring) and has_room(ring):
            send_control(reader, ring, TICK, reader[NEWEST_TIME], reader[NEWEST_REFERENCE])
            written_one(reader, ring, reader[ARENA_POSITION])
            publish_ring(ring)


@njit(**KERNEL)
def _is_told(reader, ring):
    """Return whether the last record of a ring is at the newest position or behind it."""
    if ring[WRITTEN] == 0:
        return False
    at = (ring[WRITTEN] - 1) & (ring[RING_CAPACITY] - 1)
    last = words_at(ring[RING_SLOTS] + (at << SLOT_SHIFT) * 8, SLOT_WORDS)
    newest = reader[NEWEST_REFERENCE]
    if reader[SEPARATE] and last[REFERENCE] >> REFERENCE_SHIFT != newest >> REFERENCE_SHIFT:
        # Capture is at a later source; at an earlier one only if it catches up.
        return last[REFERENCE] >> REFERENCE_SHIFT > newest >> REFERENCE_SHIFT
    if last[TIME] != reader[NEWEST_TIME]:
        return last[TIME] > reader[NEWEST_TIME]
    return last[REFERENCE] >= newest


@njit(**KERNEL)
def send_end(reader, rings, kind, time, reference):
    """Send END or SOURCE_END to every worker that has not got it; return how many have it.

    The reader's `sent` says how many had it before.
    """
    for k in range(reader[SENT], reader[WORKERS]):
        ring = shifted(rings, k * RING_WORDS)
        if not had_end(reader, ring, kind, reference):
            if not has_room(ring):
                break
            slot = send_control(reader, ring, kind, time, reference)
            slot[DESTINATION_LOW] = reference >> REFERENCE_SHIFT
            # What a capture that replaces this one needs to stop where this one did.
            slot[SOURCE_HIGH] = words_at(reader[COUNTERS], COUNTERS_MAX)[_READ]
            slot[SOURCE_HIGH + 1] = reader[STOPPED]
            written_one(reader, ring, reader[ARENA_POSITION])
            publish_ring(ring)
        reader[SENT] = k + 1
    return reader[SENT]


@njit(**KERNEL)
def arena_place(reader, rings, size):
    """Return the arena position of `size` free bytes that do not wrap, or -1. Nothing is taken."""
    capacity = reader[ARENA_BYTES]
    position = reader[ARENA_POSITION]
    if (position & (capacity - 1)) + size > capacity:
        position = (position | (capacity - 1)) + 1
    if position + size - reader[ARENA_FREE] > capacity:
        reader[ARENA_FREE] = _oldest_place(reader, rings)
        if position + size - reader[ARENA_FREE] > capacity:
            return np.int64(-1)
    return position


@njit(**KERNEL)
def _oldest_place(reader, rings):
    """Return the arena position of the oldest record that a worker has not consumed."""
    oldest = reader[ARENA_POSITION]
    for k in range(reader[WORKERS]):
        ring = shifted(rings, k * RING_WORDS)
        head = load_acquire(words_at(ring[RING_HEADER], RING_HEADER_WORDS), spsc.HEAD)
        if head < ring[WRITTEN]:
            places = words_at(ring[RING_PLACES], ring[RING_CAPACITY])
            oldest = min(oldest, places[head & (ring[RING_CAPACITY] - 1)])
    return oldest
