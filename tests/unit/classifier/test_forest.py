"""Goal: complete trees give the sum of the leaves, bit for bit, as the model's own trees do.

Method: random trees and vectors, values exactly at and beside thresholds, against a plain walk;
then LightGBM's raw prediction. The limits that a sum leaves behind, against those of the plain
paths, and vectors inside them against the sum. It does not show that the trees are any good.
"""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from engine.classifier.forest import (
    DEPTH_MAX,
    complete,
    margin,
    threshold_of,
    tree_depth,
)
from engine.classifier.memo import BOX_FLOATS, WIDTH
from engine.layouts import FEATURES
from engine.memory.pointers import pointer
from tests.unit.classifier.builders import plain_margin, random_tree


@njit
def sum_of(vector, forest, begin, end, limits):
    """Return the margin; vector and limits are arrays here, pointers in the engine."""
    return margin(pointer(vector), forest, begin, end, pointer(limits))


def evaluate(forests, vectors: np.ndarray) -> np.ndarray:
    """Return the margins (forests, vectors) by the kernel."""
    trees = [tree for forest in forests for tree in forest]
    spans = np.cumsum([0, *(len(forest) for forest in forests)])
    forest = complete(trees, max(1, *(tree_depth(tree) for tree in trees)))
    limits = np.zeros(BOX_FLOATS, np.float32)
    vectors = np.asarray(vectors, np.float32)
    found = [
        [sum_of(vector, forest, begin, end, limits) for vector in vectors]
        for begin, end in itertools.pairwise(spans.tolist())
    ]
    return np.asarray(found, np.float64)


def plain_limits(trees, vector) -> tuple[np.ndarray, np.ndarray]:
    """Return what the plain walks ask of each feature: it lies above low, and is at most high."""
    low, high = np.full(FEATURES, -np.inf, np.float32), np.full(FEATURES, np.inf, np.float32)
    for tree in trees:
        at = 0 if len(tree.features) else -1
        while at >= 0:
            feature, threshold = int(tree.features[at]), tree.thresholds[at]
            below = vector[feature] <= threshold
            side, narrower = (high, min) if below else (low, max)
            side[feature] = narrower(side[feature], threshold)
            at = int(tree.left[at] if below else tree.right[at])
    return low, high


def vectors_beside(trees, draw: random.Random, count: int) -> np.ndarray:
    """Return vectors whose values lie at thresholds, one float32 beside them, and anywhere."""
    vectors = np.zeros((count, FEATURES), np.float32)
    for vector in vectors:
        for tree in trees:
            for feature, threshold in zip(tree.features, tree.thresholds, strict=True):
                beside = np.nextafter(threshold, np.float32(draw.choice([-np.inf, np.inf])))
                vector[feature] = draw.choice([threshold, beside, draw.uniform(-2, 2)])
    return vectors


@given(st.integers(0, 2**32), st.lists(st.integers(0, 7), min_size=1, max_size=6))
@settings(deadline=None)
def test_margin_equals_the_plain_walk(seed, sizes):
    draw = random.Random(seed)
    forests = [[random_tree(draw, size) for size in sizes] for _ in range(2)]
    vectors = vectors_beside(forests[0] + forests[1], draw, draw.randrange(1, 11))
    found = evaluate(forests, vectors)
    expected = [[plain_margin(forest, vector) for vector in vectors] for forest in forests]
    assert found.tobytes() == np.asarray(expected, np.float64).tobytes()


@given(st.integers(0, 2**32))
@settings(deadline=None)
def test_rows_do_not_depend_on_their_neighbours(seed):
    draw = random.Random(seed)
    forest = [random_tree(draw, 5) for _ in range(3)]
    vectors = vectors_beside(forest, draw, 9)
    together = evaluate([forest], vectors)[0]
    alone = [evaluate([forest], vector[None])[0, 0] for vector in vectors]
    assert together.tolist() == alone


