"""Score rows, decide alerts, explain them: what the classifier does to a batch of merged records.

    a known vector   lies where every comparison comes out as for an earlier one, and has its
                     verdict (memo.py); what follows is for the others
    the gates        one for each kind of attack, a few small trees: a row whose margin lies below
                     a gate's limit is cleared of that kind
    what is kept     the kind's forest; its margin and limit give a score; the row's score is the
                     largest of its kinds, its label that kind
    cleared of all   half of the score that the nearest gate gives: below 0.25, without a label
    alerts           the first record of a flow part whose score is at or above the threshold

Scores are comparable between kinds: x = (margin - limit of the kind) / scale of the kind;
score = 0.5 + 0.5 x / (1 + |x|). The threshold of every kind lies at 0.5, and only additions,
multiplications and divisions are used: the same bits on every machine.
"""

from typing import NamedTuple

import numpy as np
from numba import njit, typeof, types

from engine.classifier.alerted import contains, insert, prefetch_home, remove
from engine.classifier.explain import contributions, name_top
from engine.classifier.forest import ROW_FLOATS, VECTOR_AT, Forest, margin
from engine.classifier.memo import (
    Memo,
    find,
    first_entry,
    make_memo,
    open_box,
    opened,
    recall,
    recall_reasons,
    remember,
    remember_reasons,
)
from engine.layouts import FEATURES, ROW, TOP_FEATURES
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import pointer, shifted

THRESHOLD = np.float32(0.5)
AHEAD_ROWS = 8  # So much earlier is the line asked for in which a row's part stands.
ORDINARY = 0  # Label of a row that the gate cleared; kinds count from 1.

_HEAD, _REASON_SHIFT = ROW.index("head"), ROW.shift("head", "reason")
_REASON_MASK = ROW.mask("head", "reason")
_FIRST_REFERENCE = ROW.index("first_reference")
_SCORE = 2 * ROW.index("score_threshold")  # Places in a row of float32.
_THRESHOLD = _SCORE + 1
_VERDICT = ROW.index("verdict")
_SCORED = 1 << ROW.shift("verdict", "scored")
_ALERT = 1 << ROW.shift("verdict", "alert")
_ALERTED = 1 << ROW.shift("verdict", "alerted")
_LABEL_SHIFT, _LABEL_MASK = ROW.shift("verdict", "label"), ROW.mask("verdict", "label")
_TOP_SHIFT = ROW.shift("verdict", "top_count")
_ROW_WORDS = ROW.words


class Detector(NamedTuple):
    """What the kernels need of a model."""

    gates: Forest
    forests: Forest
    gate_spans: np.ndarray  # (kinds + 1,) int64: where each kind's trees begin in `gates`
    spans: np.ndarray  # (kinds + 1,) int64: likewise in `forests`
    gate_limits: np.ndarray  # (kinds,) float64: a lower margin clears a row of the kind
    limits: np.ndarray  # (kinds,) float64: margin at the threshold
    scales: np.ndarray  # (kinds,) float64, above 0


class Work(NamedTuple):
    """What scoring keeps: the alerted parts, what it knows of vectors, and room."""

    alerted: np.ndarray  # from alerted.make_set
    members: np.ndarray  # (1,) int64: how many are in it
    key: np.ndarray  # from alerted.make_key
    memo: Memo
    weights: np.ndarray  # (142,) float64
    top: np.ndarray  # (TOP_FEATURES,) int64


def make_work(places: np.ndarray, key: np.ndarray, members: np.ndarray | None = None) -> Work:
    """Return room for a run; `places` and `key`: what alerted.py makes.

    `members`: how many are in it, to go on with; None for a word of its own, 0.
    """
    return Work(
        places,
        np.zeros(1, np.int64) if members is None else members,
        key,
        make_memo(),
        np.zeros(FEATURES, np.float64),
        np.zeros(TOP_FEATURES, np.int64),
    )


def _example() -> tuple[Detector, Work]:
    tree = Forest(
        np.zeros((1, 1), np.uint8),
        np.zeros((1, 1), np.float32),
        np.zeros((1, 1), np.float64),
        np.zeros((1, 1), np.float64),
    )
    spans, numbers = np.zeros(2, np.int64), np.zeros(2, np.float64)
    detector = Detector(tree, tree, spans, spans, numbers, numbers, numbers)
    return detector, make_work(np.zeros(2, np.int64), np.zeros(2, np.int64))


