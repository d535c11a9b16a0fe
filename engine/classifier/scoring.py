"""Score rows, decide alerts, explain them: what the classifier does to a batch of merged records.

    every row        the gate, a small forest: below its limit the row is cleared, and its score is
                     half of the gate's own, so below 0.25
    rows not cleared one forest per kind of attack; a kind's margin and threshold give its score;
                     the row's score is that of the kind with the largest, its label that kind
    alerts           the first record of a flow part whose score is at or above the threshold

Scores are comparable between kinds: x = (margin - threshold of the kind) / scale of the kind;
score = 0.5 + 0.5 x / (1 + |x|). The threshold of every kind lies at 0.5, and only additions,
multiplications and divisions are used: the same bits on every machine.
"""

from typing import NamedTuple

import numpy as np
from numba import njit, typeof, types

from engine.classifier.alerted import insert, remove
from engine.classifier.explain import contributions, name_top
from engine.classifier.forest import BLOCK, ROW_FLOATS, VECTOR_AT, Forest, margins
from engine.layouts import FEATURES, ROW
from engine.memory.pointers import pointer, shifted

THRESHOLD = np.float32(0.5)
ORDINARY = 0  # Label of a row that the gate cleared; kinds count from 1.

_HEAD, _REASON_SHIFT = ROW.index("head"), ROW.shift("head", "reason")
_REASON_MASK = ROW.mask("head", "reason")
_FIRST_REFERENCE = ROW.index("first_reference")
_SCORE = 2 * ROW.index("score_threshold")  # Places in a row of float32.
_THRESHOLD = _SCORE + 1
_VERDICT = ROW.index("verdict")
_SCORED = 1 << ROW.shift("verdict", "scored")
_ALERT = 1 << ROW.shift("verdict", "alert")
_LABEL_SHIFT, _LABEL_MASK = ROW.shift("verdict", "label"), ROW.mask("verdict", "label")
_TOP_SHIFT = ROW.shift("verdict", "top_count")
_ROW_WORDS = ROW.words


class Detector(NamedTuple):
    """What the kernels need of a model."""

    gate: Forest
    kinds: Forest
    gate_span: np.ndarray  # (2,) int64: 0, trees of the gate
    spans: np.ndarray  # (kinds + 1,) int64: where each kind's trees begin
    limits: np.ndarray  # (1 + kinds,) float64: margin below which the gate clears; thresholds
    scales: np.ndarray  # (1 + kinds,) float64, above 0


class Work(NamedTuple):
    """What scoring keeps: the alerted parts, and room for a batch."""

    alerted: np.ndarray  # from alerted.make_set
    key: np.ndarray  # from alerted.make_key
    picks: np.ndarray  # (rows + BLOCK,) int64
    gate: np.ndarray  # (1, rows + BLOCK) float64
    kinds: np.ndarray  # (kinds, rows + BLOCK) float64
    weights: np.ndarray  # (142,) float64


def make_work(rows_max: int, kinds: int, places: np.ndarray, key: np.ndarray) -> Work:
    """Return room for batches of `rows_max` rows."""
    return Work(
        places,
        key,
        np.zeros(rows_max + BLOCK, np.int64),
        np.zeros((1, rows_max + BLOCK), np.float64),
        np.zeros((kinds, rows_max + BLOCK), np.float64),
        np.zeros(FEATURES, np.float64),
    )


def _example() -> tuple[Detector, Work]:
    tree = Forest(*(np.zeros((1, 1), kind) for kind in (np.uint8, np.float32)), *_floats(2))
    spans, numbers = np.zeros(2, np.int64), np.zeros(2, np.float64)
    work = make_work(1, 1, np.zeros(2, np.int64), np.zeros(2, np.int64))
    return Detector(tree, tree, spans, spans, numbers, numbers), work


def _floats(count: int) -> list[np.ndarray]:
    return [np.zeros((1, 1), np.float64) for _ in range(count)]


@njit(cache=True)
def _relative(margin, limit, scale):
    """Return how far a margin lies above its limit, in scales."""
    return (margin - limit) / scale


