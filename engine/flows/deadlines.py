"""When a flow will have been silent for too long.

A packet pays nothing for its flow's deadline: each row has one byte that names the pane in which
its deadline lay when last looked at. When the clock enters a pane, the rows that name it are looked
at: those that had packets since are filed anew, the rest become the due list, sorted. The byte
never names a later pane than the deadline's, because packets only move deadlines forward; a TCP
end, which brings one nearer, files the row at once. Every timeout is at least a pane, so a deadline
set now lies in a later pane.

Panes are named modulo 250; a deadline further ahead is filed 249 panes ahead and looked at then.
How many rows have each name is counted. To evict, a row of a name must be found at once, however
few have it: from the first eviction until there is room again, names are also counted by blocks of
4,096 rows.
"""

import numpy as np
from numba import njit

from engine.config import PANE_NS
from engine.events import counter_index
from engine.flows.keep import EVICTION_WORDS, keep_words, may_keep
from engine.flows.marks import protocol_of
from engine.flows.pools import LIVE, ROW_FRESH, ROWS
from engine.flows.shard import AGE_MASK, row_at
from engine.flows.sorting import BUCKETS, sort_entries
from engine.layouts import places
from engine.layouts.table import TABLE
from engine.memory.lanes import BLOCK, lowest_bit, matching_block, without_lowest_bit
from engine.memory.options import KERNEL
from engine.memory.pointers import prefetch

TIMEOUTS_AT = TABLE.index("timeouts_at")
LINGER_NS = TABLE.index("linger_ns")
PANE = TABLE.index("pane")
DUE_AT = TABLE.index("due_at")
DUE_HEAD = TABLE.index("due_head")
DUE_COUNT = TABLE.index("due_count")
BYTES_AT = TABLE.index("bytes_at")
COUNTS_AT = TABLE.index("counts_at")
PANE_ROWS = TABLE.index("pane_rows")
HAND = TABLE.index("hand")
BLOCKS_COUNTED = TABLE.index("blocks_counted")
MOVED = counter_index("worker", "deadlines_moved")

NAMES = 250  # Names of panes: pane % NAMES + 1. 0: no row, or no deadline wanted.
AHEAD_MAX = NAMES - 1
NO_PANE = -(1 << 62)  # Before the first packet.
NEVER = 251  # Timeout off.
IN_DUE_LIST = 255
BLOCK_SHIFT = 12  # Rows of a block of counts.
COUNT_NAMES = 256
SCRATCH_WORDS = 2 * BUCKETS
_PREFETCH_AHEAD = 8
_OFFSET_SHIFT = 21
_ROOM_SHIFT = 3  # With an eighth of the rows free, evictions are over for a while.


@njit(**KERNEL)
def idle_deadline(table, key, last):
    """Return when a flow whose last packet came at `last` ends for silence; the largest: never."""
    timeout = table[table[TIMEOUTS_AT] + protocol_of(key)]
    return last + timeout if timeout else np.int64(places.TIME_MAX)


@njit(**KERNEL)
def deadline_of(table, line):
    """Return when a row's part ends if it stays silent; the largest time when never."""
    last = line[places.START] + (line[places.LAST] & table[AGE_MASK])
    if line[places.FLOW_KEY] & places.ENDED:
        return last + table[LINGER_NS]
    return idle_deadline(table, line[places.FLOW_KEY], last)


@njit(**KERNEL)
def name_of(table, row):
    """Return a row's byte."""
    return (table[table[BYTES_AT] + (row >> 3)] >> 8 * (row & 7)) & 255


@njit(**KERNEL)
def _rename(table, row, name):
    """Set a row's byte and keep the counts."""
    at = table[BYTES_AT] + (row >> 3)
    shift = 8 * (row & 7)
    word = table[at]
    before = (word >> shift) & 255
    table[at] = word ^ ((before ^ name) << shift)
    counts = table[COUNTS_AT]
    table[counts + before] -= 1
    table[counts + name] += 1
    if table[BLOCKS_COUNTED]:
        block = counts + COUNT_NAMES * (1 + (row >> BLOCK_SHIFT))
        table[block + before] -= 1
        table[block + name] += 1


