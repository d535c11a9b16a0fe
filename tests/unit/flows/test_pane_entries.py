"""The pane list takes as many entries as it has room for, and only those whose part is still there.

Method: control words, a row and a list of entries by themselves, at the limits. What a worker makes
of the list is shown by the twin (tests/property) and by test_pane_list.py.
"""

import numpy as np
import pytest
from numba import njit

from engine.config import PANE_NS
from engine.flows import panes
from engine.flows.deadlines import PANE
from engine.flows.panes import (
    BATCH,
    ENTRY_WORDS,
    PANE_COUNT,
    PANE_PHASE,
    PANES_AT,
    lacks_room,
    pane_capacity,
)
from engine.flows.pools import ROWS
from engine.flows.shard import ROWS_AT
from engine.layouts import places
from engine.layouts.table import TABLE
from engine.memory.options import KERNEL
from engine.memory.pointers import pointer

NOW, FEW = 7, 2
OPEN, DELTAS = panes._OPEN, panes._DELTAS


@njit(**KERNEL)
def enter_pane(words, row, time, reference, began):
    """Append a flow to the pane list of a table, int64 (words,)."""
    panes.enter_pane(pointer(words), row, time, reference, began)


@njit(**KERNEL)
def drop_ended(words):
    """Drop what has ended from the pane list of a table, int64 (words,)."""
    panes.drop_ended(pointer(words))


@pytest.fixture
def table():
    """Return a table of FEW rows with a pane list, by its offsets alone; pane NOW is open."""
    rows_at = TABLE.words
    panes_at = rows_at + (FEW + 1) * places.ROW_WORDS
    words = np.zeros(panes_at + (pane_capacity(FEW) + 1) * ENTRY_WORDS, np.int64)
    words[ROWS], words[ROWS_AT], words[PANES_AT] = FEW, rows_at, panes_at
    words[PANE] = NOW
    return words


def row_of(table, row):
    """Return the words of a row."""
    begin = table[ROWS_AT] + row * places.ROW_WORDS
    return table[begin : begin + places.ROW_WORDS]


def test_list_lacks_room_when_a_batch_might_not_fit(table):
    most = pane_capacity(FEW) - BATCH
    for count, lacks in ((0, False), (most - 1, False), (most, False), (most + 1, True)):
        table[PANE_COUNT] = count
        assert lacks_room(table) == lacks
    table[PANE_PHASE] = DELTAS
    assert not lacks_room(table)


def test_entry_beyond_the_capacity_is_refused(table):
    table[PANE_COUNT] = pane_capacity(FEW) - 1
    enter_pane(table, 1, NOW * PANE_NS, 5, True)
    assert table[PANE_COUNT] == pane_capacity(FEW)
    with pytest.raises(AssertionError):
        enter_pane(table, 1, NOW * PANE_NS, 5, True)


@pytest.mark.parametrize(
    ("began", "start", "reference", "stays"),
    [
        (True, NOW * PANE_NS + 1, 5, True),
        (True, NOW * PANE_NS + 1, 6, False),  # Another part is in the row.
        (False, NOW * PANE_NS - 1, 6, True),
        (False, NOW * PANE_NS, 6, False),  # It began in the pane: another part.
        (False, places.TIME_MAX, -1, False),  # The row is free.
    ],
)
def test_entry_stays_while_its_part_is_in_its_row(table, began, start, reference, stays):
    enter_pane(table, 1, NOW * PANE_NS + 1, 5, began)
    row_of(table, 1)[[places.START, places.FIRST_REFERENCE]] = start, reference
    drop_ended(table)
    assert table[PANE_COUNT] == stays


def test_more_parts_than_rows_are_our_bug(table):
    row_of(table, 1)[places.START] = 0  # Of a part that began long ago.
    for _ in range(FEW):
        enter_pane(table, 1, NOW * PANE_NS, 5, False)
    drop_ended(table)
    table[panes.DROPPED] = 0
    enter_pane(table, 1, NOW * PANE_NS, 5, False)
    with pytest.raises(AssertionError):
        drop_ended(table)
