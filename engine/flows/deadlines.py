"""When a flow will have been silent for too long.

A packet pays nothing for its flow's deadline: each row has one byte that names the pane in which
its deadline lay when last looked at. When the clock enters a pane, the rows that name it are looked
at: those that had packets since are filed anew, the rest become the due list, sorted. The byte
never names a later pane than the deadline's, because packets only move deadlines forward; a TCP
end, which brings one nearer, files the row at once. Every timeout is at least a pane, so a deadline
set now lies in a later pane.

Panes are named modulo 250; a deadline further ahead is filed 249 panes ahead and looked at then.
Counts of each name, for all rows and for blocks of 4,096, tell where there is anything to find.
"""

import numpy as np
from numba import njit

from engine.config import PANE_NS
from engine.events import counter_index
from engine.flows.pools import ROW_FRESH
from engine.flows.shard import row_at
from engine.flows.sorting import BUCKETS, sort_entries
from engine.layouts import places
from engine.layouts.table import TABLE
from engine.memory.lanes import matching_bytes
from engine.memory.options import KERNEL
from engine.memory.pointers import prefetch

IDLE_NS = TABLE.index("idle_ns")
LINGER_NS = TABLE.index("linger_ns")
AGE_MASK = TABLE.index("age_mask")
PANE = TABLE.index("pane")
DUE_AT = TABLE.index("due_at")
DUE_HEAD = TABLE.index("due_head")
DUE_COUNT = TABLE.index("due_count")
BYTES_AT = TABLE.index("bytes_at")
COUNTS_AT = TABLE.index("counts_at")
HAND = TABLE.index("hand")
MOVED = counter_index("worker", "deadlines_moved")

NAMES = 250  # Names of panes: pane % NAMES + 1. 0: no row, or no deadline wanted.
AHEAD_MAX = NAMES - 1
NEVER = 251  # Timeout off.
IN_DUE_LIST = 255
BLOCK_SHIFT = 12  # Rows of a block of counts.
COUNT_NAMES = 256
SCRATCH_WORDS = 2 * BUCKETS
_PREFETCH_AHEAD = 8
_OFFSET_SHIFT = 21


@njit(**KERNEL)
def deadline_of(table, line):
    """Return when a row's part ends if it stays silent; the largest time when never."""
    last = line[places.START] + (line[places.LAST] & table[AGE_MASK])
    if line[places.FLOW_KEY] & places.ENDED:
        return last + table[LINGER_NS]
    if table[IDLE_NS] == 0:
        return np.int64(places.TIME_MAX)
    return last + table[IDLE_NS]


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
    block = counts + COUNT_NAMES * (1 + (row >> BLOCK_SHIFT))
    table[counts + before] -= 1
    table[block + before] -= 1
    table[counts + name] += 1
    table[block + name] += 1


@njit(**KERNEL)
def file_deadline(table, row, deadline):
    """Note in which pane a row must be looked at."""
    if deadline == places.TIME_MAX:
        _rename(table, row, NEVER)
        return
    pane = min(deadline // PANE_NS, table[PANE] + AHEAD_MAX)
    assert pane > table[PANE]
    _rename(table, row, pane % NAMES + 1)


@njit(**KERNEL)
def forget_deadline(table, row):
    """Note that a row is not to be looked at any more."""
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
def _collect(table, name):
    """Write the numbers of the rows of that name to the due list; return how many."""
    found = 0
    counts, octets, due = table[COUNTS_AT], table[BYTES_AT], table[DUE_AT]
    wanted = table[counts + name]
    block_words = 1 << BLOCK_SHIFT - 3
    for block in range((table[ROW_FRESH] >> BLOCK_SHIFT) + 1):
        if found == wanted:
            break
        if table[counts + COUNT_NAMES * (1 + block) + name] == 0:
            continue
        first = block * block_words
        for word in range(first, min(first + block_words, (table[ROW_FRESH] >> 3) + 1)):
            matches = matching_bytes(table[octets + word], name)
            place = 8 * word
            while matches:
                if matches & 1:
                    table[due + found] = place
                    found += 1
                matches >>= 1
                place += 1
    return found


@njit(**KERNEL)
def open_pane(shard, pane):
    """Enter a pane: make the due list of the rows whose deadline lies in it."""
    table = shard.table
    table[PANE] = pane
    name = pane % NAMES + 1
    due = table[DUE_AT]
    found = _collect(table, name) if table[table[COUNTS_AT] + name] else 0
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
            shard.counters[MOVED] += 1
            file_deadline(table, row, deadline)
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
        line = row_at(table, table[due + head + _PREFETCH_AHEAD] & places.REFERENCE_MASK)
        for word in range(0, places.ROW_WORDS, places.LINE_WORDS):
            prefetch(line, word)
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
def _find_named(table, name):
    """Return a row of that name; there is one. The search goes on where the last one ended."""
    counts, octets = table[COUNTS_AT], table[BYTES_AT]
    blocks = (table[ROW_FRESH] >> BLOCK_SHIFT) + 1
    block = table[HAND] % blocks
    while table[counts + COUNT_NAMES * (1 + block) + name] == 0:
        block = (block + 1) % blocks
    table[HAND] = block
    first = block << BLOCK_SHIFT - 3
    for word in range(first, first + (1 << BLOCK_SHIFT - 3)):
        matches = matching_bytes(table[octets + word], name)
        place = 8 * word
        while matches:
            if matches & 1:
                return np.int64(place)
            matches >>= 1
            place += 1
    return np.int64(0)


@njit(**KERNEL)
def row_to_evict(table):
    """Return a row whose deadline lies in the earliest pane that has any."""
    while True:  # Ends: a row is moved to a later name, or returned.
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
