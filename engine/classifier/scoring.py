"""Score rows, decide alerts, explain them: what the classifier does to a batch of merged records.

    a known vector   has the verdict that it had before (memo.py); what follows is for the others
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

from engine.classifier import memo
from engine.classifier.alerted import contains, insert, prefetch_home, remove
from engine.classifier.explain import contributions, name_top
from engine.classifier.forest import BLOCK, ROW_FLOATS, VECTOR_AT, Forest, margins
from engine.layouts import FEATURES, ROW, TOP_FEATURES
from engine.memory.options import HOT
from engine.memory.pointers import pointer, shifted

THRESHOLD = np.float32(0.5)
STRETCH_ROWS = 64  # Vectors alike come together: what a stretch remembers serves the next.
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
    """What scoring keeps: the alerted parts, and room for a batch."""

    alerted: np.ndarray  # from alerted.make_set
    members: np.ndarray  # (1,) int64: how many are in it
    key: np.ndarray  # from alerted.make_key
    memo: np.ndarray  # from memo.make_memo
    tags: np.ndarray  # (rows,) int64: hashes of the rows' vectors
    missed: np.ndarray  # (rows,) int64: the rows whose vectors were not known
    picks: np.ndarray  # (rows + BLOCK,) int64
    margins: np.ndarray  # (rows + BLOCK,) float64
    largest: np.ndarray  # (rows,) float64: relative margin of the best kind so far
    nearest: np.ndarray  # (rows,) float64: margin of the nearest gate, less its limit
    weights: np.ndarray  # (142,) float64
    top: np.ndarray  # (TOP_FEATURES,) int64


def make_work(rows_max: int, places: np.ndarray, key: np.ndarray) -> Work:
    """Return room for batches of `rows_max` rows."""
    return Work(
        places,
        np.zeros(1, np.int64),
        key,
        memo.make_memo(),
        np.zeros(rows_max, np.int64),
        np.zeros(rows_max, np.int64),
        np.zeros(rows_max + BLOCK, np.int64),
        np.zeros(rows_max + BLOCK, np.float64),
        np.zeros(rows_max, np.float64),
        np.zeros(rows_max, np.float64),
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
    return detector, make_work(1, np.zeros(2, np.int64), np.zeros(2, np.int64))


@njit(cache=True)
def _squash(relative):
    """Return the score of a relative margin: 0.5 at 0, rising from 0 to 1."""
    return 0.5 + 0.5 * relative / (1.0 + abs(relative))


@njit(**HOT)
def _entry(table, mask, tag):
    """Return the pointer to the memo's entry for vectors with that hash."""
    return shifted(table, (tag & mask) * memo.ENTRY_WORDS)


@njit(cache=True)
def _recall(rows, span, work):
    """Give rows with known vectors their verdicts; return how many are left, in work.missed."""
    first_row, table = pointer(rows.reshape(-1)), pointer(work.memo.reshape(-1))
    tags, left = pointer(work.tags), pointer(work.missed)
    places, key = work.alerted, work.key
    mask, low, high = len(work.memo) - 1, key[0], key[1]
    begin, end = span
    asked = work.members[0] != 0
    missed = 0
    for at in range(begin, end):
        row = shifted(first_row, at * _ROW_WORDS)
        if asked:
            prefetch_home(places, key, row[_FIRST_REFERENCE])
        tag = memo.tag_of(row, low, high)
        tags[at] = tag
        entry = _entry(table, mask, tag)
        if memo.holds(entry, row, tag):
            memo.recall(entry, row)
        else:
            left[missed] = at
            missed += 1
    return missed


@njit(cache=True)
def _remember(rows, missed, work):
    """Keep the verdicts of the rows in work.missed."""
    first_row, table = pointer(rows.reshape(-1)), pointer(work.memo.reshape(-1))
    tags, left = pointer(work.tags), pointer(work.missed)
    mask = len(work.memo) - 1
    for place in range(missed):
        row = shifted(first_row, left[place] * _ROW_WORDS)
        tag = tags[left[place]]
        memo.remember(_entry(table, mask, tag), row, tag)


@njit(cache=True)
def _pass_gate(floats, missed, kind, detector, work):
    """Choose the rows that the gate of `kind` keeps: into work.picks; return how many."""
    picks, out = work.picks, work.margins
    for place in range(missed):
        picks[place] = work.missed[place]
    span = (detector.gate_spans[kind], detector.gate_spans[kind + 1])
    margins(floats, picks, missed, detector.gates, span, out)
    limit = detector.gate_limits[kind]
    kept = 0
    for place in range(missed):
        at = work.missed[place]
        above = out[place] - limit
        if above > work.nearest[at]:
            work.nearest[at] = above
        picks[kept] = at
        kept += above >= 0.0
    return kept