@njit(**HOT)
def _squash(relative):
    """Return the score of a relative margin: 0.5 at 0, rising from 0 to 1."""
    return 0.5 + 0.5 * relative / (1.0 + abs(relative))


@njit(**KERNEL)
def _judge(row, floats, detector, limits):
    """Write score, threshold and label into a row; narrow the limits of its vector's box."""
    vector = shifted(floats, VECTOR_AT)
    nearest = largest = -np.inf
    label = ORDINARY
    for kind in range(len(detector.limits)):
        span = (detector.gate_spans[kind], detector.gate_spans[kind + 1])
        above = margin(vector, detector.gates, span[0], span[1], limits)
        above -= detector.gate_limits[kind]
        nearest = max(nearest, above)
        if above >= 0.0:
            span = (detector.spans[kind], detector.spans[kind + 1])
            relative = margin(vector, detector.forests, span[0], span[1], limits)
            relative = (relative - detector.limits[kind]) / detector.scales[kind]
            if relative > largest:
                largest, label = relative, kind + 1
    row[_VERDICT] = _SCORED | label << _LABEL_SHIFT
    floats[_THRESHOLD] = THRESHOLD
    floats[_SCORE] = 0.5 * _squash(nearest) if label == ORDINARY else _squash(largest)


@njit(**HOT)
def _had_alert(places, key, reference, is_final):
    """Return whether an earlier record of the part alerted; a final's part is forgotten."""
    return remove(places, key, reference) if is_final else contains(places, key, reference)


@njit(cache=True)
def _explain(row, floats, detector, work):
    """Name in an alert's row the features that moved its score most; return the count's bits."""
    kind = (row[_VERDICT] >> _LABEL_SHIFT & _LABEL_MASK) - 1
    begin, end = detector.spans[kind], detector.spans[kind + 1]
    weights = pointer(work.weights)
    contributions(shifted(floats, VECTOR_AT), detector.forests, begin, end, weights)
    named = name_top(weights, pointer(work.top), row, floats) << _TOP_SHIFT
    row[_VERDICT] |= named
    return named


_DETECTOR, _WORK = (typeof(example) for example in _example())
_ROWS, _FLOATS = types.int64[:, ::1], types.float32[:, ::1]


@njit(types.UniTuple(types.int64, 2)(_ROWS, _FLOATS, types.int64, _DETECTOR, _WORK), **KERNEL)
def score(rows, floats, count, detector, work):
    """Write verdicts into the first `count` rows; return (alerts, rows not cleared of all kinds).

    `floats` is `rows` seen as float32. Rows come in the order of the merge, each once.
    """
    first_row, first_float = pointer(rows.reshape(-1)), pointer(floats.reshape(-1))
    places, key, boxes = work.alerted, work.key, opened(work.memo)
    members = work.members[0]
    alerts = labelled = 0
    for at in range(count):
        row, values = shifted(first_row, at * _ROW_WORDS), shifted(first_float, at * ROW_FLOATS)
        if members and at + AHEAD_ROWS < count:
            prefetch_home(places, key, row[AHEAD_ROWS * _ROW_WORDS + _FIRST_REFERENCE])
        # Not a leaf: one that takes the detector, inlined, counts references to 13 arrays a row.
        if find(boxes, shifted(values, VECTOR_AT)):
            recall(first_entry(boxes), row)
        else:
            _judge(row, values, detector, open_box(boxes))
            remember(first_entry(boxes), row)
        labelled += row[_VERDICT] >> _LABEL_SHIFT & _LABEL_MASK != ORDINARY
        reference = row[_FIRST_REFERENCE]
        is_final = row[_HEAD] >> _REASON_SHIFT & _REASON_MASK != 0
        if members and _had_alert(places, key, reference, is_final):
            row[_VERDICT] |= _ALERTED
            members -= is_final
        elif values[_SCORE] >= values[_THRESHOLD]:
            entry = first_entry(boxes)
            if not recall_reasons(entry, row):
                remember_reasons(entry, row, _explain(row, values, detector, work))
            row[_VERDICT] |= _ALERT | _ALERTED
            alerts += 1
            if not is_final:
                members += insert(places, key, reference)
    work.members[0] = members
    return alerts, labelled