@njit(**KERNEL)
def _name_for(table, deadline):
    """Return the byte of a row that must be looked at for a deadline beyond the pane."""
    if deadline == places.TIME_MAX:
        return np.int64(NEVER)
    pane = min(deadline // PANE_NS, table[PANE] + AHEAD_MAX)
    assert pane > table[PANE]
    return pane % NAMES + 1


@njit(**KERNEL)
def file_deadline(table, row, deadline):
    """Note in which pane a row must be looked at."""
    keep_words(table, table, table[BYTES_AT] + (row >> 3), 1)
    _rename(table, row, _name_for(table, deadline))


@njit(**KERNEL)
def forget_deadline(table, row):
    """Note that a row is not to be looked at any more."""
    keep_words(table, table, table[BYTES_AT] + (row >> 3), 1)
    _rename(table, row, 0)


@njit(**KERNEL)
def next_pane(table, now_pane):
    """Return the next pane, at most `now_pane`, in which a row is to be looked at."""
    pane = table[PANE]
    for ahead in range(1, AHEAD_MAX + 1):
        if pane + ahead >= now_pane:
            break
        if table[table[COUNTS_AT] + (pane + ahead) % NAMES + 1]:
            return pane + ahead
    return now_pane


@njit(**KERNEL)
def rows_filed(table, pane):
    """Return how many rows are named after a pane."""
    return table[table[COUNTS_AT] + pane % NAMES + 1]


@njit(**KERNEL)
def _collect(table, name):
    """Write the numbers of the rows of that name to the due list; return how many."""
    found = 0
    octets, due = table[BYTES_AT], table[DUE_AT]
    wanted = table[table[COUNTS_AT] + name]
    first = 0
    while found < wanted:
        matches = matching_block(table, octets + (first >> 3), name)
        while matches:
            table[due + found] = first + lowest_bit(matches)
            found += 1
            matches = without_lowest_bit(matches)
        first += BLOCK
    return found


@njit(**KERNEL)
def open_pane(shard, pane):
    """Enter a pane: make the due list of the rows whose deadline lies in it.

    Between batches only; bytes are not kept. Begun again after a death, once every row in the due
    list is named after the pane again: those that were filed anew are where they belong.
    """
    table = shard.table
    table[PANE] = pane
    if table[LIVE] < table[ROWS] - (table[ROWS] >> _ROOM_SHIFT):
        table[BLOCKS_COUNTED] = 0
    due = table[DUE_AT]
    found = _collect(table, pane % NAMES + 1) if rows_filed(table, pane) else 0
    kept = 0
    for k in range(found):
        if k + _PREFETCH_AHEAD < found:
            prefetch(row_at(table, table[due + k + _PREFETCH_AHEAD]), 0)
        row = table[due + k]
        deadline = deadline_of(table, row_at(table, row))
        if deadline // PANE_NS == pane:
            _rename(table, row, IN_DUE_LIST)
            table[due + kept] = (deadline - pane * PANE_NS) << _OFFSET_SHIFT | row
            kept += 1
        else:
            _rename(table, row, _name_for(table, deadline))
    shard.counters[MOVED] += table[PANE_ROWS] - kept  # However often this was begun.
    sort_entries(table, due, kept, table[COUNTS_AT] - SCRATCH_WORDS)
    table[DUE_HEAD] = 0
    table[DUE_COUNT] = kept


@njit(**KERNEL)
def due_next(table):
    """Return the time of the next deadline in the due list; the largest time if there is none."""
    if table[DUE_HEAD] == table[DUE_COUNT]:
        return np.int64(places.TIME_MAX)
    entry = table[table[DUE_AT] + table[DUE_HEAD]]
    return table[PANE] * PANE_NS + (entry >> _OFFSET_SHIFT)


@njit(**KERNEL)
def due_row(shard):
    """Take the next row off the due list; return it, or 0 if it is no longer due."""
    table = shard.table
    due, head, count = table[DUE_AT], table[DUE_HEAD], table[DUE_COUNT]
    deadline = due_next(table)
    if head + _PREFETCH_AHEAD < count:
        row_ahead = table[due + head + _PREFETCH_AHEAD] & places.REFERENCE_MASK
        line = row_at(table, row_ahead)
        for word in range(0, places.ROW_WORDS, places.LINE_WORDS):
            prefetch(line, word)
        prefetch(table, table[BYTES_AT] + (row_ahead >> 3))
    table[DUE_HEAD] = head + 1
    row = table[due + head] & places.REFERENCE_MASK
    if name_of(table, row) != IN_DUE_LIST:
        return np.int64(0)
    actual = deadline_of(table, row_at(table, row))
    if actual == deadline:
        return row
    shard.counters[MOVED] += 1
    file_deadline(table, row, actual)
    return np.int64(0)


@njit(**KERNEL)
def due_soon(table):
    """Return a row that will be due shortly and whose lines have been asked for; 0 if none."""
    soon = table[DUE_HEAD] + _PREFETCH_AHEAD // 2
    if soon >= table[DUE_COUNT]:
        return np.int64(0)
    return table[table[DUE_AT] + soon] & places.REFERENCE_MASK


@njit(**KERNEL)
def count_names(table, pane):
    """Count the names of all rows anew; rows in the due list are named after `pane` again first.

    A `pane` before all panes leaves names as they are.
    """
    counts = table[COUNTS_AT]
    for name in range(COUNT_NAMES):
        table[counts + name] = 0
    for row in range(1, table[ROW_FRESH] + 1):
        name = name_of(table, row)
        if name == IN_DUE_LIST and pane != NO_PANE:
            word = table[BYTES_AT] + (row >> 3)
            table[word] ^= (name ^ (pane % NAMES + 1)) << 8 * (row & 7)
            name = pane % NAMES + 1
        if name:
            table[counts + name] += 1
    if table[BLOCKS_COUNTED]:
        _count_blocks(table)


@njit(**KERNEL)
def _count_blocks(table):
    """Count names by blocks of rows, from now on."""
    counts, octets = table[COUNTS_AT], table[BYTES_AT]
    blocks = (table[ROWS] >> BLOCK_SHIFT) + 1
    for k in range(COUNT_NAMES * blocks):
        table[counts + COUNT_NAMES + k] = 0
    for row in range(1, table[ROW_FRESH] + 1):
        name = (table[octets + (row >> 3)] >> 8 * (row & 7)) & 255
        table[counts + COUNT_NAMES * (1 + (row >> BLOCK_SHIFT)) + name] += 1
    table[BLOCKS_COUNTED] = 1


@njit(**KERNEL)
def _find_named(table, name):
    """Return a row of that name; there is one. The search goes on where the last one ended."""
    counts, octets = table[COUNTS_AT], table[BYTES_AT]
    blocks = (table[ROW_FRESH] >> BLOCK_SHIFT) + 1
    block = table[HAND] % blocks
    while table[counts + COUNT_NAMES * (1 + block) + name] == 0:
        block = (block + 1) % blocks
    table[HAND] = block
    row = block << BLOCK_SHIFT
    while True:
        matches = matching_block(table, octets + (row >> 3), name)
        if matches:
            return row + lowest_bit(matches)
        row += BLOCK


@njit(**KERNEL)
def row_to_evict(table):
    """Return a row whose deadline lies in the earliest pane that has any.

    0: so many were looked at and filed anew that the journal lacks room; call again after a commit.
    """
    if table[BLOCKS_COUNTED] == 0:
        _count_blocks(table)
    while may_keep(table, EVICTION_WORDS):  # Ends: a row is moved to a later name, or returned.
        name = IN_DUE_LIST
        if table[table[COUNTS_AT] + name] == 0:
            name = NEVER
            for ahead in range(1, AHEAD_MAX + 1):
                ahead_name = (table[PANE] + ahead) % NAMES + 1
                if table[table[COUNTS_AT] + ahead_name]:
                    name = ahead_name
                    break
        row = _find_named(table, name)
        assert row > 0
        if name == NEVER:
            return row
        deadline = deadline_of(table, row_at(table, row))
        if name == IN_DUE_LIST:
            if deadline // PANE_NS == table[PANE]:
                return row
        else:
            pane = min(deadline // PANE_NS, table[PANE] + AHEAD_MAX)
            if pane % NAMES + 1 == name:
                return row
        file_deadline(table, row, deadline)
    return np.int64(0)
