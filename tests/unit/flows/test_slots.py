"""The index finds whom it holds and nobody else, also where a search runs over its end.

Method: drawn entries and removals whose homes crowd at the index's end and beginning, against a
dictionary; the kernels as plain Python. What it cannot show: how long a search is.
"""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.flows.slots import SLOTS, SLOTS_AT, find_row, home_slot, insert_slot, remove_slot
from engine.layouts import places
from engine.layouts.table import TABLE
from tests.conftest import WITHOUT_JIT

pytestmark = pytest.mark.skipif(not WITHOUT_JIT, reason="kernels are called as plain Python")
ROWS, COUNT = 8, 12
HOMES = (9, 10, 11, 0, 1)
BEHIND = 1  # A word behind the slots that is 0, as if it were an empty one.
NO_PACKET = np.zeros(16, np.int64)


def tag_for(home: int, row: int) -> int:
    """Return a tag of its own for a row that would like a slot."""
    return (-(-(home << 32) // COUNT)) << 10 | row


def made() -> np.ndarray:
    """Return a table of empty slots, and rows whose address word is their number."""
    words = np.zeros(TABLE.words + COUNT + BEHIND + (ROWS + 1) * places.ROW_WORDS, np.int64)
    words[SLOTS], words[SLOTS_AT] = COUNT, TABLE.words
    words[TABLE.index("rows_at")] = TABLE.words + COUNT + BEHIND
    rows = words[TABLE.words + COUNT + BEHIND :].reshape(-1, places.ROW_WORDS)
    rows[:, places.ADDRESSES] = range(ROWS + 1)
    return words


def found(words: np.ndarray, tag: int, row: int) -> int:
    return int(find_row(words, (row, 0, tag), NO_PACKET, 0, 0))


homes_drawn = st.lists(st.sampled_from(HOMES), min_size=ROWS, max_size=ROWS)
turns_drawn = st.lists(st.integers(1, ROWS), min_size=1, max_size=40)


@given(homes_drawn, turns_drawn)
@example([11] * ROWS, [*range(1, ROWS + 1), 3, 1, 2, 8, 5])
@example([10, 11, 11, 0, 0, 11, 9, 10], [*range(1, ROWS + 1), *range(1, ROWS + 1)])
def test_index_finds_those_it_holds_and_no_others(homes, turns):
    words, held = made(), {}
    tags = {row: tag_for(home, row) for row, home in enumerate(homes, 1)}
    assert [home_slot(tags[row], COUNT) for row in tags] == homes
    for row in turns:
        if held.pop(row, None):
            remove_slot(words, tags[row], row)
        else:
            insert_slot(words, tags[row], row)
            held[row] = tags[row]
        for other, tag in tags.items():
            assert found(words, tag, other) == (other if other in held else 0)
        slots = words[TABLE.words :][: COUNT + BEHIND]
        assert sorted(slots[slots != 0] & places.REFERENCE_MASK) == sorted(held)
        assert slots[COUNT] == 0


def test_entry_that_is_not_there_is_not_removed():
    words = made()
    insert_slot(words, tag_for(11, 1), 1)
    before = words.copy()
    with pytest.raises(AssertionError):
        remove_slot(words, tag_for(11, 2), 2)
    assert np.array_equal(words, before)
