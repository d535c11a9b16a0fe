"""Goal: a row's score, label and alert are what scoring.py defines, one alert per flow part.

Method: random detectors and sequences of records of few parts, against a plain model of a few
lines. It does not show that a detector is any good.
"""

import random
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.classifier import alerted
from engine.classifier.forest import VECTOR_AT, complete
from engine.classifier.memo import make_memo
from engine.classifier.scoring import Detector, make_work, score
from engine.layouts import FEATURES, IDLE, ROW
from tests.unit.classifier.builders import packed, plain_margin, random_tree

ROWS_MAX = 16


class Plain(NamedTuple):
    """A detector as lists."""

    gates: list
    forests: list
    gate_limits: list[float]
    limits: list[float]
    scales: list[float]


def drawn_model(draw: random.Random) -> Plain:
    """Return a detector of one to three kinds."""

    def forest() -> list:
        return [random_tree(draw, draw.randrange(1, 8)) for _ in range(draw.randrange(1, 4))]

    kinds = range(draw.randrange(1, 4))
    return Plain(
        [forest() for _ in kinds],
        [forest() for _ in kinds],
        [draw.uniform(-1, 1) for _ in kinds],
        [draw.uniform(-1, 1) for _ in kinds],
        [draw.uniform(0.2, 3) for _ in kinds],
    )


def detector_of(model: Plain) -> Detector:
    """Return what the kernels need of it."""
    return Detector(
        complete([tree for gate in model.gates for tree in gate], 7),
        complete([tree for forest in model.forests for tree in forest], 7),
        np.cumsum([0, *(len(gate) for gate in model.gates)]),
        np.cumsum([0, *(len(forest) for forest in model.forests)]),
        np.asarray(model.gate_limits, np.float64),
        np.asarray(model.limits, np.float64),
        np.asarray(model.scales, np.float64),
    )


def plain_score(model: Plain, vector) -> tuple[np.float32, int]:
    """Return score and label by the definition."""
    nearest, relative = [], []
    for gate, forest, gate_limit, limit, scale in zip(*model, strict=True):
        nearest.append(plain_margin(gate, vector) - gate_limit)
        kept = nearest[-1] >= 0
        relative.append((plain_margin(forest, vector) - limit) / scale if kept else -np.inf)
    if max(nearest) < 0:
        return np.float32(0.5 * squashed(max(nearest))), 0
    best = relative.index(max(relative))
    return np.float32(squashed(relative[best])), 1 + best


def squashed(relative: float) -> float:
    return 0.5 + 0.5 * relative / (1.0 + abs(relative))


class PlainAlerts:
    """One alert per part, by a set."""

    def __init__(self) -> None:
        self._parts = set()

    def judge(self, part: int, is_final: bool, above: bool) -> tuple[bool, bool]:
        """Return whether a record alerts, and whether its part has by then."""
        alert = above and part not in self._parts
        if alert:
            self._parts.add(part)
        alerted = part in self._parts
        if is_final:
            self._parts.discard(part)
        return alert, alerted


RECORDS = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=40)


@given(st.integers(0, 2**32), RECORDS, st.integers(1, ROWS_MAX))
@settings(deadline=None)
def test_verdicts_are_those_of_the_plain_model(seed, records, batch):
    draw = random.Random(seed)
    model = drawn_model(draw)
    detector = detector_of(model)
    work = make_work(alerted.make_set(8), alerted.make_key((seed, 3)))
    plain = PlainAlerts()
    alerts = kept = 0
    for begin in range(0, len(records), batch):
        chosen = records[begin : begin + batch]
        rows = np.zeros((len(chosen), ROW.words), np.int64)
        floats = rows.view(np.float32)
        for row, (part, is_final) in zip(rows, chosen, strict=True):
            row[ROW.index("head")] = packed(ROW, "head", reason=IDLE if is_final else 0)
            row[ROW.index("first_reference")] = part
        values = [draw.choice([0.0, 1.0, draw.uniform(-2, 2)]) for _ in range(142 * len(rows))]
        floats[:, VECTOR_AT : VECTOR_AT + FEATURES] = np.reshape(values, (-1, FEATURES))
        found = score(rows, floats, len(rows), detector, work)
        alerts += found[0]
        kept += found[1]
        for row, (part, is_final) in zip(rows, chosen, strict=True):
            assert verdict_of(row) == expected_verdict(model, plain, row, part, is_final)
            alerts -= verdict_of(row)[3]
            kept -= verdict_of(row)[2] > 0
    assert (alerts, kept) == (0, 0)


