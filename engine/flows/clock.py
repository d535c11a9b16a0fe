"""Everything that the clock brings, in order: deadlines before the end of the pane, that end, the
next.

At time T come: the end of the pane that ends at T, packets of T, deadlines = T. So a deadline fires
only for a later clock, a pane ends for its own time already. Whatever is due may stop for want of
room in the event ring or the journal, and before a pane is opened (rewrite.py), and is resumed by
calling again.
"""

from numba import njit

from engine.config import PANE_NS
from engine.flows.deadlines import (
    NO_PANE,
    PANE,
    PANE_ROWS,
    due_next,
    due_row,
    due_soon,
    next_pane,
    rows_filed,
)
from engine.flows.emit import has_room
from engine.flows.finish import ask_for_rest, end_part
from engine.flows.panes import end_pane
from engine.flows.pools import LIVE
from engine.flows.shard import row_at
from engine.layouts import RECORD_SLOTS, places
from engine.layouts.records import CLASS_TIMER, ENDED, IDLE
from engine.layouts.table import OPEN_PANE, TABLE
from engine.memory.options import KERNEL

NEXT_DUE = TABLE.index("next_due_ns")
PENDING = TABLE.index("pending")
PANE_WANTED = TABLE.index("pane_wanted")


@njit(**KERNEL)
def _fire_due(shard, now):
    """End the parts whose deadline is before `now`; return False when the event ring is full."""
    table = shard.table
    while True:
        deadline = due_next(table)
        if deadline >= now:
            return True
        if not has_room(shard, RECORD_SLOTS):
            return False
        row = due_row(shard)
        soon = due_soon(table)
        if soon:
            ask_for_rest(table, soon)
        if row:
            line = row_at(table, row)
            reason = ENDED if line[places.FLOW_KEY] & places.ENDED else IDLE
            order = (deadline, line[places.START], line[places.FIRST_REFERENCE])
            end_part(shard, row, reason, CLASS_TIMER, order)


@njit(**KERNEL)
def _want_pane(table, pane):
    """Have a pane opened between this batch and the next."""
    table[PENDING], table[PANE_WANTED] = OPEN_PANE, pane
    table[PANE_ROWS] = rows_filed(table, pane)
    return False


@njit(**KERNEL)
def advance(shard, now):
    """Let happen what is due before a packet of time `now`; return whether all of it has.

    False: the event ring or the journal is full, or a pane is to be opened first.
    """
    table = shard.table
    now_pane = now // PANE_NS
    if table[PANE] == NO_PANE:
        return _want_pane(table, now_pane)
    if not _fire_due(shard, now):
        return False
    if table[PANE] < now_pane:
        if not end_pane(shard):
            return False
        return _want_pane(table, now_pane if table[LIVE] == 0 else next_pane(table, now_pane))
    deadline = due_next(table)
    end = (table[PANE] + 1) * PANE_NS
    table[NEXT_DUE] = min(deadline, end - 1) + 1  # A deadline fires for a later time than its own.
    return True
