"""Keeping what a batch changes, so that a worker's death loses nothing (rings/journal.py).

A batch is a transaction. Kept are: the control words and counters, once; lines of rows, addresses,
cold blocks, connections, clock steps, words of deadline bytes. Not kept, because recovery derives
them (recover.py): slots, counts of deadline bytes, rows and blocks never used before. Behind a
count that is kept: entries of the pane list. Rewritten between batches only (rewrite.py): the due
list, and the bytes of a pane's rows.

Without process.replace there is no journal, and nothing is kept.
"""

from numba import njit

from engine.flows.shard import row_at
from engine.layouts import places
from engine.layouts.table import TABLE
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import words_between
from engine.rings import journal

JOURNAL_AT = TABLE.index("journal_at")
_CONTROL_WORDS = TABLE.words
# The most that taking a packet keeps, in words of entries: blocks are taken from at most 64 rows
# (pressure.py), 27 words each; eviction, split, spills and the rest take less than 1,200.
OPERATION_WORDS = 4096
# Kept free for the rest of the packet while a row to evict is looked for.
EVICTION_WORDS = 2048
CAPACITY_WORDS = 4 * OPERATION_WORDS
SIDE_LINE = places.FIRST_REFERENCE


@njit(**HOT)
def may_keep(table, words):
    """Return whether the journal has room for that many words of entries."""
    at = table[JOURNAL_AT]
    return at == 0 or journal.has_room(table, at, words)


@njit(**HOT)
def keep_line(table, line, word):
    """Keep the 8 words of the table from `line`[word] on."""
    at = table[JOURNAL_AT]
    if at:
        journal.keep_line(table, at, words_between(table, line) + word)


@njit(**KERNEL)
def keep_words(table, line, word, count):
    """Keep `count` words of the table from `line`[word] on."""
    at = table[JOURNAL_AT]
    if at:
        journal.keep(table, at, words_between(table, line) + word, count)


@njit(**KERNEL)
def keep_side_line(table, line):
    """Keep the side line of a row."""
    keep_line(table, line, SIDE_LINE)


@njit(**KERNEL)
def keep_row(table, row):
    """Keep a whole row."""
    keep_words(table, row_at(table, row), 0, places.ROW_WORDS)


@njit(**KERNEL)
def begin(table):
    """Begin a transaction: keep control words and counters."""
    keep_words(table, table, 0, _CONTROL_WORDS)


@njit(**HOT)
def commit(table):
    """Make what the table has become final."""
    if table[JOURNAL_AT]:
        journal.commit(table, table[JOURNAL_AT])
