"""Goal: the memo knows a vector only where it was told that very vector.

Method: random and nearly equal vectors in a table of one place, against equality of their bytes; a
tag that is made to agree although the vectors differ. It does not show how often vectors recur.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from engine.classifier import memo
from engine.layouts import FEATURES, ROW
from engine.memory.pointers import pointer

KEY = np.asarray([0x1234567890ABCDEF, 0x0FEDCBA987654321], np.int64)
BITS = st.lists(st.integers(0, 2**31 - 1), min_size=FEATURES, max_size=FEATURES)


@njit
def tag_of(row, key):
    """Return a row's tag; rows and entries are arrays here, pointers in the engine."""
    return memo.tag_of(pointer(row), key[0], key[1])


@njit
def holds(entry, row, tag):
    return memo.holds(pointer(entry), pointer(row), tag)


@njit
def remember(entry, row, tag):
    memo.remember(pointer(entry), pointer(row), tag)


@njit
def recall(entry, row):
    memo.recall(pointer(entry), pointer(row))


@njit
def remember_reasons(entry, row, count_bits):
    memo.remember_reasons(pointer(entry), pointer(row), count_bits)


@njit
def recall_reasons(entry, row):
    return memo.recall_reasons(pointer(entry), pointer(row))


def row_of(bits) -> np.ndarray:
    """Return a row whose vector has these bits."""
    row = np.zeros(ROW.words, np.int64)
    row.view(np.uint32)[2 * memo.VECTOR : 2 * memo.VECTOR + FEATURES] = bits
    return row


@given(BITS, st.integers(0, FEATURES - 1), st.integers(0, 30))
@settings(deadline=None)
def test_vector_that_differs_in_one_bit_is_not_known(bits, feature, bit):
    other = list(bits)
    other[feature] ^= 1 << bit
    known, differing = row_of(bits), row_of(other)
    tag = tag_of(known, KEY)
    entry = memo.make_memo(1)[0]
    assert not holds(entry, known, tag)
    remember(entry, known, tag)
    assert holds(entry, known, tag)
    assert not holds(entry, differing, tag_of(differing, KEY))
    assert not holds(entry, differing, tag)  # Were their hashes equal.


def test_empty_table_knows_nothing_whatever_the_tag():
    entry = memo.make_memo(1)[0]
    assert not holds(entry, row_of([0] * FEATURES), int(entry[0]))


def test_verdict_and_reasons_come_back_as_they_were():
    told = row_of(range(FEATURES))
    told[memo.VERDICT : memo.VERDICT + memo.VERDICT_WORDS] = np.arange(1, 8) << 20
    entry = memo.make_memo(1)[0]
    remember(entry, told, tag_of(told, KEY))
    asked = row_of(range(FEATURES))
    recall(entry, asked)
    assert asked[memo.VERDICT :][:3].tolist() == [1 << 20, 2 << 20, 0]
    assert not recall_reasons(entry, asked)
    remember_reasons(entry, told, 1 << 10)
    assert recall_reasons(entry, asked)
    assert asked[memo.VERDICT + 1] == 2 << 20 | 1 << 10
    assert (asked[memo.VERDICT + 2 :][:5] == told[memo.VERDICT + 2 :][:5]).all()


def test_another_key_gives_other_tags():
    row = row_of(range(FEATURES))
    assert tag_of(row, KEY) != tag_of(row, KEY + 2)


def test_table_is_a_power_of_two():
    with pytest.raises(AssertionError, match="power of two, is 3"):
        memo.make_memo(3)
