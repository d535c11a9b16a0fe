"""Counting a packet in its flow part: the flow line, then the line of its own direction."""

from typing import NamedTuple

import numpy as np
from numba import njit

from engine.config import SECOND_NS
from engine.features.activity import SUBFLOW_TIMEOUT_NS, add_pause
from engine.features.bulk import BULK_GAP_NS, BULK_PACKETS_MIN, add_edge
from engine.features.flags import TOPS
from engine.features.length import add_length
from engine.features.moments import NO_EXTREMES, add_gap
from engine.features.services import TCP_PROTOCOL
from engine.features.totals import direction_line, high_half
from engine.flows.keep import keep_side_line
from engine.flows.pools import owned_block, spills_of
from engine.flows.shard import AGE_MASK
from engine.flows.spill import PAIR_TOPS, count_impossible, spill_flags, spill_pair
from engine.layouts import PACKET, places
from engine.layouts.table import TABLE
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import shifted
from engine.memory.wide import wrapped_sum
from engine.packets.key import PROTOCOL_MASK, PROTOCOL_SHIFT

CONSTANTS_AT = TABLE.index("constants_at")
_REFERENCE, _LENGTHS = PACKET.index("reference"), PACKET.index("lengths")
_KEY = PACKET.index("key")
_PAYLOAD_MASK = PACKET.mask("lengths", "payload")
_HEADER_SHIFT = PACKET.shift("lengths", "header")
_HEADER_MASK = PACKET.mask("lengths", "header")
_CAPTURED_SHIFT = PACKET.shift("lengths", "captured")
_WINDOW_SHIFT = PACKET.shift("lengths", "window")
_FRAGMENT = 1 << PACKET.shift("key", "fragment")
_MARK = 1 << PACKET.shift("key", "mark")
_FLAGS_SHIFT = PACKET.shift("key", "flags")
RUN_FULL = BULK_PACKETS_MIN
EARLY_BASE = 8  # An early record at each power of it, in packets,
EARLY_AGE_NS = 60 * SECOND_NS  # and at each multiple of this age.


class Packet(NamedTuple):
    """A packet's fields, as kernels pass them on. Lengths in bytes."""

    time: int
    reference: int
    side: int  # 0: sent by endpoint A, 1: by B.
    length: int
    payload: int
    header: int
    captured: int
    flags: int
    window: int
    tcp: bool
    flags_known: bool  # Captured, and no later fragment.
    fragment: bool


@njit(**HOT)
def read_packet(words, at, side):
    """Return the fields of the record at word `at`."""
    lengths, key = words[at + _LENGTHS], words[at + _KEY]
    payload = lengths & _PAYLOAD_MASK
    header = (lengths >> _HEADER_SHIFT) & _HEADER_MASK
    tcp = (key >> PROTOCOL_SHIFT) & PROTOCOL_MASK == TCP_PROTOCOL
    return Packet(
        words[at],
        words[at + _REFERENCE],
        side,
        payload + header,
        payload,
        header,
        (lengths >> _CAPTURED_SHIFT) & places.MASK16,
        (key >> _FLAGS_SHIFT) & 255,
        (lengths >> _WINDOW_SHIFT) & places.MASK16,
        tcp,
        tcp and key & (_FRAGMENT | _MARK) == 0,
        key & _FRAGMENT != 0,
    )


@njit(**HOT)
def is_impossible(flags):
    """Return whether no TCP stack sends these flags (SEMANTICS.rst, Deltas)."""
    if flags & places.SYN:
        return flags & (places.FIN | places.RST) != 0
    return flags == 0 or flags & (places.FIN | places.ACK) == places.FIN


@njit(**KERNEL)
def _run_sums(table, line, side):
    """Return (data packets, payload) that a direction has counted so far, spilled ones included."""
    direction = direction_line(line, side)
    spill, _ = spills_of(table, line, side)
    loaded = high_half(direction[places.PACKETS]) + spill[places.SPILL_DATA]
    return loaded, high_half(direction[places.BYTES]) + spill[places.SPILL_PAYLOAD]


@njit(**KERNEL)
def _end_run(table, line, run, end):
    """Complete the bulk sums of a run of 4 or more whose last packet came at offset `end`. Cold."""
    side = (run >> places.RUN_SIDE_SHIFT) & 1
    loaded, payload = _run_sums(table, line, side)
    block = owned_block(table, line, places.COLD_FLOW, places.BULK_SHIFT)
    add_edge(block, side, 1, (loaded, payload, end))


@njit(**KERNEL)
def _begin_bulk(table, line, packet, before_payload, begin):
    """Note that a run is a bulk: its 4th packet has come and is not counted yet. Cold."""
    loaded, payload = _run_sums(table, line, packet.side)
    block = owned_block(table, line, places.COLD_FLOW, places.BULK_SHIFT)
    sums = (loaded - (RUN_FULL - 1), payload - before_payload, begin)
    add_edge(block, packet.side, -1, sums)


@njit(**HOT)
def _extend_run(table, line, packet, since, offset):
    """Count a data packet that continues the run in progress, `since` ns after its last."""
    run = line[places.RUN]
    count = (run >> places.RUN_PACKETS_SHIFT) & 7
    if count == RUN_FULL:
        return
    duration = (run & places.RUN_DURATION_MASK) + since
    before = (run >> places.RUN_PAYLOAD_SHIFT) & places.RUN_PAYLOAD_MASK
    if count == RUN_FULL - 1:
        _begin_bulk(table, line, packet, before, offset - duration)
    else:
        before += packet.payload
    _set_run(line, packet.side, count + 1, duration, before)


