"""The live flows of a running engine, as another process sees them: whole rows, read only.

A worker makes a row's version odd before it changes anything in it and even again afterwards
(pools.py). It never waits for a reader:

    worker                                    reader
    --------------------------------------    --------------------------------------
    mark_changing: version odd, fence         version, acquire: even, else once more
    row, addresses, cold blocks change        copy row, addresses, cold blocks
    mark_settled: version even, release       fence; version and first packet as before?

Why a copy that is taken is whole
  1. Whatever the copy holds of a change was written after the version became odd, and is read
     before the fence; so the second look at the version sees that it became odd, or later.
  2. The version has 12 bits and comes round again. It shares its word with the packets left until
     the next early record, which each packet lowers, and a part's first packet is that of no other
     part: a reader that slept for exactly 2,048 changes of a row still sees another word.
  3. A copy not yet known to be whole is only copied, never followed beyond the table: references
     to cold blocks are compared with their number first.
A row never settled, or free, is left out. Pane-end deltas change marks and sequence alone, outside
of this; they are no part of a snapshot.
"""

import numpy as np
from numba import njit

from engine.config import Config
from engine.errors import SegmentError
from engine.events import COUNTERS_MAX
from engine.features.totals import direction_line
from engine.flows.emit import EVENT_TAIL, emit_record
from engine.flows.keep import JOURNAL_AT
from engine.flows.pools import ROW_FRESH, ROWS
from engine.flows.shard import (
    AGE_MASK,
    RECORD_WORDS,
    ShardArrays,
    addresses_at,
    block_at,
    cold_reference,
    row_at,
    shard_arrays,
    shard_of_arrays,
)
from engine.flows.table import initialise, table_shape
from engine.layouts import FLOW_FEATURES, PACKET, places
from engine.layouts.records import CLASS_PANE, EVENT_SLOT_BYTES, RECORD_EVENT
from engine.layouts.table import TABLE
from engine.memory.atomics import fence_acquire, load_acquire, load_relaxed, pause
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer
from engine.rings.private import PrivateRing
from engine.rings.segment import Segment, find_segments, segment_name

TRIES = 1000  # Of a row that is being changed; then it is left out, and counted.
FREE, WHOLE, BUSY = 0, 1, -1
_ROW = 1  # Of the private table that a row is copied to,
_ACTIVITY, _BULK, _SPILL = 1, 2, 3  # and its blocks: spill and spill flags of A, then of B.
_BLOCKS = TABLE.index("blocks")
_CLOCK = TABLE.index("clock_ns")
_ROWS_A_CALL = 4096
_COUNTS = ("fwd_packets", "bwd_packets", "fwd_total_bytes", "bwd_total_bytes")
_NUMBERS = ("first_ns", "last_ns", *_COUNTS, "fwd_data_packets", "bwd_data_packets")
FLOW = np.dtype(
    [
        ("version", "u1"),
        ("protocol", "u1"),
        ("vlan", "u2"),
        ("initiator_port", "u2"),
        ("responder_port", "u2"),
        ("initiator", "V16"),  # Network order; IPv4 in the last 4 bytes.
        ("responder", "V16"),
        ("first_reference", "i8"),
        *((name, "i8") for name in _NUMBERS),  # Times: corrected clock.
        ("valid", "?", FLOW_FEATURES),
        ("features", "f4", FLOW_FEATURES),  # In the order of layouts.RECORD_EVENT.
    ]
)


def live_flows(run: str) -> np.ndarray:
    """Return the live flows of all workers of a run, as FLOW. SegmentError if it is over."""
    tables = [found for found in find_segments() if (found.run, found.kind) == (run, "table")]
    if not tables:
        raise SegmentError(f"run {run!r} has no flow table; is it over?")
    flows = []
    for number in range(len(tables)):
        segment = Segment.attach(segment_name(run, "table", number), "table")
        try:
            flows.append(flows_of(segment.words)[0])
        finally:
            segment.close()
    return np.concatenate(flows)


