"""The pane list: who had a packet in the pane, in order; what they send when it ends.

An entry stays when its part ends. It is recognised by its row: a part that began with the entry's
packet has it as first_reference, a part that did not began before the pane; a free row is neither.
Where more parts have a packet in the pane than there are rows, which takes evictions, the list
becomes full: then all such entries are dropped, between two batches. A row has at most one that
stays, and the list has room for 1/32 more than there are rows, so each dropping pays for at least
so many evictions. Sending may stop anywhere for want of room: phase and cursor say where to go on.
"""

import numpy as np
from numba import njit

from engine.config import PANE_NS
from engine.features.flags import rst_count
from engine.features.services import TCP_PROTOCOL
from engine.features.totals import direction_line, impossible_count
from engine.flows.deadlines import PANE
from engine.flows.emit import emit_delta, emit_record, has_room
from engine.flows.keep import keep_line
from engine.flows.marks import protocol_of
from engine.flows.pools import ask_for_cold, owned_block
from engine.flows.pressure import RECLAIMED
from engine.flows.shard import row_at
from engine.layouts import RECORD_SLOTS, places
from engine.layouts.records import CLASS_PANE
from engine.layouts.table import PANE_ENTRY, TABLE
from engine.memory.atomics import fence_program
from engine.memory.options import KERNEL
from engine.memory.pointers import prefetch, shifted

PANE_COUNT = TABLE.index("pane_count")
PANE_CURSOR = TABLE.index("pane_cursor")
PANE_PHASE = TABLE.index("pane_phase")
PANES_AT = TABLE.index("panes_at")
_ROWS = TABLE.index("rows")
DROPPED = TABLE.index("dropped")
ENTRY_WORDS = PANE_ENTRY.words
_OFFSET_SHIFT = PANE_ENTRY.shift("place", "offset")
_OFFSET_MASK = PANE_ENTRY.mask("place", "offset")
_BEGAN = 1 << PANE_ENTRY.shift("place", "began")
_OPEN, _DELTAS, _EARLY = 0, 1, 2
_PREFETCH_AHEAD = 16
_SPARE_ENTRIES = 16  # For tables of few rows.
BATCH = 32  # Packets between two looks at whether the list has room.


@njit(**KERNEL)
def pane_capacity(rows):
    """Return how many entries the pane list of a table of that many rows has room for."""
    return rows + (rows >> 5) + _SPARE_ENTRIES + BATCH


@njit(**KERNEL)
def lacks_room(table):
    """Return whether the pane list may become full in a batch."""
    is_open = table[PANE_PHASE] == _OPEN  # Else the list is emptied before the next entry.
    return is_open and table[PANE_COUNT] + BATCH > pane_capacity(table[_ROWS])


@njit(**KERNEL)
def enter_pane(table, row, time, reference, began):
    """Append a flow to the pane list with its first packet there."""
    count = table[PANE_COUNT]
    assert count < pane_capacity(table[_ROWS])
    entry = shifted(table, table[PANES_AT] + count * ENTRY_WORDS)
    entry[0] = reference
    offset = time - table[PANE] * PANE_NS
    entry[1] = row | offset << _OFFSET_SHIFT | (_BEGAN if began else 0)
    table[PANE_COUNT] = count + 1


@njit(**KERNEL)
def _is_current(table, line, reference, began):
    """Return whether a pane entry's part is still the one in its row."""
    if began:
        return line[places.FIRST_REFERENCE] == reference
    return line[places.START] < table[PANE] * PANE_NS


@njit(**KERNEL)
def drop_ended(table):
    """Drop the entries whose parts have ended; the others keep their order.

    Between batches only. Nothing is kept in the journal: DROPPED says how far this has come, and
    what a step writes it may write again. An entry is moved to its own place or to one that was
    looked at before.
    """
    count = table[PANE_COUNT]
    kept, first = table[DROPPED] >> 32, table[DROPPED] & places.MASK32
    for index in range(first, count):
        if index + _PREFETCH_AHEAD < count:
            place = _place_of_entry(table, index + _PREFETCH_AHEAD)
            line = row_at(table, place & places.REFERENCE_MASK)
            prefetch(line, places.START)
            prefetch(line, places.FIRST_REFERENCE)
        entry = shifted(table, table[PANES_AT] + index * ENTRY_WORDS)
        reference, place = entry[0], entry[1]
        line = row_at(table, place & places.REFERENCE_MASK)
        if _is_current(table, line, reference, place & _BEGAN):
            target = shifted(table, table[PANES_AT] + kept * ENTRY_WORDS)
            target[0], target[1] = reference, place
            kept += 1
        fence_program()  # The entry is in its place before it counts as moved.
        table[DROPPED] = kept << 32 | index + 1
        fence_program()  # And before its old place is written.
    assert kept <= table[_ROWS]
    table[PANE_COUNT] = kept
    fence_program()  # Done once more from here, it finds nothing to do.


