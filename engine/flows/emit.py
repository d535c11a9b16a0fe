"""Making events: deltas, facts, early and final records, straight into the worker's event ring.

Events are written behind the table's own tail and published by the kernel that calls (consume.py),
a batch at a time, always before the watermark that promises them. A record that would wrap around
the end of the ring is made aside and copied.
"""

import numpy as np
from numba import njit

from engine.events import counter_index
from engine.features import activity, bulk, flags, iat, length, payload, rate, volume, window
from engine.features.services import TCP_PROTOCOL
from engine.features.totals import direction_line, impossible_count, read_totals
from engine.flows.conn_state import write_connection
from engine.flows.keep import OPERATION_WORDS, keep_side_line, may_keep
from engine.flows.marks import ended_bits, new_marks, protocol_of, service_of_key
from engine.flows.pools import spills_of
from engine.flows.shard import (
    AGE_MASK,
    RECORD_WORDS,
    addresses_at,
    block_at,
    cold_reference,
    row_at,
)
from engine.flows.steps import as_stamped
from engine.layouts import FLOW_FEATURES, RECORD_SLOTS, places
from engine.layouts.records import (
    ACTIVE,
    CLASS_DELTA,
    CLASS_PACKET,
    DELTA,
    DELTA_EVENT,
    EVENT_SLOT_WORDS,
    RANK_EARLY,
    RANK_FINAL,
    RECORD,
    RECORD_EVENT,
)
from engine.layouts.table import TABLE
from engine.memory.atomics import load_acquire
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import prefetch_write, shifted
from engine.rings import spsc

EVENT_TAIL = TABLE.index("tail")
HEAD, KIND = DELTA_EVENT.index("head"), DELTA_EVENT.shift("head", "kind")
CLASS_SHIFT = DELTA_EVENT.shift("head", "class")
RANK_SHIFT = DELTA_EVENT.shift("head", "rank")
REASON_SHIFT = DELTA_EVENT.shift("head", "reason")
MARKS_SHIFT = DELTA_EVENT.shift("head", "marks")
SERVICE_SHIFT = DELTA_EVENT.shift("head", "service")
REMAINDER = 1 << DELTA_EVENT.shift("head", "remainder")
CONTINUED = 1 << DELTA_EVENT.shift("head", "continued")
POSITION_TIME = DELTA_EVENT.index("position_time")
POSITION_REFERENCE = DELTA_EVENT.index("position_reference")
INITIATOR = DELTA_EVENT.index("initiator_high")
RESPONDER = DELTA_EVENT.index("responder_high")
KEY = DELTA_EVENT.index("key")
DELTA_INCREASE = DELTA_EVENT.index("fwd_bytes")
RECORD_INCREASE = RECORD_EVENT.index("fwd_bytes")
INCREASE_WORDS = RECORD_EVENT.index("impossible") + 1 - RECORD_INCREASE
RECORD_TIME = RECORD_EVENT.index("time_ns")
SEQUENCE = RECORD_EVENT.index("sequence")
VALID_LOW = RECORD_EVENT.index("valid_low")
FWD_PACKETS = RECORD_EVENT.index("fwd_packets")
FEATURES_AT = 2 * RECORD_EVENT.index("features_0")
assert RECORD_EVENT.index("valid_high") == VALID_LOW + 1 == FWD_PACKETS - 1
# Written below by their places behind the first.
for _names in (
    "time_ns first_ns last_ns start_ns end_ns first_reference",
    "fwd_packets bwd_packets fwd_total_bytes bwd_total_bytes fwd_data_packets bwd_data_packets",
    "fwd_bytes bwd_bytes fwd_payload bwd_payload squares packets data_rst impossible",
):
    _places = [RECORD_EVENT.index(_name) for _name in _names.split()]
    assert _places == list(range(_places[0], _places[0] + len(_places))), _names

# VLAN 12, version 1, mark 1, protocol 8 bits stand in an event's key as in a row's.
_REST = ((1 << 22) - 1) << 32
assert RECORD_EVENT.shift("key", "protocol") == places.PROTOCOL_SHIFT
assert RECORD_EVENT.shift("key", "mark") == places.MARK_SHIFT

