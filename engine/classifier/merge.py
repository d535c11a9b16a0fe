"""Merge the workers' event rings into one sequence, in the order of order.py.

The classifier alone calls this. A *lane* is one ring as the merge sees it: its addresses, how far
it has been read, its last watermark. `merge` fills `rows` with the records (rows.py), gives deltas,
facts and what finals say to the hosts (engine.hosts), ends their panes, and joins records with the
rows of their hosts.

Why the smallest head may be taken
  1. A ring's events ascend: the worker emits them in order (asserted below for all of them).
  2. A lane that ran empty was looked at again: first its watermark, then its tail. The worker
     publishes events before the watermark that covers them. So when the tail then seen equals the
     head, everything that the watermark promises has been taken, and whatever the ring will still
     bring comes after it.
  3. So an event may be taken when no other lane's head is before it, and it is not beyond the
     watermark of any empty lane. `_choose` finds that lane and the bound up to which it may go on.
  4. The result does not depend on when who published what: the next event is the smallest of those
     not yet taken, or none is taken at all.
Why it cannot wait for ever: an empty lane's watermark moves whenever its worker takes a packet or a
tick, and capture sends ticks whenever it waits (capture/publish.py); after a source's end under
--separate and at the end of the run watermarks are beyond every key of the source, of the run.
"""

import numpy as np
from numba import njit, typeof, types

from engine.classifier.lanes import (
    CAPACITY,
    HEAD,
    HEADER,
    LANE_WORDS,
    MARK_REFERENCE,
    MARK_TIME,
    RELEASED,
    SLOTS,
    TAIL,
)
from engine.classifier.order import (
    HEAD_AT,
    INFINITE,
    KEY_WORDS,
    SOURCE,
    TIME,
    is_before,
    load_key,
    promised_key,
)
from engine.classifier.rows import fill_row
from engine.classifier.state import CLOCK, DELTA_PACKETS, TALLY_WORDS
from engine.events import counter_index
from engine.hosts.events import come_to, gather_delta, gather_fact, gather_final, join_ready
from engine.hosts.known import HOST_COUNT
from engine.hosts.operations import flush
from engine.hosts.space import HOLDS, IS_HELD, JOINED, PENDING, READY, space_arrays, space_of_arrays
from engine.layouts import (
    DELTA,
    DELTA_EVENT,
    EVENT_SLOT_WORDS,
    FACT,
    HOSTS,
    RECORD,
    RECORD_EVENT,
    RECORD_SLOTS,
    RING,
    ROW,
)
from engine.memory.addresses import words_at
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer, prefetch, shifted
from engine.rings.spsc import HEAD as RING_HEAD
from engine.rings.spsc import peek_behind, read_watermark, release

SLOTS_MAX = 16_384  # Slots taken by one call: it must return soon (a signal waits for it).

_ASK_AHEAD = 16  # Slots.

FINALS, EARLY, DELTAS, FACTS, FINAL_PACKETS, FINAL_BYTES = (
    counter_index("classifier", name)
    for name in ("finals", "early", "deltas", "facts", "final_packets", "final_bytes")
)

_REASON_SHIFT = RECORD_EVENT.shift("head", "reason")
_REASON_MASK = RECORD_EVENT.mask("head", "reason")
_REMAINDER_SHIFT = RECORD_EVENT.shift("head", "remainder")
_SECOND = EVENT_SLOT_WORDS  # The record's second slot begins here in its layout.
_FWD_PACKETS = RECORD_EVENT.index("fwd_packets") - _SECOND
_BWD_PACKETS = RECORD_EVENT.index("bwd_packets") - _SECOND
_FWD_BYTES = RECORD_EVENT.index("fwd_total_bytes") - _SECOND
_BWD_BYTES = RECORD_EVENT.index("bwd_total_bytes") - _SECOND
_REMAINDER_PACKETS = RECORD_EVENT.index("packets") - _SECOND
_DELTA_PACKETS = DELTA_EVENT.index("packets")
_HALF = (1 << 32) - 1
_WORDS2 = types.int64[:, ::1]
_ROWS = types.Tuple((_WORDS2, types.float32[:, ::1]))
_SPACE = typeof(space_arrays(np.zeros(8, np.int64), np.zeros(TALLY_WORDS, np.int64)))
_HOSTS_SOURCE = HOSTS.index("source")
_RING_WORDS = RING.words
_ROW_WORDS = ROW.words


@njit(**KERNEL)
def _slot(lane, sequence):
    """Return the pointer to slot `sequence` of a lane."""
    at = sequence & (lane[CAPACITY] - 1)
    return words_at(lane[SLOTS] + at * (8 * EVENT_SLOT_WORDS), EVENT_SLOT_WORDS)