def flows_of(words: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the live flows of a worker's table, as FLOW, and how many rows would not settle."""
    arrays = private_shard(words)
    parts, row, busy = [], 1, 0
    while row:
        made = np.zeros((min(_ROWS_A_CALL, int(words[ROWS])), RECORD_WORDS), np.int64)
        count, row, left_out = read_rows(words, arrays, made, row)
        busy += left_out
        parts.append(as_flows(made[:count]))
    return np.concatenate(parts), busy


def private_shard(words: np.ndarray) -> ShardArrays:
    """Return a shard whose table a row can be copied to, and made a record of."""
    shape = table_shape(64, 1)
    table = np.zeros(shape.words, np.int64)
    initialise(table, Config(), shape, {"hash_key": (0, 0), "separate": False, "facts": False})
    table[AGE_MASK] = words[AGE_MASK]
    table[JOURNAL_AT] = 0  # It is never committed.
    events, packets = PrivateRing(16, EVENT_SLOT_BYTES), PrivateRing(2, PACKET.size_bytes, 2)
    counters = np.zeros(COUNTERS_MAX, np.int64)
    return shard_arrays(table, events, packets, counters, np.zeros(2, np.int64))


def as_flows(records: np.ndarray) -> np.ndarray:
    """Return records (any, RECORD_WORDS) as FLOW."""
    flows = np.zeros(len(records), FLOW)
    key = records[:, RECORD_EVENT.index("key")]
    for name in ("vlan", "protocol", "initiator_port", "responder_port"):
        flows[name] = key >> RECORD_EVENT.shift("key", name) & RECORD_EVENT.mask("key", name)
    flows["version"] = 4 + 2 * (key >> RECORD_EVENT.shift("key", "version6") & 1)
    for end in ("initiator", "responder"):
        at = RECORD_EVENT.index(f"{end}_high")
        flows[end] = records[:, at : at + 2].astype(">i8").view("V16")[:, 0]
    for name in ("first_reference", *_NUMBERS):
        flows[name] = records[:, RECORD_EVENT.index(name)]
    low = records[:, RECORD_EVENT.index("valid_low")]
    high = records[:, RECORD_EVENT.index("valid_high")]
    for feature in range(FLOW_FEATURES):
        word, bit = (low, feature) if feature < 63 else (high, feature - 63)
        flows["valid"][:, feature] = word >> bit & 1
    at = 2 * RECORD_EVENT.index("features_0")
    flows["features"] = records.view(np.float32)[:, at : at + FLOW_FEATURES]
    return flows


@njit(**KERNEL)
def _copy_block(table, block, private, place):
    """Copy a cold block to a place; return it, or 0 where there is no such block."""
    if block <= 0 or block > table[_BLOCKS]:
        return 0
    source, target = block_at(table, block), block_at(private, place)
    for word in range(places.BLOCK_WORDS):
        target[word] = source[word]
    return place


@njit(**KERNEL)
def copy_part(table, row, private):
    """Copy a row and what it refers to into row 1 of a private table, whole or not."""
    line, kept = row_at(table, row), row_at(private, _ROW)
    for word in range(places.ROW_WORDS):
        kept[word] = line[word]
    ends, kept_ends = addresses_at(table, row), addresses_at(private, _ROW)
    for word in range(places.ADDRESS_WORDS):
        kept_ends[word] = ends[word]
    flow, side = kept[places.COLD_FLOW], kept[places.COLD_SIDE]
    activity = cold_reference(flow, places.ACTIVITY_SHIFT)
    bulk = cold_reference(flow, places.BULK_SHIFT)
    kept[places.COLD_FLOW] = (
        _copy_block(table, activity, private, _ACTIVITY) << places.ACTIVITY_SHIFT
        | _copy_block(table, bulk, private, _BULK) << places.BULK_SHIFT
    )
    kept[places.COLD_SIDE] = 0
    for number in range(2):
        shift = places.SPILL_SHIFT + 21 * number
        place = _SPILL + 2 * number
        if _copy_block(table, cold_reference(side, shift), private, place):
            spill = block_at(private, place)
            more = _copy_block(table, spill[places.SPILL_MORE], private, place + 1)
            spill[places.SPILL_MORE] = more
            kept[places.COLD_SIDE] |= place << shift


@njit(**KERNEL)
def read_part(table, row, private):
    """Copy a row whole: WHOLE. FREE if no part is in it; BUSY if it would not settle."""
    line = row_at(table, row)
    for _ in range(TRIES):
        before = load_acquire(line, places.PACE)
        if before & places.VERSION_ONE:
            pause()
            continue
        reference = load_relaxed(line, places.FIRST_REFERENCE)
        copy_part(table, row, private)
        fence_acquire()  # All of the copy was read before the version is read again.
        same = load_relaxed(line, places.PACE) == before
        if same and load_relaxed(line, places.FIRST_REFERENCE) == reference:
            kept = row_at(private, _ROW)
            packets = direction_line(kept, 0)[places.PACKETS]
            packets |= direction_line(kept, 1)[places.PACKETS]
            return WHOLE if reference >= 0 and packets & places.MASK32 else FREE
    return BUSY


@njit(**KERNEL)
def read_rows(words, arrays, made, row):
    """Fill `made` with records of live rows from `row` on; return (how many, next row, busy rows).

    The next row is 0 when there is none.
    """
    table, shard = pointer(words), shard_of_arrays(arrays)
    private = shard.table
    # Relaxed: a row of which nothing is seen yet is all zeros, and free.
    fresh = min(load_relaxed(table, ROW_FRESH), table[ROWS])
    count, busy = 0, 0
    while row <= fresh and count < len(made):
        found = read_part(table, row, private)
        if found == WHOLE:
            line = row_at(private, _ROW)
            order = (load_relaxed(table, _CLOCK), line[places.START], line[places.FIRST_REFERENCE])
            private[EVENT_TAIL] = 0
            emit_record(shard, _ROW, 0, CLASS_PANE, order)
            for word in range(RECORD_WORDS):
                made[count, word] = shard.slots[word]
            count += 1
        busy += found == BUSY
        row += 1
    return count, row if row <= fresh else 0, busy
