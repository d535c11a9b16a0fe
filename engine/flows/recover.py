"""What a worker's replacement does before its loop: the table as of the last commit, and published.

    undo              kept lines, rows, blocks, bytes, control words and counters
    clear             rows and blocks that had not been used before
    count the names   of deadline bytes; rows of a due list in the making are named after its pane
    fill the index    from the live rows
    publish           events, watermark, counters, packet slots: once more, or what was not yet

Killed itself, at whatever instruction, it is replaced by another that does the same again. Readers
of live rows (snapshot.py) are no part of the transaction: a row that is taken back gets a version
that it never had, odd until it is whole.
"""

from numba import njit

from engine.flows.clock import PANE_WANTED, PENDING
from engine.flows.consume import publish
from engine.flows.deadlines import NO_PANE, count_names
from engine.flows.finish import row_tag
from engine.flows.keep import JOURNAL_AT
from engine.flows.panes import BATCH
from engine.flows.pools import COLD_FRESH, ROW_FRESH, ROWS, mark_changing, mark_settled
from engine.flows.pressure import BLOCKS_MAX
from engine.flows.shard import ROWS_AT, block_at, row_at, shard_of_arrays
from engine.flows.slots import SLOTS, SLOTS_AT, insert_slot
from engine.layouts import places
from engine.layouts.table import OPEN_PANE, TABLE
from engine.memory.atomics import fence_release, store_release
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer
from engine.rings import journal

_BLOCKS = TABLE.index("blocks")


@njit(**KERNEL)
def recover(arrays, packet_ring):
    """Make the table what it was at its last commit, and publish that. Return entries undone."""
    shard = shard_of_arrays(arrays)
    table = shard.table
    at = table[JOURNAL_AT]
    assert at > 0, "there is a journal"
    _make_versions_new(table, at)
    undone = journal.undo(table, at)
    _clear_unused(table)
    pending = table[PENDING]
    count_names(table, table[PANE_WANTED] if pending == OPEN_PANE else NO_PANE)
    _fill_index(table)
    publish(shard, pointer(packet_ring))
    return undone


@njit(**KERNEL)
def _make_versions_new(table, at):
    """Have every row that will be taken back look as if it were being changed, also while it is."""
    used = table[at + journal.USED]
    if used == 0:
        return
    for row in range(_fresh_rows_before(table, at) + 1, table[ROW_FRESH] + 1):
        mark_changing(row_at(table, row))  # Such rows have no entry; nor need they a new version.
    rows_at, end = table[ROWS_AT], table[ROWS_AT] + (table[ROWS] + 1) * places.ROW_WORDS
    while used > 0:
        place, count, kept = journal.last_entry(table, at, used)
        used -= count + 1
        row = (place - rows_at) // places.ROW_WORDS
        if place < rows_at or place >= end:
            continue
        line = row_at(table, row)
        version = (line[places.PACE] >> places.VERSION_SHIFT) + 2 | 1
        bits = version << places.VERSION_SHIFT
        line[places.PACE] = line[places.PACE] & ~places.VERSION_BITS | bits
        if place == rows_at + row * places.ROW_WORDS:
            pace = table[kept + places.PACE]
            table[kept + places.PACE] = pace & ~places.VERSION_BITS | bits
    fence_release()  # Every such version is odd before any other word changes.


@njit(**KERNEL)
def _fresh_rows_before(table, at):
    """Return how many rows had ever been used at the last commit: the first entry says it."""
    return table[at + journal.ENTRIES + ROW_FRESH]


@njit(**KERNEL)
def _clear_unused(table):
    """Make rows and blocks zero again that the batch was the first to use: it can be so many."""
    rows = min(table[ROW_FRESH] + BATCH, table[ROWS])
    for row in range(table[ROW_FRESH] + 1, rows + 1):
        _clear_row(row_at(table, row))
    blocks = min(table[COLD_FRESH] + BLOCKS_MAX * BATCH, table[_BLOCKS])
    for block in range(table[COLD_FRESH] + 1, blocks + 1):
        line = block_at(table, block)
        for word in range(places.BLOCK_WORDS):
            line[word] = 0


@njit(**KERNEL)
def _clear_row(line):
    """Make a row zero again, its odd version last: readers may have heard of it before."""
    for word in range(places.PACE):
        line[word] = 0
    for word in range(places.PACE + 1, places.ROW_WORDS):
        line[word] = 0
    store_release(line, places.PACE, 0)


@njit(**KERNEL)
def _fill_index(table):
    """Fill the index from the live rows, and settle each that was being changed."""
    slots_at = table[SLOTS_AT]
    for slot in range(table[SLOTS]):
        table[slots_at + slot] = 0
    for row in range(1, table[ROW_FRESH] + 1):
        line = row_at(table, row)
        if line[places.PACE] & places.VERSION_ONE:
            mark_settled(line)
        if line[places.FIRST_REFERENCE] >= 0:
            insert_slot(table, row_tag(table, line), row)