@njit(**HOT)
def _set_run(line, side, count, duration, payload):
    line[places.RUN] = (
        duration
        | payload << places.RUN_PAYLOAD_SHIFT
        | count << places.RUN_PACKETS_SHIFT
        | side << places.RUN_SIDE_SHIFT
    )


@njit(**HOT)
def _follow_run(table, line, packet, gap, offset):
    """Carry the run of data packets on to this packet; return ns since its last data packet.

    A run is over at the first packet, of whatever kind, that is more than 1 s behind its last one:
    so the time since then never grows beyond 1 s and stays exact.
    """
    run = line[places.RUN]
    since = (line[places.PACE] & places.SINCE_MASK) + gap
    if run and since > BULK_GAP_NS:
        if (run >> places.RUN_PACKETS_SHIFT) & 7 == RUN_FULL:
            _end_run(table, line, run, offset - since)
        run = 0
        line[places.RUN] = 0
    if packet.payload:
        if run and (run >> places.RUN_SIDE_SHIFT) & 1 == packet.side:
            _extend_run(table, line, packet, since, offset)
        else:
            if (run >> places.RUN_PACKETS_SHIFT) & 7 == RUN_FULL:
                _end_run(table, line, run, offset - since)
            _set_run(line, packet.side, 1, 0, packet.payload)
        return 0
    return since if run else 0


@njit(**KERNEL)
def _packets_so_far(table, line):
    """Return how many packets a part has counted, both directions, spilled ones included."""
    total = 0
    for side in range(2):
        spill, _ = spills_of(table, line, side)
        total += direction_line(line, side)[places.PACKETS] & places.MASK32
        total += spill[places.SPILL_PACKETS]
    return total


@njit(**KERNEL)
def _packets_to_early(count):
    """Return how many packets follow `count` until the next power of 8, or the most a row holds."""
    wanted = EARLY_BASE
    while wanted <= count:
        wanted *= EARLY_BASE
    return min(wanted - count, places.TO_EARLY_MASK)


@njit(**HOT)
def count_in_flow(table, line, packet):
    """Count a packet that is not the part's first in the flow line; return whether it makes an
    early record: the part's 8^k-th packet, or the first beyond another 60 s of age."""
    age_mask = table[AGE_MASK]
    offset = packet.time - line[places.START]
    before = line[places.LAST] & age_mask
    gap = add_gap(shifted(line, places.LAST), offset, age_mask)
    if gap > SUBFLOW_TIMEOUT_NS:
        block = owned_block(table, line, places.COLD_FLOW, places.ACTIVITY_SHIFT)
        add_pause(block, gap, before, offset, age_mask)
    since = _follow_run(table, line, packet, gap, offset)
    pace = line[places.PACE]
    to_early = ((pace >> places.TO_EARLY_SHIFT) & places.TO_EARLY_MASK) - 1
    early = offset >= EARLY_AGE_NS and offset // EARLY_AGE_NS > before // EARLY_AGE_NS
    if to_early == 0:
        count = _packets_so_far(table, line) + 1
        to_early = _packets_to_early(count)
        early |= is_power_of_8(count)
    keep = pace & places.VERSION_BITS
    line[places.PACE] = since | to_early << places.TO_EARLY_SHIFT | keep
    return early


@njit(**KERNEL)
def is_power_of_8(count):
    """Return whether a count >= 8 is 8^k."""
    while count >= EARLY_BASE and count % EARLY_BASE == 0:
        count //= EARLY_BASE
    return count == 1


@njit(**HOT)
def begin_flow_line(line, packet):
    """Set the flow line for a part's first packet; the row's words behind the key are zero."""
    line[places.START] = packet.time
    line[places.FIRST_REFERENCE] = packet.reference
    line[places.GAPS] = NO_EXTREMES
    if packet.payload:
        _set_run(line, packet.side, 1, 0, packet.payload)
    line[places.PACE] |= (EARLY_BASE - 1) << places.TO_EARLY_SHIFT


@njit(**HOT)
def count_in_direction(table, line, packet):
    """Count a packet in the line of its direction."""
    side = packet.side
    direction = direction_line(line, side)
    offset = packet.time - line[places.START]
    packets = direction[places.PACKETS]
    add_length(direction, packet.length, packet.header)
    if packets & places.MASK32 == 0:
        direction[places.SIDE_LAST] = offset
        direction[places.SIDE_GAPS] = NO_EXTREMES
        direction[places.FLAGS] = packet.window << places.WINDOW_SHIFT
        if np.int64(line[places.FLOW_KEY] & places.FIRST_B != 0) != side:
            keep_side_line(table, line)
            line[places.SECOND] = offset
    else:
        add_gap(shifted(direction, places.SIDE_LAST), offset, table[AGE_MASK])
    packets = wrapped_sum(packets, 1 + (np.int64(packet.payload > 0) << 32))
    if packets & PAIR_TOPS:
        packets = spill_pair(table, line, side, packets, places.SPILL_PACKETS)
    direction[places.PACKETS] = packets
    octets = wrapped_sum(direction[places.BYTES], packet.length + (packet.payload << 32))
    if octets & PAIR_TOPS:
        octets = spill_pair(table, line, side, octets, places.SPILL_BYTES)
    direction[places.BYTES] = octets
    if packet.tcp:
        flags = direction[places.FLAGS] + table[table[CONSTANTS_AT] + packet.flags]
        if flags & TOPS:
            flags = spill_flags(table, line, side, flags)
        direction[places.FLAGS] = flags
        if packet.flags_known and is_impossible(packet.flags):
            count_impossible(table, line, side, direction)