def verdict_of(row) -> tuple[float, float, int, bool, bool]:
    """Return (score, threshold, label, alert, alerted) of a row that has been scored."""
    verdict = int(row[ROW.index("verdict")])
    assert verdict >> ROW.shift("verdict", "scored") & 1
    floats = row.view(np.float32)[2 * ROW.index("score_threshold") :]
    label = verdict >> ROW.shift("verdict", "label") & ROW.mask("verdict", "label")
    alert = verdict >> ROW.shift("verdict", "alert") & 1
    named = verdict >> ROW.shift("verdict", "top_count") & ROW.mask("verdict", "top_count")
    assert alert or not named
    had_alert = verdict >> ROW.shift("verdict", "alerted") & 1
    return float(floats[0]), float(floats[1]), label, bool(alert), bool(had_alert)


def expected_verdict(model, plain, row, part, is_final) -> tuple[float, float, int, bool, bool]:
    vector = row.view(np.float32)[VECTOR_AT : VECTOR_AT + FEATURES]
    number, label = plain_score(model, vector)
    return float(number), 0.5, label, *plain.judge(part, is_final, number >= np.float32(0.5))


def test_margin_at_its_threshold_alerts():
    trees = [random_tree(random.Random(1), 1)]
    trees[0].leaves[:] = 0.25
    detector = detector_of(Plain([trees], [trees], [0.25], [0.25], [1.0]))
    work = make_work(alerted.make_set(8), alerted.make_key((1, 3)))
    rows = np.zeros((1, ROW.words), np.int64)
    assert score(rows, rows.view(np.float32), 1, detector, work) == (1, 1)
    assert verdict_of(rows[0]) == (0.5, 0.5, 1, True, True)


def test_part_alerts_once_however_many_records_it_has():
    trees = [random_tree(random.Random(1), 1)]
    trees[0].leaves[:] = 0.25
    detector = detector_of(Plain([trees], [trees], [0.25], [0.25], [1.0]))
    work = make_work(alerted.make_set(8), alerted.make_key((1, 3)))
    rows = np.zeros((9, ROW.words), np.int64)
    rows[:, ROW.index("first_reference")] = [1, 1, 1, 2, 1, 2, 1, 2, 1]
    rows[6:8, ROW.index("head")] = packed(ROW, "head", reason=IDLE)
    assert score(rows, rows.view(np.float32), 9, detector, work) == (3, 9)
    verdicts = [verdict_of(row)[3:] for row in rows]
    first, later = (True, True), (False, True)  # (alert, alerted)
    assert verdicts == [first, later, later, first, later, later, later, later, first]
    assert work.members.tolist() == [1]  # The last row's part, which has not ended.


@given(st.integers(0, 2**32), st.lists(st.integers(0, 5), min_size=1, max_size=80))
@settings(deadline=None)
def test_known_vectors_have_the_rows_that_new_ones_have(seed, drawn):
    draw = random.Random(seed)
    detector = detector_of(drawn_model(draw))
    vectors = np.asarray([[draw.choice([0.0, 1.0, -1.0]) for _ in range(142)] for _ in range(6)])
    vectors[5, 1:] = vectors[4, 1:]  # Two that differ in their first number alone.
    vectors = vectors[drawn]
    for vector in vectors[::2]:  # And some alike but for a few features, so that boxes differ.
        for feature in draw.sample(range(142), 20):
            vector[feature] = draw.choice([0.0, 1.0, -1.0, 0.5])
    rows = np.zeros((len(drawn), ROW.words), np.int64)
    floats = rows.view(np.float32)
    floats[:, VECTOR_AT : VECTOR_AT + FEATURES] = vectors
    rows[:, ROW.index("head")] = packed(ROW, "head", reason=IDLE)
    alone = rows.copy()
    for row in alone.reshape(-1, 1, ROW.words):
        work = make_work(alerted.make_set(8), alerted.make_key((seed, 3)))
        score(row, row.view(np.float32), 1, detector, work)
    work = make_work(alerted.make_set(8), alerted.make_key((seed, 3)))
    work = work._replace(memo=make_memo(2))  # So small that vectors push each other out.
    for _ in range(2):
        again = rows.copy()
        score(again, again.view(np.float32), len(again), detector, work)
        assert again.tobytes() == alone.tobytes()
