"""Goal: sort_entries() sorts by value, then by the first packet's position, whatever it is given.

Method: drawn lists of all shapes that an attacker may bring about (all equal, few values, close
together and far apart, ascending, descending), against sorted(); the comparisons that sorting a
bucket takes are counted in plain Python. What it cannot show: how fast it is.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from engine.flows import sorting
from engine.flows.sorting import BUCKETS, sort_entries
from engine.layouts import places
from engine.layouts.table import TABLE
from engine.memory.pointers import pointer

ROW_BITS = 21
VALUE_MAX = (1 << 41) - 1
ROWS = 700


@njit
def sort(words, at, count, scratch_at):
    """Sort as kernels do, by pointer."""
    sort_entries(pointer(words), at, count, scratch_at)


def in_order(values: list[int], positions: list[tuple[int, int]]) -> list[int]:
    """Sort entries of rows 1, 2, … with these values and first packets; return the rows."""
    count = len(values)
    rows_at = TABLE.words
    entries_at = rows_at + (count + 1) * places.ROW_WORDS
    scratch_at = entries_at + count
    words = np.zeros(scratch_at + 2 * BUCKETS, np.int64)
    words[TABLE.index("rows_at")] = rows_at
    rows = words[rows_at:entries_at].reshape(count + 1, places.ROW_WORDS)
    for row, (value, (start, reference)) in enumerate(zip(values, positions, strict=True), 1):
        rows[row, places.START], rows[row, places.FIRST_REFERENCE] = start, reference
        words[entries_at + row - 1] = value << ROW_BITS | row
    sort(words, entries_at, count, scratch_at)
    return (words[entries_at:scratch_at] & places.REFERENCE_MASK).tolist()


def expected(values: list[int], positions: list[tuple[int, int]]) -> list[int]:
    """Return the rows in order, by definition."""
    return sorted(range(1, len(values) + 1), key=lambda k: (values[k - 1], positions[k - 1]))


VALUES = (
    st.just(0),
    st.integers(0, 3),
    st.integers(0, VALUE_MAX),
    st.integers((1 << 40) - 3, (1 << 40) + 3),
    st.sampled_from((0, 1, VALUE_MAX - 1, VALUE_MAX)),
    st.integers(5_000_000_000, 5_000_002_048),
)
TIMES = st.one_of(st.integers(-2, 2), st.integers(-(1 << 63), (1 << 63) - 1))


@st.composite
def entry_lists(draw):
    """Draw values of one kind or two, and distinct positions."""
    kinds = draw(st.lists(st.sampled_from(range(len(VALUES))), min_size=1, max_size=2))
    values = draw(st.lists(st.one_of([VALUES[k] for k in kinds]), max_size=100))
    times = draw(st.lists(TIMES, min_size=len(values), max_size=len(values)))
    references = draw(st.permutations(range(len(values))))
    return values, list(zip(times, references, strict=True))


@given(entry_lists())
def test_entries_come_by_value_then_by_first_packet(drawn):
    values, positions = drawn
    assert in_order(values, positions) == expected(values, positions)


SHAPES = {
    "all equal": lambda k: 7,
    "descending": lambda k: VALUE_MAX - k,
    "ascending": lambda k: k,
    "one far off": lambda k: VALUE_MAX if k == 3 else k % 5,
    "few values": lambda k: (k * 7919) % 3,
    "halves": lambda k: (k % 2) * VALUE_MAX,
    "as far apart as there are buckets": lambda k: (ROWS - 1 - k) * BUCKETS // (ROWS - 1),
    "scattered": lambda k: (k * 0x9E3779B97F4A7C15) % VALUE_MAX,
}


@pytest.mark.parametrize("direction", (1, -1))
@pytest.mark.parametrize("name", SHAPES)
def test_long_lists_of_any_shape_are_sorted(name, direction):
    values = [SHAPES[name](k) for k in range(ROWS)]
    positions = [(direction * (k * 31 % 97), direction * k) for k in range(ROWS)]
    assert in_order(values, positions) == expected(values, positions)


@pytest.mark.parametrize("name", SHAPES)
def test_no_shape_of_a_bucket_costs_more_than_n_log_n(name, monkeypatch):
    compared = []

    def comes_later(table, entry, other):
        compared.append(entry)
        return entry > other

    for function in ("_sort_by_insertion", "_sift_down", "_sort_as_heap", "_sort_few"):
        kernel = getattr(sorting, function)
        monkeypatch.setattr(sorting, function, getattr(kernel, "py_func", kernel))
    monkeypatch.setattr(sorting, "comes_later", comes_later)
    words = np.array([SHAPES[name](k) << ROW_BITS | ROWS - k for k in range(ROWS)], np.int64)
    sorting._sort_few(words, 0, ROWS)
    assert words.tolist() == sorted(words.tolist())
    assert ROWS < len(compared) < 3 * ROWS * ROWS.bit_length()
