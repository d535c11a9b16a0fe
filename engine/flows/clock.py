"""Everything that the clock brings, in order: deadlines before the end of the pane, that end, the
next.

At time T come: the end of the pane that ends at T, packets of T, deadlines = T. So a deadline fires
only for a later clock, a pane ends for its own time already. Whatever is due may stop for want of
room in the event ring and is resumed by calling again.
"""

from numba import njit

from engine.config import PANE_NS
from engine.flows.deadlines import PANE, due_next, due_row, due_soon, next_pane, open_pane
from engine.flows.emit import has_room
from engine.flows.finish import ask_for_rest, end_part
from engine.flows.panes import end_pane
from engine.flows.pools import LIVE
from engine.flows.shard import row_at
from engine.layouts import RECORD_SLOTS, places
from engine.layouts.records import CLASS_TIMER, ENDED, IDLE
from engine.layouts.table import TABLE
from engine.memory.options import KERNEL

NEXT_DUE = TABLE.index("next_due_ns")
NO_PANE = -(1 << 62)  # Before the first packet.


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
def advance(shard, now):
    """Let happen what is due before a packet of time `now`; False when the event ring is full."""
    table = shard.table
    now_pane = now // PANE_NS
    if table[PANE] == NO_PANE:
        open_pane(shard, now_pane)
    while True:
        if not _fire_due(shard, now):
            return False
        if table[PANE] >= now_pane:
            break
        if not end_pane(shard):
            return False
        open_pane(shard, now_pane if table[LIVE] == 0 else next_pane(table, now_pane))
    deadline = due_next(table)
    end = (table[PANE] + 1) * PANE_NS
    table[NEXT_DUE] = min(deadline, end - 1) + 1  # A deadline fires for a later time than its own.
    return True