@njit(cache=True)
def _squash(relative):
    """Return the score of a relative margin: 0.5 at 0, rising from 0 to 1."""
    return 0.5 + 0.5 * relative / (1.0 + abs(relative))


@njit(cache=True)
def _gate(rows, floats, count, detector, work):
    """Score all rows by the gate; return how many it does not clear. They stand in work.picks."""
    picks = work.picks
    for at in range(count):
        picks[at] = at
    margins(floats, picks, count, detector.gate, detector.gate_span, work.gate)
    kept = 0
    for at in range(count):
        margin = work.gate[0, at]
        floats[at, _THRESHOLD] = THRESHOLD
        rows[at, _VERDICT] = _SCORED | ORDINARY << _LABEL_SHIFT
        if margin < detector.limits[0]:
            relative = _relative(margin, detector.limits[0], detector.scales[0])
            floats[at, _SCORE] = 0.5 * _squash(relative)
        else:
            picks[kept] = at
            kept += 1
    return kept


@njit(cache=True)
def _judge(rows, floats, kept, detector, work):
    """Score the rows that the gate did not clear by the forests of the kinds."""
    margins(floats, work.picks, kept, detector.kinds, detector.spans, work.kinds)
    for place in range(kept):
        at = work.picks[place]
        best = 0
        largest = _relative(work.kinds[0, place], detector.limits[1], detector.scales[1])
        for kind in range(1, len(detector.spans) - 1):
            limit, scale = detector.limits[1 + kind], detector.scales[1 + kind]
            relative = _relative(work.kinds[kind, place], limit, scale)
            if relative > largest:
                best, largest = kind, relative
        floats[at, _SCORE] = _squash(largest)
        rows[at, _VERDICT] |= 1 + best << _LABEL_SHIFT


@njit(cache=True)
def _is_new_alert(reference, is_final, above, work):
    """Return whether a record is the first of its part above the threshold; remember that."""
    if is_final:
        return not remove(work.alerted, work.key, reference) and above
    return above and insert(work.alerted, work.key, reference)


@njit(cache=True)
def _explain(row, floats, detector, work):
    """Name in an alert's row the features that moved its score most."""
    kind = (row[_VERDICT] >> _LABEL_SHIFT & _LABEL_MASK) - 1
    begin, end = detector.spans[kind], detector.spans[kind + 1]
    weights = pointer(work.weights)
    contributions(shifted(floats, VECTOR_AT), detector.kinds, begin, end, weights)
    row[_VERDICT] |= _ALERT | name_top(weights, row, floats) << _TOP_SHIFT


@njit(cache=True)
def _alert(rows, floats, count, detector, work):
    """Mark and explain the alerts among the rows, in their order; return how many."""
    first_row, first_float = pointer(rows.reshape(-1)), pointer(floats.reshape(-1))
    alerts = 0
    for at in range(count):
        row = shifted(first_row, at * _ROW_WORDS)
        above = floats[at, _SCORE] >= floats[at, _THRESHOLD]
        is_final = row[_HEAD] >> _REASON_SHIFT & _REASON_MASK != 0
        if not above and not is_final:
            continue
        if _is_new_alert(row[_FIRST_REFERENCE], is_final, above, work):
            _explain(row, shifted(first_float, at * ROW_FLOATS), detector, work)
            alerts += 1
    return alerts


_DETECTOR, _WORK = (typeof(example) for example in _example())
_ROWS, _FLOATS = types.int64[:, ::1], types.float32[:, ::1]


@njit(types.UniTuple(types.int64, 2)(_ROWS, _FLOATS, types.int64, _DETECTOR, _WORK), cache=True)
def score(rows, floats, count, detector, work):
    """Write verdicts into the first `count` rows; return (alerts, rows not cleared by the gate).

    `floats` is `rows` seen as float32. Rows come in the order of the merge, each once.
    """
    kept = _gate(rows, floats, count, detector, work)
    if kept:
        _judge(rows, floats, kept, detector, work)
    return _alert(rows, floats, count, detector, work), kept
