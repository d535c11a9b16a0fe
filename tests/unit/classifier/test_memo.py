"""Goal: the memo knows a vector only inside a box it was told of, and keeps those used last.

Method: boxes drawn from few limits, vectors at and beside them, against a list of a few lines in
the order of last use. That a box's vectors share a verdict is shown in test_forest.py. It does not
show how often vectors fall into known boxes.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from engine.classifier import memo
from engine.layouts import FEATURES, ROW
from engine.memory.pointers import pointer


@njit
def find(known, vector):
    """Return whether a vector is in a box; known and vector are arrays here."""
    return memo.find(memo.opened(known), pointer(vector))


@njit
def open_box(known, limits):
    """Make a box with these limits."""
    box = memo.open_box(memo.opened(known))
    for place in range(memo.BOX_FLOATS):
        box[place] = min(box[place], limits[place])


@njit
def remember(known, row):
    memo.remember(memo.first_entry(memo.opened(known)), pointer(row))


@njit
def recall(known, row):
    memo.recall(memo.first_entry(memo.opened(known)), pointer(row))


@njit
def remember_reasons(known, row, count_bits):
    memo.remember_reasons(memo.first_entry(memo.opened(known)), pointer(row), count_bits)


@njit
def recall_reasons(known, row):
    return memo.recall_reasons(memo.first_entry(memo.opened(known)), pointer(row))


def limits_of(intervals: dict[int, tuple[float, float]]) -> np.ndarray:
    """Return the limits of a box: feature by number, above the first and at most the second."""
    limits = np.full(memo.BOX_FLOATS, np.inf, np.float32)
    for feature, (low, high) in intervals.items():
        limits[feature], limits[memo.WIDTH + feature] = high, -low
    return limits


def vector_of(values: dict[int, float]) -> np.ndarray:
    vector = np.zeros(FEATURES, np.float32)
    for feature, value in values.items():
        vector[feature] = value
    return vector


FEATURE = st.sampled_from([0, 15, 16, 47, 125, 126, 140, 141])
VALUE = st.sampled_from([-1.0, 0.0, 0.5, 1.0])
BOX = st.dictionaries(FEATURE, st.sampled_from([(-1.0, 0.0), (-0.5, 0.5), (0.0, 1.0)]), max_size=4)
STEPS = st.lists(st.tuples(BOX, st.dictionaries(FEATURE, VALUE, max_size=4)), max_size=20)


@given(STEPS, st.integers(1, 4))
@settings(deadline=None)
def test_vector_is_known_while_one_of_the_boxes_used_last_holds_it(steps, count):
    known, plain = memo.make_memo(count), []
    for box, values in steps:
        vector = vector_of(values)
        holding = [b for b in plain if all(low < vector[k] <= up for k, (low, up) in b.items())]
        assert find(known, vector) == bool(holding)
        if holding:
            plain.remove(holding[0])
            plain.insert(0, holding[0])
        else:
            open_box(known, limits_of(box))
            plain = [box, *plain][:count]


def test_empty_memo_knows_nothing():
    assert not find(memo.make_memo(), vector_of({}))


def test_vector_with_what_is_not_a_number_is_never_known():
    for feature in range(FEATURES):
        known = memo.make_memo(1)
        open_box(known, limits_of({}))
        assert find(known, vector_of({}))
        assert not find(known, vector_of({feature: np.nan}))


def test_verdict_and_reasons_come_back_as_they_were():
    told, asked = np.zeros(ROW.words, np.int64), np.zeros(ROW.words, np.int64)
    words = slice(memo.VERDICT, memo.VERDICT + memo.VERDICT_WORDS)
    told[words] = np.arange(1, memo.VERDICT_WORDS + 1) << 20
    known = memo.make_memo(1)
    remember(known, told)
    recall(known, asked)
    assert asked[memo.VERDICT :][:3].tolist() == [1 << 20, 2 << 20, 0]
    assert not recall_reasons(known, asked)
    remember_reasons(known, told, 1 << 10)
    assert recall_reasons(known, asked)
    assert asked[memo.VERDICT + 1] == 2 << 20 | 1 << 10
    assert (asked[words][2:] == told[words][2:]).all()


def test_box_that_is_remembered_anew_has_no_reasons():
    told, asked = np.ones(ROW.words, np.int64), np.zeros(ROW.words, np.int64)
    known = memo.make_memo(1)
    remember_reasons(known, told, 1 << 10)
    remember(known, told)
    assert not recall_reasons(known, asked)