_DELTAS = counter_index("worker", "deltas")
_EARLY = counter_index("worker", "early")
_FINALS = counter_index("worker", "finals_idle") - 1  # Plus the reason's number.
_OWN_AHEAD = 8  # Slots.
EARLY = 0  # The reason of an early record.


@njit(**HOT)
def has_room(shard, slots):
    """Return whether the event ring has that many free slots behind the table's tail.

    And the journal has room for what one operation keeps: a packet, or a part's end or delta.
    """
    if not may_keep(shard.table, OPERATION_WORDS):
        return False
    ring, tail = shard.ring, shard.table[EVENT_TAIL]
    if tail + slots - ring[spsc.HEAD_SEEN] <= ring[spsc.CAPACITY]:
        return True
    ring[spsc.HEAD_SEEN] = load_acquire(ring, spsc.HEAD)
    return tail + slots - ring[spsc.HEAD_SEEN] <= ring[spsc.CAPACITY]


@njit(**HOT)
def _own_slots(shard, sequence, count):
    """Ask for slots that will be written soon: the classifier's core had them last."""
    mask = shard.ring[spsc.CAPACITY] - 1
    for k in range(count):
        slot = shifted(shard.slots, ((sequence + k) & mask) * EVENT_SLOT_WORDS)
        prefetch_write(slot, 0)
        prefetch_write(slot, EVENT_SLOT_WORDS // 2)


@njit(**HOT)
def next_slot(shard):
    """Return the pointer to the words of the next slot, and take it. There is room."""
    tail = shard.table[EVENT_TAIL]
    shard.table[EVENT_TAIL] = tail + 1
    _own_slots(shard, tail + _OWN_AHEAD, 1)
    return shifted(shard.slots, (tail & (shard.ring[spsc.CAPACITY] - 1)) * EVENT_SLOT_WORDS)


@njit(**KERNEL)
def _write_key(table, event, row, line):
    """Write the five key words: initiator first."""
    key = line[places.FLOW_KEY]
    swapped = key & places.INITIATOR_B
    ports = key & places.MASK32
    if swapped:
        ports = ports >> 16 | (ports & places.MASK16) << 16
    event[KEY] = ports | (key & _REST)
    a, b = (RESPONDER, INITIATOR) if swapped else (INITIATOR, RESPONDER)
    if key & places.VERSION6:
        kept = addresses_at(table, row)
        event[a], event[a + 1], event[b], event[b + 1] = kept[0], kept[1], kept[2], kept[3]
    else:
        both = line[places.ADDRESSES]
        event[a], event[b] = 0, 0
        event[a + 1], event[b + 1] = (both >> 32) & places.MASK32, both & places.MASK32


@njit(**KERNEL)
def _write_increase(table, out, line, totals, spills):
    """Write what the part has added since its last delta; `out` leads to the increase's words."""
    fwd_spill, fwd_flags, bwd_spill, bwd_flags = spills
    key = line[places.FLOW_KEY]
    initiator = np.int64(key & places.INITIATOR_B != 0)
    fwd, bwd = direction_line(line, initiator), direction_line(line, 1 - initiator)
    fwd_impossible = impossible_count(fwd, fwd_spill)
    bwd_impossible = impossible_count(bwd, bwd_spill)
    resets = np.int64(0)
    if protocol_of(key) == TCP_PROTOCOL:
        resets = flags.rst_count(fwd, fwd_flags) + flags.rst_count(bwd, bwd_flags)
    block = block_at(table, cold_reference(line[places.COLD_FLOW], places.PANE_SHIFT))
    low, high = (32, 0) if initiator else (0, 32)
    out[0] = totals.fwd_bytes - block[places.PANE_BYTES + initiator]
    out[1] = totals.bwd_bytes - block[places.PANE_BYTES + 1 - initiator]
    out[2] = totals.fwd_payload - block[places.PANE_PAYLOAD + initiator]
    out[3] = totals.bwd_payload - block[places.PANE_PAYLOAD + 1 - initiator]
    out[4] = fwd[places.SQUARES] + bwd[places.SQUARES] - block[places.PANE_SQUARES]
    before = block[places.PANE_PACKETS]
    fwd_more = (totals.fwd_packets - (before >> low)) & places.MASK32
    bwd_more = (totals.bwd_packets - (before >> high)) & places.MASK32
    out[5] = fwd_more | bwd_more << 32
    before = block[places.PANE_DATA_RST]
    data_more = (totals.fwd_data - before) & places.MASK32
    out[6] = data_more | ((resets - (before >> 32)) & places.MASK32) << 32
    before = block[places.PANE_IMPOSSIBLE]
    fwd_more = (fwd_impossible - (before >> low)) & places.MASK32
    out[7] = fwd_more | ((bwd_impossible - (before >> high)) & places.MASK32) << 32


@njit(**KERNEL)
def ordered_spills(table, line):
    """Return spill, spill flags of fwd, then of bwd."""
    initiator = np.int64(line[places.FLOW_KEY] & places.INITIATOR_B != 0)
    fwd_spill, fwd_flags = spills_of(table, line, initiator)
    bwd_spill, bwd_flags = spills_of(table, line, 1 - initiator)
    return fwd_spill, fwd_flags, bwd_spill, bwd_flags


@njit(**KERNEL)
def _totals_of(table, line, spills):
    fwd_spill, _, bwd_spill, _ = spills
    swapped = line[places.FLOW_KEY] & places.INITIATOR_B
    spill_a = bwd_spill if swapped else fwd_spill
    spill_b = fwd_spill if swapped else bwd_spill
    return read_totals(line, spill_a, spill_b, table[AGE_MASK])


@njit(**KERNEL)
def emit_delta(shard, row, time, reference):
    """Send a row's delta; (time, reference): its first packet in the pane. There is room."""
    table = shard.table
    line = row_at(table, row)
    keep_side_line(table, line)
    spills = ordered_spills(table, line)
    totals = _totals_of(table, line, spills)
    event = next_slot(shard)
    marks = new_marks(line, totals, spills[3])
    service = service_of_key(shard.services, line[places.FLOW_KEY])
    event[HEAD] = DELTA | CLASS_DELTA << CLASS_SHIFT | marks << MARKS_SHIFT
    event[HEAD] |= service << SERVICE_SHIFT
    event[POSITION_TIME] = time
    event[POSITION_REFERENCE] = reference
    _write_key(table, event, row, line)
    _write_increase(table, shifted(event, DELTA_INCREASE), line, totals, spills)
    shard.counters[_DELTAS] += 1


@njit(**KERNEL)
def _write_features(table, vector, line, totals, spills):
    """Fill the 83 flow features at a float32 pointer; return both validity words."""
    fwd_spill, fwd_flags, bwd_spill, bwd_flags = spills
    age_mask = table[AGE_MASK]
    initiator = np.int64(line[places.FLOW_KEY] & places.INITIATOR_B != 0)
    fwd, bwd = direction_line(line, initiator), direction_line(line, 1 - initiator)
    for k in range(FLOW_FEATURES + 1):
        vector[k] = 0.0
    low = volume.write(vector, totals)
    low |= length.write(shifted(vector, 14), totals, fwd, bwd) << 14
    low |= rate.write(shifted(vector, 30), totals) << 30
    low |= iat.write(shifted(vector, 36), totals, line, age_mask) << 36
    high = 0
    if protocol_of(line[places.FLOW_KEY]) == TCP_PROTOCOL:
        sides = (fwd, fwd_spill, fwd_flags, bwd, bwd_spill, bwd_flags)
        low |= flags.write(shifted(vector, 50), sides) << 50
        windows = window.write(shifted(vector, 62), totals, fwd, bwd)
        low |= (windows & 1) << 62
        high = windows >> 1
    cold = line[places.COLD_FLOW]
    block = block_at(table, cold_reference(cold, places.ACTIVITY_SHIFT))
    high |= activity.write(shifted(vector, 64), totals, block, age_mask) << 1
    if cold_reference(cold, places.BULK_SHIFT):
        block = block_at(table, cold_reference(cold, places.BULK_SHIFT))
        high |= bulk.write(shifted(vector, 76), totals, line, block) << 13
    return low, high | payload.write(shifted(vector, 82), line) << 19


@njit(**KERNEL)
def _write_record(table, words, floats, row, order):
    """Fill a record but for its head's marks; `order`: head, time, position time and reference."""
    line = row_at(table, row)
    spills = ordered_spills(table, line)
    totals = _totals_of(table, line, spills)
    words[HEAD], words[RECORD_TIME], words[POSITION_TIME], words[POSITION_REFERENCE] = order
    _write_key(table, words, row, line)
    first, reference = line[places.START], line[places.FIRST_REFERENCE]
    last = first + totals.duration
    words[RECORD_TIME + 1] = first
    words[RECORD_TIME + 2] = last
    source = reference >> 48
    words[RECORD_TIME + 3] = as_stamped(table, first, source)
    words[RECORD_TIME + 4] = as_stamped(table, last, source)
    words[RECORD_TIME + 5] = reference
    state = line[places.STATE]
    words[SEQUENCE] = (state >> places.SEQUENCE_SHIFT) & places.SEQUENCE_MASK
    line[places.STATE] = state + (1 << places.SEQUENCE_SHIFT)
    words[FWD_PACKETS] = totals.fwd_packets
    words[FWD_PACKETS + 1] = totals.bwd_packets
    words[FWD_PACKETS + 2] = totals.fwd_bytes
    words[FWD_PACKETS + 3] = totals.bwd_bytes
    words[FWD_PACKETS + 4] = totals.fwd_data
    words[FWD_PACKETS + 5] = totals.bwd_data
    low, high = _write_features(table, shifted(floats, FEATURES_AT), line, totals, spills)
    words[VALID_LOW], words[VALID_LOW + 1] = low, high
    write_connection(table, row, line, totals, words)
    increase = shifted(words, RECORD_INCREASE)
    for k in range(INCREASE_WORDS):
        increase[k] = 0
    if words[HEAD] & REMAINDER:
        words[HEAD] |= new_marks(line, totals, spills[3]) << MARKS_SHIFT
        if line[places.FLOW_KEY] & places.IN_PANE:
            _write_increase(table, increase, line, totals, spills)


@njit(**KERNEL)
def emit_record(shard, row, reason, order_class, order):
    """Send an early (reason 0) or final record of a row; `order`: time, position. There is room."""
    table = shard.table
    tail = table[EVENT_TAIL]
    capacity = shard.ring[spsc.CAPACITY]
    place = tail & (capacity - 1)
    wraps = place + RECORD_SLOTS > capacity
    words = shard.scratch if wraps else shifted(shard.slots, place * EVENT_SLOT_WORDS)
    floats = shard.scratch_floats
    if not wraps:
        floats = shifted(shard.floats, 2 * place * EVENT_SLOT_WORDS)
    _own_slots(shard, tail + _OWN_AHEAD, RECORD_SLOTS)
    line = row_at(table, row)
    keep_side_line(table, line)
    rank = RANK_EARLY if reason == EARLY and order_class == CLASS_PACKET else RANK_FINAL
    head = RECORD | order_class << CLASS_SHIFT | rank << RANK_SHIFT | reason << REASON_SHIFT
    head |= service_of_key(shard.services, line[places.FLOW_KEY]) << SERVICE_SHIFT
    if line[places.FLOW_KEY] & places.CONTINUED:
        head |= CONTINUED
    if reason != EARLY:
        if order_class == CLASS_PACKET:
            head |= REMAINDER
        if reason != ACTIVE:
            head |= ended_bits(line)
    time, position_time, position_reference = order
    _write_record(table, words, floats, row, (head, time, position_time, position_reference))
    if wraps:
        for k in range(RECORD_WORDS):
            slot = (place + k // EVENT_SLOT_WORDS) & (capacity - 1)
            shard.slots[slot * EVENT_SLOT_WORDS + k % EVENT_SLOT_WORDS] = words[k]
    table[EVENT_TAIL] = tail + RECORD_SLOTS
    shard.counters[_EARLY if reason == EARLY else _FINALS + reason] += 1
