"""Verdicts of vectors seen lately: the same vector has the same score, label and explanation.

Floods and scans are thousands of flows alike, and a short flow's final record repeats its early
one: of the records of a mix of real captures two thirds have the vector of a recent one. A table of
PLACES entries, each the whole vector and its verdict; a vector's place is its hash under the run's
key, so that nobody can aim at one. A vector is compared as a whole: a hit changes nothing but the
time it takes. What an attacker can do is to send vectors that differ: they cost their forests.

An entry: tag (the hash) | whether it is explained | vector | verdict words as in a row. The verdict
words hold no alert: whether a part has had its own is no matter of its vector.
"""

import numpy as np
from numba import njit

from engine.layouts import FEATURES, ROW, TOP_FEATURES
from engine.memory.options import HOT
from engine.memory.pointers import shifted
from engine.memory.wide import multiply_fold

PLACES = 256  # 160 KiB, beside a batch of rows in a core's cache; four times as many find 3 % more.
VECTOR = ROW.index("vector_0")
VECTOR_WORDS = -(-FEATURES // 2)
VERDICT = ROW.index("score_threshold")
VERDICT_WORDS = 3 + TOP_FEATURES // 2
assert ROW.index("verdict") == VERDICT + 1
assert ROW.index("top_features") == VERDICT + 2
assert ROW.index("top_weights") == VERDICT + 3

_TAG, _EXPLAINED, _VECTOR = 0, 1, 2
_VERDICT = _VECTOR + VECTOR_WORDS
ENTRY_WORDS = 80
assert _VERDICT + VERDICT_WORDS <= ENTRY_WORDS
_NO_VECTOR = -1  # Two values that are not numbers: no vector has them.


def make_memo(places: int = PLACES) -> np.ndarray:
    """Return an empty table; `places` is a power of two."""
    assert places & places - 1 == 0, f"places must be a power of two, is {places}"
    return np.full((places, ENTRY_WORDS), _NO_VECTOR, np.int64)


@njit(**HOT)
def tag_of(row, low, high):
    """Return the hash of a row's vector under a key; `row` points to the row's words."""
    vector = shifted(row, VECTOR)
    tag = vector[VECTOR_WORDS - 1] ^ low
    for word in range(0, VECTOR_WORDS - 1, 2):
        tag ^= multiply_fold(vector[word] ^ low, vector[word + 1] + word ^ high)
    return multiply_fold(tag ^ low, high)


@njit(**HOT)
def holds(entry, row, tag):
    """Return whether the entry is that of a row's vector, whose hash is `tag`."""
    if entry[_TAG] != tag:
        return False
    vector = shifted(row, VECTOR)
    known = shifted(entry, _VECTOR)
    differing = 0
    for word in range(VECTOR_WORDS):
        differing |= vector[word] ^ known[word]
    return differing == 0


@njit(**HOT)
def recall(entry, row):
    """Give a row the entry's score, threshold and label."""
    row[VERDICT] = entry[_VERDICT]
    row[VERDICT + 1] = entry[_VERDICT + 1]


@njit(**HOT)
def remember(entry, row, tag):
    """Make the entry that of a row that has been judged and not explained."""
    entry[_TAG] = tag
    entry[_EXPLAINED] = 0
    for word in range(VECTOR_WORDS):
        entry[_VECTOR + word] = row[VECTOR + word]
    entry[_VERDICT] = row[VERDICT]
    entry[_VERDICT + 1] = row[VERDICT + 1]


@njit(**HOT)
def recall_reasons(entry, row):
    """Give a row the entry's explanation; return whether it has one."""
    if entry[_EXPLAINED] == 0:
        return False
    row[VERDICT + 1] |= entry[_EXPLAINED]
    for word in range(2, VERDICT_WORDS):
        row[VERDICT + word] = entry[_VERDICT + word]
    return True


@njit(**HOT)
def remember_reasons(entry, row, count_bits):
    """Keep a row's explanation in the entry of its vector; `count_bits`: as in word verdict."""
    entry[_EXPLAINED] = count_bits
    for word in range(2, VERDICT_WORDS):
        entry[_VERDICT + word] = row[VERDICT + word]