@njit(**KERNEL)
def _ask_ahead(lane, count):
    """Ask for slots that come soon: the worker's core has them in its cache."""
    for k in range(count):
        slot = _slot(lane, lane[HEAD] + _ASK_AHEAD + k)
        prefetch(slot, 0)
        prefetch(slot, EVENT_SLOT_WORDS // 2)


@njit(**KERNEL)
def _give_back(lane):
    """Release what has been read of a lane."""
    if lane[RELEASED] != lane[HEAD]:
        release(words_at(lane[HEADER], _RING_WORDS), lane[HEAD])
        lane[RELEASED] = lane[HEAD]


@njit("void(i8[:, ::1])", **KERNEL)
def release_taken(lanes):
    """Give back what has been read of every lane: what was made of it is final."""
    first_lane = pointer(lanes.reshape(-1))
    for number in range(len(lanes)):
        _give_back(shifted(first_lane, number * LANE_WORDS))


@njit(**KERNEL)
def _head_end(lane):
    """Return the head at which a step stops: a quarter of the ring waits for its commit then."""
    return lane[RELEASED] + (lane[CAPACITY] >> 2)


@njit(**KERNEL)
def _refresh(lane):
    """Look at an empty lane again: watermark first, then tail. Return whether it has events."""
    ring = words_at(lane[HEADER], _RING_WORDS)
    # Plain: the consumer is the only writer of the head.
    assert ring[RING_HEAD] == lane[RELEASED], "somebody else consumes this ring"
    time, reference, whole = read_watermark(ring)
    if whole:
        lane[MARK_TIME] = time
        lane[MARK_REFERENCE] = reference
    count = peek_behind(ring, lane[HEAD])
    lane[TAIL] = lane[HEAD] + count
    return count > 0


@njit(**KERNEL)
def _copy_key(source, target):
    for word in range(KEY_WORDS):
        target[word] = source[word]


@njit(**KERNEL)
def _choose(lanes, keys, count, separate):
    """Return the lane whose head may be taken, or -1. It may go on up to the key at `count`."""
    best = -1
    for number in range(count):
        lane = shifted(lanes, number * LANE_WORDS)
        key = shifted(keys, number * KEY_WORDS)
        if lane[HEAD] == lane[TAIL] and not _refresh(lane):
            promised_key(lane[MARK_TIME], lane[MARK_REFERENCE], separate, key)
            continue
        load_key(_slot(lane, lane[HEAD]), separate, key)
        if best < 0 or is_before(key, shifted(keys, best * KEY_WORDS)):
            best = number
    bound = shifted(keys, count * KEY_WORDS)
    for word in range(KEY_WORDS):
        bound[word] = INFINITE
    for number in range(count):
        key = shifted(keys, number * KEY_WORDS)
        if number != best and is_before(key, bound):
            _copy_key(key, bound)
    if best >= 0 and is_before(bound, shifted(keys, best * KEY_WORDS)):
        return -1
    return best


@njit(**KERNEL)
def _take_delta(slot, tally):
    """Take one delta."""
    packets = slot[_DELTA_PACKETS]
    tally[DELTAS] += 1
    tally[DELTA_PACKETS] += (packets & _HALF) + (packets >> 32 & _HALF)


@njit(**KERNEL)
def _take_fact(slot, tally):
    """Take one fact."""
    tally[FACTS] += 1


@njit(**KERNEL)
def _count_record(slot, second, tally):
    """Count one record whose first two slots are given."""
    head = slot[HEAD_AT]
    if head >> _REASON_SHIFT & _REASON_MASK == 0:
        tally[EARLY] += 1
        return
    tally[FINALS] += 1
    tally[FINAL_PACKETS] += second[_FWD_PACKETS] + second[_BWD_PACKETS]
    tally[FINAL_BYTES] += second[_FWD_BYTES] + second[_BWD_BYTES]
    if head >> _REMAINDER_SHIFT & 1:
        packets = second[_REMAINDER_PACKETS]
        tally[DELTA_PACKETS] += (packets & _HALF) + (packets >> 32 & _HALF)


@njit(**KERNEL)
def _take(lane, kind, batch, space, tally):
    """Take the lane's head, an event of `kind`: a record into the batch, all into the hosts."""
    slot = _slot(lane, lane[HEAD])
    _ask_ahead(lane, RECORD_SLOTS if kind == RECORD else 1)
    if kind == RECORD:
        assert lane[TAIL] - lane[HEAD] >= RECORD_SLOTS, "a record is published in part"
        second = _slot(lane, lane[HEAD] + 1)
        _count_record(slot, second, tally)
        row = shifted(batch[0], space.pending[READY] * _ROW_WORDS)
        fill_row(lane[SLOTS], lane[CAPACITY] - 1, lane[HEAD], row)
        space.pending[READY] += 1
        gather_final(space, slot, second)
        lane[HEAD] += RECORD_SLOTS
        return
    assert kind in (DELTA, FACT), "an event of unknown kind"
    if kind == DELTA:
        _take_delta(slot, tally)
        gather_delta(space, slot)
    else:
        _take_fact(slot, tally)
        gather_fact(space, slot)
    lane[HEAD] += 1


@njit(**KERNEL)
def _run(lane, keys, batch, limits, space):
    """Take from one lane up to the bound.

    `keys` points to the lane's key, the bound and the last key taken; `limits` are the rows of the
    batch, the lane's head at which to stop, and whether sources come one after the other.
    """
    key, bound, last = keys
    room, head_end, separate = limits
    tally = space.counters
    while space.pending[READY] < room and lane[HEAD] < head_end:
        kind = load_key(_slot(lane, lane[HEAD]), separate, key)
        if is_before(bound, key):
            break
        assert is_before(last, key), "events are out of order"
        _copy_key(key, last)
        come_to(space, batch, key)
        _take(lane, kind, batch, space, tally)
        if lane[HEAD] == lane[TAIL] and not _refresh(lane):
            break
    tally[CLOCK] = last[TIME]


@njit(**KERNEL)
def _is_held(space, key, bound):
    """Return whether an event waits until its source's hosts were listed.

    If not, the bound is lowered to the end of the event's source.
    """
    words, pending = space.words, space.pending
    if key[SOURCE] != words[_HOSTS_SOURCE] and (words[HOST_COUNT] or pending[PENDING]):
        pending[IS_HELD] = 1
        return True
    if bound[SOURCE] > key[SOURCE]:
        bound[SOURCE] = key[SOURCE]
        for word in range(SOURCE + 1, KEY_WORDS):
            bound[word] = INFINITE
    return False


@njit(types.UniTuple(types.int64, 2)(_WORDS2, _WORDS2, _ROWS, _SPACE, types.boolean), **KERNEL)
def merge(lanes, keys, rows, hosts, separate):
    """Fill `rows` with the next records; return (how many, how many slots were taken).

    Returns early when nothing may be taken yet, or after about SLOTS_MAX slots. `keys` is from
    make_keys and belongs to `lanes`; `rows` are words and the same as float32; `hosts` is from
    space_arrays: its counters are a tally of TALLY_WORDS words that only grow.
    """
    first_lane = pointer(lanes.reshape(-1))
    first_key = pointer(keys.reshape(-1))
    space = space_of_arrays(hosts)
    batch = (pointer(rows[0].reshape(-1)), pointer(rows[1].reshape(-1)))
    lane_count = len(lanes)
    bound = shifted(first_key, lane_count * KEY_WORDS)
    last = shifted(first_key, (lane_count + 1) * KEY_WORDS)
    slots = 0
    room = len(rows[0])
    space.pending[READY] = space.pending[JOINED] = 0
    while space.pending[READY] < room and slots < SLOTS_MAX:
        best = _choose(first_lane, first_key, lane_count, separate)
        if best < 0:
            break
        lane = shifted(first_lane, best * LANE_WORDS)
        head = lane[HEAD]
        key = shifted(first_key, best * KEY_WORDS)
        if space.pending[HOLDS] and _is_held(space, key, bound):
            break
        limits = (room, min(head + SLOTS_MAX - slots, _head_end(lane)), separate)
        _run(lane, (key, bound, last), batch, limits, space)
        slots += lane[HEAD] - head
        if lane[HEAD] >= _head_end(lane):
            break
    flush(space)
    join_ready(space, batch[0], batch[1])
    return space.pending[READY], slots


@njit(**KERNEL)
def _drain(lane, key, last, limits, tally):
    """Count the events of one lane, in its own order."""
    head_end, separate = limits
    while lane[HEAD] < head_end and (lane[HEAD] != lane[TAIL] or _refresh(lane)):
        slot = _slot(lane, lane[HEAD])
        kind = load_key(slot, separate, key)
        assert is_before(last, key), "events are out of order"
        _copy_key(key, last)
        _ask_ahead(lane, RECORD_SLOTS if kind == RECORD else 1)
        if kind == RECORD:
            _count_record(slot, _slot(lane, lane[HEAD] + 1), tally)
            lane[HEAD] += RECORD_SLOTS
            continue
        assert kind in (DELTA, FACT), "an event of unknown kind"
        if kind == DELTA:
            _take_delta(slot, tally)
        else:
            _take_fact(slot, tally)
        lane[HEAD] += 1


@njit("i8(i8[:, ::1], i8[:, ::1], i8[::1], b1)", **KERNEL)
def count_only(lanes, keys, tally, separate):
    """Count what the rings hold, without merging; return how many slots were taken.

    For flow features only: no output depends on the order between lanes. That of each is asserted.
    """
    first_lane = pointer(lanes.reshape(-1))
    first_key = pointer(keys.reshape(-1))
    key = shifted(first_key, len(lanes) * KEY_WORDS)
    slots = 0
    for number in range(len(lanes)):
        lane = shifted(first_lane, number * LANE_WORDS)
        last = shifted(first_key, number * KEY_WORDS)
        head = lane[HEAD]
        _drain(lane, key, last, (_head_end(lane), separate), pointer(tally))
        slots += lane[HEAD] - head
        if last[TIME] > tally[CLOCK]:
            tally[CLOCK] = last[TIME]
    return slots
