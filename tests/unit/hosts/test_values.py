"""Goal: deviations, ratios and windows are those of the definition.

Method: durations up to their limit, summed exactly, against Fraction: the exact numerator is
rounded once, then divided, then rooted. Cells of a window against a dict of all cells, in places
that hold something else before.
"""

import math
from fractions import Fraction

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit

from engine.hosts import values
from engine.hosts.initiator import DURATION_MAX
from engine.hosts.windows import cells_of, open_cell
from engine.layouts.hosts import NEVER
from engine.memory.pointers import pointer
from tests.unit.hosts.slots import signed

DURATIONS = st.lists(st.integers(0, DURATION_MAX), max_size=30)
COUNT, STAMPS = 8, 2  # A cell is a number of whole lines.


@njit
def _deviation(count, low, high, total):
    return values.deviation(count, low, high, total)


@njit
def _ratio(part, whole):
    return values.ratio(part, whole)


@given(DURATIONS)
@example([DURATION_MAX] * 30)
@example([0, DURATION_MAX] * 15)
def test_deviation_is_that_of_exact_sums_rounded_once(durations):
    count, total = len(durations), sum(durations)
    squares = sum(value * value for value in durations)
    expected = 0.0
    if count >= 2:
        numerator = float(Fraction(count * squares - total * total))  # Half to even, once.
        expected = math.sqrt(numerator / (float(count) * float(count - 1)))
    assert _deviation(count, signed(squares), signed(squares >> 64), total) == expected


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_ratio_is_at_most_1_and_0_of_nothing(part, whole):
    expected = min(1.0, part / whole) if whole else 0.0
    assert _ratio(part, whole) == expected


@njit
def _add(words, apart, cell, number):
    group = (pointer(words[STAMPS:]), apart)
    open_cell(pointer(words), 0, group, COUNT, cell)[number] += 1


@njit
def _read(words, apart, cell, zeros, found):
    group = (pointer(words[STAMPS:]), apart)
    current, before = cells_of(pointer(words), 0, group, (cell, pointer(zeros)))
    for number in range(COUNT):
        found[number] = current[number] + before[number]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, COUNT - 1)), max_size=30),
    st.sampled_from([COUNT, COUNT + 8]),
    st.integers(0, 3),
    st.integers(-4, 1 << 40),
)
def test_window_holds_the_open_cell_and_the_one_before(added, apart, ahead, first):
    words = np.full(STAMPS + apart + COUNT, 99, np.int64)  # What a place held before is no count.
    words[:STAMPS] = NEVER
    counted: dict[int, list[int]] = {}
    cell = first
    for later, number in added:
        cell += later
        _add(words, apart, cell, number)
        counted.setdefault(cell, [0] * COUNT)[number] += 1
    cell += ahead
    found, none = np.zeros(COUNT, np.int64), [0] * COUNT
    _read(words, apart, cell, np.zeros(COUNT, np.int64), found)
    both = (counted.get(cell, none), counted.get(cell - 1, none))
    assert found.tolist() == [sum(pair) for pair in zip(*both, strict=True)]
