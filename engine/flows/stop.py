"""The end of the input, or of a file under --separate: every flow that is left becomes a final.

First the clock moves to E, the end of the pane of the last packet; then all live parts end with
time E in order of their first packets. Sending may stop for want of room, and before the rows are
listed (rewrite.py), and is resumed by calling again.
"""

from numba import njit

from engine.config import PANE_NS
from engine.flows.clock import NEXT_DUE, PENDING, advance
from engine.flows.deadlines import (
    COUNTS_AT,
    DUE_AT,
    DUE_COUNT,
    DUE_HEAD,
    NO_PANE,
    PANE,
    SCRATCH_WORDS,
)
from engine.flows.emit import has_room
from engine.flows.finish import ask_for_rest, end_part
from engine.flows.pools import LIVE, ROW_FRESH
from engine.flows.pressure import RECLAIMED
from engine.flows.shard import row_at
from engine.flows.sorting import sort_entries
from engine.flows.steps import STEP_COUNT
from engine.layouts import RECORD_SLOTS, places
from engine.layouts.records import CLASS_STOP, FORCED
from engine.layouts.table import LIST_ROWS, TABLE
from engine.memory.options import KERNEL
from engine.memory.pointers import prefetch

STOP_CURSOR = TABLE.index("stop_cursor")
STOP_COUNT = TABLE.index("stop_count")
STOP_NS = TABLE.index("stop_ns")
_NOT_STOPPING = -1
_FIRST_DUE = -(1 << 63)
_ROW_BITS = 21
_VALUE_BITS_MAX = 41  # Above the row's 21 bits, below the sign.
_PREFETCH_AHEAD = 16


@njit(**KERNEL)
def list_live_rows(table):
    """Fill the due list with all live rows in order of their parts' first packets.

    Between batches only: the due list, which nobody needs any more, is not kept.
    """
    due, fresh = table[DUE_AT], table[ROW_FRESH]
    earliest, latest = places.TIME_MAX, -places.TIME_MAX
    count = 0
    for row in range(1, fresh + 1):
        line = row_at(table, row)
        if line[places.FIRST_REFERENCE] >= 0:
            earliest = min(earliest, line[places.START])
            latest = max(latest, line[places.START])
            table[due + count] = row
            count += 1
    # Half a ns and more is left to the comparison: the difference of two int64 need not be one.
    shift = 1
    while count and ((latest >> 1) - (earliest >> 1)) >> (shift - 1) >> _VALUE_BITS_MAX:
        shift += 1
    for k in range(count):
        row = table[due + k]
        start = row_at(table, row)[places.START]
        value = ((start >> 1) - (earliest >> 1)) >> (shift - 1)
        table[due + k] = value << _ROW_BITS | row
    sort_entries(table, due, count, table[COUNTS_AT] - SCRATCH_WORDS)
    table[STOP_CURSOR] = 0
    table[STOP_COUNT] = count


@njit(**KERNEL)
def stop(shard, last_time):
    """End everything after a last packet of `last_time`; return whether everything has ended.

    False: the event ring or the journal is full, or something is to be rewritten first.
    """
    table = shard.table
    if table[STOP_COUNT] == _NOT_STOPPING:
        end_ns = (last_time // PANE_NS + 1) * PANE_NS
        if table[LIVE] and not advance(shard, end_ns):
            return False
        table[STOP_NS] = end_ns
        table[DUE_HEAD] = table[DUE_COUNT]  # Who is left is forced, due or not.
        table[PENDING] = LIST_ROWS
        return False
    due, count = table[DUE_AT], table[STOP_COUNT]
    for index in range(table[STOP_CURSOR], count):
        if not has_room(shard, RECORD_SLOTS):
            table[STOP_CURSOR] = index
            return False
        if index + _PREFETCH_AHEAD < count:
            ahead = row_at(table, table[due + index + _PREFETCH_AHEAD] & places.REFERENCE_MASK)
            for word in range(0, places.ROW_WORDS, places.LINE_WORDS):
                prefetch(ahead, word)
        if index + _PREFETCH_AHEAD // 2 < count:
            ask_for_rest(table, table[due + index + _PREFETCH_AHEAD // 2] & places.REFERENCE_MASK)
        row = table[due + index] & places.REFERENCE_MASK
        line = row_at(table, row)
        order = (table[STOP_NS], line[places.START], line[places.FIRST_REFERENCE])
        end_part(shard, row, FORCED, CLASS_STOP, order)
    _forget_source(table)
    return True


@njit(**KERNEL)
def _forget_source(table):
    """Make the empty table ready for another source, whose clock is another."""
    assert table[LIVE] == 0
    table[STOP_COUNT] = _NOT_STOPPING
    table[PANE] = NO_PANE
    table[DUE_HEAD] = 0
    table[DUE_COUNT] = 0
    table[NEXT_DUE] = _FIRST_DUE
    table[STEP_COUNT] = 0
    table[RECLAIMED] = 0
