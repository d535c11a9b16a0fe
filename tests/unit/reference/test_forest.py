"""Goal: margins, scores, labels and alerts of the twin are those that its definition gives.

Method: trees of one or two splits by hand; then random forests in the engine's own form, scored by
both. The shipped model is compared too when the package has it.
"""

import random
from itertools import pairwise
from struct import pack

import numpy as np
import pytest
import xxhash

from engine.classifier import model
from engine.reference.digest import packed, scored_digest_of
from engine.reference.forest import Kind, Split, Tree, judge, margin, verdicts
from tests.unit.classifier.builders import random_tree
from tests.unit.classifier.models import small_card
from tests.unit.reference.scenes import S, datagram, run_of

ZEROS = [0.0] * 142
STEP = Split(3, 1.5, -1.0, 2.0)


def _kind(label: str, gate: float, value: float, limit: float = 0.0) -> Kind:
    return Kind(label, [gate], 0.0, [value], limit, 2.0)


def test_value_at_the_threshold_goes_low() -> None:
    vector = list(ZEROS)
    for value, expected in ((1.5, -1.0), (1.5000001, 2.0), (-9.0, -1.0)):
        vector[3] = value
        assert margin([STEP], vector) == expected


def test_margin_is_summed_in_tree_order() -> None:
    assert margin([1e16, 1.0, -1e16], ZEROS) == 0.0
    assert margin([1e16, -1e16, 1.0], ZEROS) == 1.0
    assert margin([], ZEROS) == 0.0


def test_trees_are_walked_to_their_leaves() -> None:
    tree = Split(0, 0.0, Split(1, 0.0, 10.0, STEP), 30.0)
    assert margin([tree], ZEROS) == 10.0
    assert margin([tree], [0.0, 1.0, *ZEROS[2:]]) == -1.0
    assert margin([tree], [1.0, *ZEROS[1:]]) == 30.0


def test_kept_record_has_the_score_of_its_best_kind() -> None:
    verdict = judge([_kind("scan", 0.0, 1.0), _kind("flood", 1.0, 2.0)], ZEROS)
    assert (verdict.score, verdict.label) == (0.75, "flood")
    tied = judge([_kind("scan", 0.0, 2.0), _kind("flood", 0.0, 2.0)], ZEROS)
    assert tied.label == "scan"


def test_margin_at_the_limit_scores_one_half() -> None:
    assert judge([_kind("scan", 0.0, 7.0, limit=7.0)], ZEROS).score == 0.5


def test_gate_that_clears_a_kind_hides_its_forest() -> None:
    verdict = judge([_kind("scan", -1e-9, 99.0), _kind("flood", 0.0, -2.0)], ZEROS)
    assert (verdict.score, verdict.label) == (0.25, "flood")


def test_record_that_no_gate_keeps_has_half_of_the_nearest() -> None:
    verdict = judge([_kind("scan", -3.0, 99.0), _kind("flood", -1.0, 99.0)], ZEROS)
    assert (verdict.score, verdict.label) == (0.125, "")


def test_first_record_of_a_part_at_the_threshold_alerts() -> None:
    run = run_of(*[(k, datagram()) for k in range(9)], (7 * S, datagram(port=10)))
    long_flow = Kind("long", [0.0], 0.0, [Split(1, 7.5, -1.0, 0.0)], 0.0, 1.0)  # packet_count.
    found = list(verdicts([long_flow], run.records))
    told = [(r.key.responder_port, v.alert) for r, v in zip(run.records, found, strict=True)]
    assert told == [(9, True), (9, False), (10, False), (9, False), (10, False)]
    assert [verdict.score for verdict in found] == [0.5, 0.5, 0.25, 0.5, 0.25]


def test_scored_digest_takes_score_and_alert_behind_their_record() -> None:
    first, second = run_of((0, datagram())).records
    octets = packed(first) + pack("<fBf", 0.75, 2, 0.5) + packed(second) + pack("<f", 0.25)
    judged = [(first, 0.75, True), (second, 0.25, False)]
    assert scored_digest_of(judged, 0.5) == xxhash.xxh3_128_hexdigest(octets)


def _plain(tree, node: int = 0) -> Tree:
    """Return a tree of a model file as plain nodes; a child below 0 is leaf ~child."""
    if node < 0 or len(tree.features) == 0:
        return float(tree.leaves[~node if node < 0 else 0])
    low, high = (_plain(tree, int(side[node])) for side in (tree.left, tree.right))
    return Split(int(tree.features[node]), float(tree.thresholds[node]), low, high)


def _kinds(card: model.Card, trees: list, spans: np.ndarray) -> list[Kind]:
    forests = [[_plain(tree) for tree in trees[begin:end]] for begin, end in pairwise(spans)]
    gates, own = forests[: len(card.kinds)], forests[len(card.kinds) :]
    return [
        Kind(kind.label, gate, kind.gate_limit, forest, kind.limit, kind.scale)
        for kind, gate, forest in zip(card.kinds, gates, own, strict=True)
    ]


def _assert_same(kinds: list[Kind], vectors: np.ndarray, scores, labels) -> None:
    names = ["", *(kind.label for kind in kinds)]
    found = [judge(kinds, [float(value) for value in vector]) for vector in vectors]
    assert [names.index(verdict.label) for verdict in found] == [int(label) for label in labels]
    assert np.array([verdict.score for verdict in found], np.float32).tobytes() == scores.tobytes()


@pytest.mark.parametrize("seed", range(8))
def test_engine_scores_random_forests_alike(seed: int) -> None:
    draw, card = random.Random(seed), small_card()
    trees = [random_tree(draw, draw.randrange(0, 8)) for _ in range(4 * len(card.kinds))]
    spans = np.arange(1 + 2 * len(card.kinds), dtype=np.int64) * 2
    vectors = np.random.default_rng(seed).uniform(-2, 2, (200, 142)).astype(np.float32)
    scores, labels = model.score_vectors(model.detector_of(trees, spans, card), vectors)
    _assert_same(_kinds(card, trees, spans), vectors, scores, labels)


def test_shipped_model_scores_its_references_alike() -> None:
    if not model.DEFAULT_PATH.exists():
        pytest.skip("the package has no model yet")
    shipped = model.read(model.DEFAULT_PATH)
    detector = shipped.detector
    spans = np.concatenate((detector.gate_spans, detector.gate_spans[-1] + detector.spans[1:]))
    kinds = _kinds(shipped.card, shipped.trees, spans)
    _assert_same(kinds, shipped.reference_vector, shipped.reference_score, shipped.reference_label)