@njit(cache=True)
def _judge_kind(rows, floats, kept, kind, detector, work):
    """Score the rows in work.picks by the forest of `kind`; the best kind so far is the label."""
    span = (detector.spans[kind], detector.spans[kind + 1])
    margins(floats, work.picks, kept, detector.forests, span, work.margins)
    limit, scale = detector.limits[kind], detector.scales[kind]
    for place in range(kept):
        at = work.picks[place]
        relative = (work.margins[place] - limit) / scale
        if relative > work.largest[at]:
            work.largest[at] = relative
            rows[at, _VERDICT] = _SCORED | kind + 1 << _LABEL_SHIFT


@njit(cache=True)
def _judge(rows, floats, missed, detector, work):
    """Write score, threshold and label into the rows in work.missed."""
    for place in range(missed):
        at = work.missed[place]
        rows[at, _VERDICT] = _SCORED | ORDINARY << _LABEL_SHIFT
        work.largest[at] = -np.inf
        work.nearest[at] = -np.inf
    for kind in range(len(detector.limits)):
        kept = _pass_gate(floats, missed, kind, detector, work)
        if kept:
            _judge_kind(rows, floats, kept, kind, detector, work)
    for place in range(missed):
        at = work.missed[place]
        floats[at, _THRESHOLD] = THRESHOLD
        if rows[at, _VERDICT] >> _LABEL_SHIFT & _LABEL_MASK == ORDINARY:
            floats[at, _SCORE] = 0.5 * _squash(work.nearest[at])
        else:
            floats[at, _SCORE] = _squash(work.largest[at])


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


@njit(cache=True)
def _alert(rows, floats, span, detector, work):
    """Mark and explain the alerts among the rows, in their order.

    Return how many these are, and how many rows have a label.
    """
    first_row, first_float = pointer(rows.reshape(-1)), pointer(floats.reshape(-1))
    table, tags, mask = pointer(work.memo.reshape(-1)), pointer(work.tags), len(work.memo) - 1
    places, key = work.alerted, work.key
    begin, end = span
    members = work.members[0]
    alerts = labelled = 0
    for at in range(begin, end):
        row, values = shifted(first_row, at * _ROW_WORDS), shifted(first_float, at * ROW_FLOATS)
        labelled += row[_VERDICT] >> _LABEL_SHIFT & _LABEL_MASK != ORDINARY
        reference = row[_FIRST_REFERENCE]
        is_final = row[_HEAD] >> _REASON_SHIFT & _REASON_MASK != 0
        if members and _had_alert(places, key, reference, is_final):
            row[_VERDICT] |= _ALERTED
            members -= is_final
        elif values[_SCORE] >= values[_THRESHOLD]:
            entry = _entry(table, mask, tags[at])
            if not memo.holds(entry, row, tags[at]):
                _explain(row, values, detector, work)
            elif not memo.recall_reasons(entry, row):
                memo.remember_reasons(entry, row, _explain(row, values, detector, work))
            row[_VERDICT] |= _ALERT | _ALERTED
            alerts += 1
            if not is_final:
                members += insert(places, key, reference)
    work.members[0] = members
    return alerts, labelled


_DETECTOR, _WORK = (typeof(example) for example in _example())
_ROWS, _FLOATS = types.int64[:, ::1], types.float32[:, ::1]


@njit(types.UniTuple(types.int64, 2)(_ROWS, _FLOATS, types.int64, _DETECTOR, _WORK), cache=True)
def score(rows, floats, count, detector, work):
    """Write verdicts into the first `count` rows; return (alerts, rows not cleared of all kinds).

    `floats` is `rows` seen as float32. Rows come in the order of the merge, each once.
    """
    alerts = labelled = 0
    for begin in range(0, count, STRETCH_ROWS):
        span = (begin, min(begin + STRETCH_ROWS, count))
        missed = _recall(rows, span, work)
        if missed:
            _judge(rows, floats, missed, detector, work)
            _remember(rows, missed, work)
        found = _alert(rows, floats, span, detector, work)
        alerts += found[0]
        labelled += found[1]
    return alerts, labelled
