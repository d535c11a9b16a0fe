"""What rewrites a whole region of the table, between two batches: then the journal is empty.

Such work would not fit into the journal. It is committed as pending first, and can be done again
from wherever a death has left it; only the control words are kept meanwhile.

===============  ===================================================================================
open_pane        the due list and the bytes of the pane's rows; recovery names them after the pane
                 again
list_rows        the due list, whose entries nobody needs any more, becomes that of all live rows
drop_entries     the pane list, step by step
===============  ===================================================================================
"""

from numba import njit

from engine.flows.clock import PANE_WANTED, PENDING
from engine.flows.deadlines import open_pane
from engine.flows.keep import begin, commit
from engine.flows.panes import DROPPED, drop_ended
from engine.flows.stop import list_live_rows
from engine.layouts.table import DROP_ENTRIES, NO_REWRITE, OPEN_PANE
from engine.memory.atomics import fence_program
from engine.memory.options import KERNEL


@njit(**KERNEL)
def want_dropped(table):
    """Have entries of ended parts dropped from the pane list. Nothing else is pending."""
    assert table[PENDING] == NO_REWRITE
    table[DROPPED] = 0
    fence_program()  # It is to begin at the first entry.
    table[PENDING] = DROP_ENTRIES


@njit(**KERNEL)
def rewrite(shard):
    """Do what is pending; afterwards nothing is."""
    table = shard.table
    if table[PENDING] == DROP_ENTRIES:
        drop_ended(table)
        table[PENDING] = NO_REWRITE
        return
    begin(table)
    if table[PENDING] == OPEN_PANE:
        open_pane(shard, table[PANE_WANTED])
    else:
        list_live_rows(table)
    table[PENDING] = NO_REWRITE
    commit(table)