@given(st.integers(0, 2**32), st.lists(st.integers(0, 7), min_size=1, max_size=9))
@settings(deadline=None)
def test_limits_are_narrowed_to_what_the_paths_ask(seed, sizes):
    draw = random.Random(seed)
    trees = [random_tree(draw, size) for size in sizes]
    forest = complete(trees, max(1, *(tree_depth(tree) for tree in trees)))
    half = draw.randrange(len(trees) + 1)
    for vector in vectors_beside(trees, draw, 3):
        limits = np.full(BOX_FLOATS, np.inf, np.float32)
        for begin, end in ((0, half), (half, len(trees))):
            sum_of(vector, forest, begin, end, limits)
        low, high = plain_limits(trees, vector)
        assert (limits[:FEATURES] == high).all()
        assert (-limits[WIDTH : WIDTH + FEATURES] == low).all()


@given(st.integers(0, 2**32), st.lists(st.integers(1, 7), min_size=1, max_size=9))
@settings(deadline=None)
def test_vectors_within_the_limits_have_the_same_margin(seed, sizes):
    draw = random.Random(seed)
    trees = [random_tree(draw, size) for size in sizes]
    told = vectors_beside(trees, draw, 1)[0]
    low, high = plain_limits(trees, told)
    inside = np.empty((8, FEATURES), np.float32)
    for vector in inside:
        for feature in range(FEATURES):
            least = max(np.nextafter(low[feature], np.float32(np.inf)), np.float32(-1e6))
            most = min(high[feature], np.float32(1e6))
            vector[feature] = draw.choice([least, most])
    found = evaluate([trees], inside)[0]
    assert (found == evaluate([trees], told[None])[0, 0]).all()


@given(st.floats(allow_nan=False), st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_rounded_threshold_changes_no_outcome(limit, value):
    rounded = threshold_of(limit)
    assert (np.float32(value) <= rounded) == (float(np.float32(value)) <= limit)
    assert float(rounded) <= limit


def test_threshold_between_two_float32_rounds_downwards():
    assert threshold_of(0.1) < 0.1
    assert threshold_of(1e300) == np.finfo(np.float32).max
    assert threshold_of(-1e300) == -np.inf


def test_tree_deeper_than_its_forest_is_an_assertion():
    tree = random_tree(random.Random(1), 7)
    with pytest.raises(AssertionError):
        complete([tree], tree_depth(tree) - 1)


@pytest.fixture(scope="module")
def grown():
    """Return (booster, trees, its training vectors) of a small LightGBM model."""
    lightgbm = pytest.importorskip("lightgbm", reason="the [train] extra is not installed")
    from tools.training.export import trees_of

    noise = np.random.default_rng(3)
    vectors = noise.lognormal(0, 3, (3000, FEATURES)).astype(np.float32)
    vectors[noise.random(vectors.shape) < 0.3] = 0.0
    wrong = noise.random(len(vectors)) < 0.05
    label = (vectors[:, 3] > vectors[:, 5]) ^ (vectors[:, 92] > 2) ^ wrong
    settings_ = {
        "objective": "binary",
        "num_leaves": 31,
        "max_depth": 6,
        "learning_rate": 0.2,
        "use_missing": False,
        "zero_as_missing": False,
        "verbosity": -1,
        "num_threads": 1,
    }
    booster = lightgbm.train(settings_, lightgbm.Dataset(vectors, label), 40)
    return booster, trees_of(booster), vectors


def test_margin_is_bit_equal_to_lightgbm_on_its_data(grown):
    booster, trees, vectors = grown
    assert max(tree_depth(tree) for tree in trees) <= DEPTH_MAX
    found = evaluate([trees], vectors)[0]
    assert found.tobytes() == booster.predict(vectors, raw_score=True).tobytes()


def test_margin_is_bit_equal_to_lightgbm_beside_its_thresholds(grown):
    booster, trees, _ = grown
    vectors = vectors_beside(trees, random.Random(5), 200)
    found = evaluate([trees], vectors)[0]
    assert found.tobytes() == booster.predict(vectors, raw_score=True).tobytes()


def test_expectation_is_the_mean_margin_of_the_training_rows(grown):
    booster, trees, vectors = grown
    expected = booster.predict(vectors, raw_score=True).mean()
    assert sum(tree.values[0] for tree in trees) == pytest.approx(expected, abs=1e-9)
