"""Verdicts of boxes: where every comparison comes out the same, score, label and reasons do too.

A forest asks of a vector only whether features lie at or below thresholds. The comparisons that
judged one vector leave an interval for each feature: above a lower limit, at most an upper one. A
vector inside all of them takes the same paths to the same leaves. So a hit changes nothing but the
time it takes, down to the last bit. Floods and scans are thousands of flows that differ in what no
tree asks: of the records of a mix of real captures 97 % lie in one of the BOXES used last, 98 % of
those of many flows alike. Looked up as equal vectors, 52 and 30 % were known.

What an attacker can do is to send vectors that lie in no box: each costs a look at all of them, and
the forests. A feature that is not a number lies in no box.

    limits      of a box, float32: the upper limit of each feature; from WIDTH on, the negative of
                the lower one: both are narrowed by taking the smaller (forest.py)
    verdicts    of a box: whether it is explained | words of the verdict as in a row. They hold no
                alert: whether a part has had its own is no matter of its vector.
    order       the boxes' numbers, that which was used last first
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from engine.layouts import FEATURES, ROW, TOP_WEIGHT_WORDS
from engine.memory.lanes import FLOATS, floats_inside
from engine.memory.options import HOT
from engine.memory.pointers import pointer, shifted

BOXES = 64  # 80 KiB, beside a batch of rows in a core's cache; twice as many find 1 % more.
WIDTH = 144
BOX_FLOATS = 2 * WIDTH
VERDICT = ROW.index("score_threshold")
VERDICT_WORDS = 3 + TOP_WEIGHT_WORDS
assert ROW.index("verdict") == VERDICT + 1
assert ROW.index("top_features") == VERDICT + 2
assert ROW.index("top_weights") == VERDICT + 3

_EXPLAINED, _VERDICT = 0, 1
ENTRY_WORDS = _VERDICT + VERDICT_WORDS
_ALL = (1 << FLOATS) - 1
_LAST = FEATURES - FLOATS  # The last block overlaps the one before: nothing behind is read.
assert FEATURES <= WIDTH and FLOATS < _LAST


class Memo(NamedTuple):
    """The boxes."""

    limits: np.ndarray  # (boxes, BOX_FLOATS) float32
    verdicts: np.ndarray  # (boxes, ENTRY_WORDS) int64
    order: np.ndarray  # (boxes,) int64


def make_memo(boxes: int = BOXES) -> Memo:
    """Return a memo of empty boxes."""
    return Memo(
        np.full((boxes, BOX_FLOATS), -np.inf, np.float32),
        np.zeros((boxes, ENTRY_WORDS), np.int64),
        np.arange(boxes),
    )


@njit(**HOT)
def _is_inside(vector, limits):
    """Return whether a vector lies in the box with these limits."""
    # The first block, of packets, and the last, of hosts, rule out most boxes that are not its own.
    inside = floats_inside(vector, 0, limits, WIDTH) & floats_inside(vector, _LAST, limits, WIDTH)
    if inside != _ALL:
        return False
    for feature in range(FLOATS, _LAST, FLOATS):
        inside &= floats_inside(vector, feature, limits, WIDTH)
    return inside == _ALL


@njit(**HOT)
def _to_front(order, place):
    """Make the box at a place of the order the first."""
    number = order[place]
    while place > 0:
        order[place] = order[place - 1]
        place -= 1
    order[0] = number


@njit(**HOT)
def opened(memo):
    """Return a memo as pointers, for the functions below: limits, verdicts, order, boxes."""
    limits, verdicts = pointer(memo.limits.reshape(-1)), pointer(memo.verdicts.reshape(-1))
    return limits, verdicts, pointer(memo.order), len(memo.order)


@njit(**HOT)
def find(boxes, vector):
    """Return whether a vector, a pointer to 142 float32, lies in a box; if so it is made first."""
    limits, _, order, count = boxes
    for place in range(count):
        if _is_inside(vector, shifted(limits, order[place] * BOX_FLOATS)):
            _to_front(order, place)
            return True
    return False


@njit(**HOT)
def open_box(boxes):
    """Give up the box that was used longest ago: it is the first now. Return its wide limits."""
    limits, _, order, count = boxes
    _to_front(order, count - 1)
    limits = shifted(limits, order[0] * BOX_FLOATS)
    for place in range(BOX_FLOATS):
        limits[place] = np.inf
    return limits


@njit(**HOT)
def first_entry(boxes):
    """Return the pointer to the verdict of the first box."""
    return shifted(boxes[1], boxes[2][0] * ENTRY_WORDS)


@njit(**HOT)
def recall(entry, row):
    """Give a row the entry's score, threshold and label."""
    row[VERDICT] = entry[_VERDICT]
    row[VERDICT + 1] = entry[_VERDICT + 1]


@njit(**HOT)
def remember(entry, row):
    """Make the entry that of a row that has been judged and not explained."""
    entry[_EXPLAINED] = 0
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
    """Keep a row's explanation in the entry of its box; `count_bits`: as in word verdict."""
    entry[_EXPLAINED] = count_bits
    for word in range(2, VERDICT_WORDS):
        entry[_VERDICT + word] = row[VERDICT + word]