@njit(**KERNEL)
def _foresee(table, index, wanted):
    """Ask for the row of the entry that comes in a while, and for what a nearer one's refers to.

    `wanted`: bits of an entry's place, one of which it must have.
    """
    count = table[PANE_COUNT]
    if index + _PREFETCH_AHEAD < count:
        place = _place_of_entry(table, index + _PREFETCH_AHEAD)
        if place & wanted:
            line = row_at(table, place & places.REFERENCE_MASK)
            for word in range(0, places.ROW_WORDS, places.LINE_WORDS):
                prefetch(line, word)
    if index + _PREFETCH_AHEAD // 2 < count:
        place = _place_of_entry(table, index + _PREFETCH_AHEAD // 2)
        if place & wanted:
            ask_for_cold(table, row_at(table, place & places.REFERENCE_MASK))


@njit(**KERNEL)
def _place_of_entry(table, index):
    return table[table[PANES_AT] + index * ENTRY_WORDS + 1]


@njit(**KERNEL)
def _send_deltas(shard):
    """Send deltas from the cursor on; return whether all are sent."""
    table = shard.table
    count = table[PANE_COUNT]
    begin_ns = table[PANE] * PANE_NS
    for index in range(table[PANE_CURSOR], count):
        _foresee(table, index, places.REFERENCE_MASK)
        if not has_room(shard, 1):
            table[PANE_CURSOR] = index
            return False
        entry = shifted(table, table[PANES_AT] + index * ENTRY_WORDS)
        row = entry[1] & places.REFERENCE_MASK
        line = row_at(table, row)
        if _is_current(table, line, entry[0], entry[1] & _BEGAN):
            time = begin_ns + ((entry[1] >> _OFFSET_SHIFT) & _OFFSET_MASK)
            keep_line(table, line, 0)
            emit_delta(shard, row, time, entry[0])
            line[places.FLOW_KEY] &= ~places.IN_PANE
    return True


@njit(**KERNEL)
def _send_early(shard):
    """Send the pane-end early records from the cursor on; return whether all are sent."""
    table = shard.table
    count = table[PANE_COUNT]
    end_ns = (table[PANE] + 1) * PANE_NS
    for index in range(table[PANE_CURSOR], count):
        _foresee(table, index, _BEGAN)
        entry = shifted(table, table[PANES_AT] + index * ENTRY_WORDS)
        row = entry[1] & places.REFERENCE_MASK
        line = row_at(table, row)
        if entry[1] & _BEGAN and _is_current(table, line, entry[0], 1):
            if not has_room(shard, RECORD_SLOTS):
                table[PANE_CURSOR] = index
                return False
            order = (end_ns, line[places.START], entry[0])
            emit_record(shard, row, 0, CLASS_PANE, order)
    return True


@njit(**KERNEL)
def end_pane(shard):
    """Send what the end of the pane brings; return False when the event ring is full."""
    table = shard.table
    if table[PANE_PHASE] == _OPEN:
        if table[PANE_COUNT] == 0:
            return True
        table[PANE_CURSOR] = 0
        table[PANE_PHASE] = _DELTAS
    if table[PANE_PHASE] == _DELTAS:
        if not _send_deltas(shard):
            return False
        table[PANE_CURSOR] = 0
        table[PANE_PHASE] = _EARLY
    if not _send_early(shard):
        return False
    table[PANE_COUNT] = 0
    table[PANE_PHASE] = _OPEN
    table[RECLAIMED] = 0
    return True


@njit(**KERNEL)
def note_totals(table, line, totals, spills):
    """Keep a part's totals in its pane block, before a packet of a later pane changes them.

    `spills`: spill and spill flags blocks of A, then of B.
    """
    block = owned_block(table, line, places.COLD_FLOW, places.PANE_SHIFT)
    spill_a, flags_a, spill_b, flags_b = spills
    key = line[places.FLOW_KEY]
    side = np.int64(key & places.INITIATOR_B != 0)
    low, high = (32, 0) if side else (0, 32)
    packets = (totals.fwd_packets & places.MASK32) << low
    block[places.PANE_PACKETS] = packets | (totals.bwd_packets & places.MASK32) << high
    block[places.PANE_BYTES + side] = totals.fwd_bytes
    block[places.PANE_BYTES + 1 - side] = totals.bwd_bytes
    block[places.PANE_PAYLOAD + side] = totals.fwd_payload
    block[places.PANE_PAYLOAD + 1 - side] = totals.bwd_payload
    line_a, line_b = direction_line(line, 0), direction_line(line, 1)
    block[places.PANE_SQUARES] = line_a[places.SQUARES] + line_b[places.SQUARES]
    resets = np.int64(0)
    if protocol_of(key) == TCP_PROTOCOL:
        resets = rst_count(line_a, flags_a) + rst_count(line_b, flags_b)
    block[places.PANE_DATA_RST] = (totals.fwd_data & places.MASK32) | resets << 32
    impossible_a = impossible_count(line_a, spill_a)
    block[places.PANE_IMPOSSIBLE] = impossible_a | impossible_count(line_b, spill_b) << 32
