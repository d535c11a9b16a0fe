"""Goal: contributions are what the module says: path attributions that sum to margin less
expectation, the 8 largest named.

Method: random forests and vectors against a plain walk. (Kernels take an array for a pointer.)
"""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.classifier.explain import contributions, name_top
from engine.classifier.forest import complete, tree_depth
from engine.layouts import FEATURES, ROW, TOP_FEATURES
from tests.unit.classifier.builders import plain_margin, random_tree


def explained(trees, vector, begin, end) -> np.ndarray:
    """Return the contributions by the kernel."""
    forest = complete(trees, max(1, *(tree_depth(tree) for tree in trees)))
    out = np.full(FEATURES, np.nan, np.float64)
    contributions(vector, forest, begin, end, out)
    return out


def plain_contributions(trees, vector) -> np.ndarray:
    """Return the contributions by the definition."""
    out = np.zeros(FEATURES, np.float64)
    for tree in trees:
        at = 0 if len(tree.features) else -1
        while at >= 0:
            feature = int(tree.features[at])
            below = vector[feature] <= tree.thresholds[at]
            child = int(tree.left[at] if below else tree.right[at])
            after = tree.leaves[~child] if child < 0 else tree.values[child]
            out[feature] += after - tree.values[at]
            at = child
    return out


def drawn(seed, sizes):
    """Return trees, and a vector."""
    draw = random.Random(seed)
    trees = [random_tree(draw, size) for size in sizes]
    values = [draw.choice([0.0, 1.0, draw.uniform(-2, 2)]) for _ in range(FEATURES)]
    return trees, np.asarray(values, np.float32)


SIZES = st.lists(st.integers(0, 7), min_size=3, max_size=8)


@given(st.integers(0, 2**32), SIZES)
@settings(deadline=None)
def test_contributions_are_those_of_the_paths_taken(seed, sizes):
    trees, vector = drawn(seed, sizes)
    found = explained(trees, vector, 1, len(trees))
    assert found == pytest.approx(plain_contributions(trees[1:], vector), abs=1e-12)


@given(st.integers(0, 2**32), SIZES)
@settings(deadline=None)
def test_contributions_sum_to_margin_less_expectation(seed, sizes):
    trees, vector = drawn(seed, sizes)
    expectation = sum(tree.values[0] if len(tree.values) else tree.leaves[0] for tree in trees)
    found = explained(trees, vector, 0, len(trees)).sum()
    assert found == pytest.approx(plain_margin(trees, vector) - expectation, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, FEATURES - 1), st.floats(-8, 8, width=32)), max_size=12))
@settings(deadline=None)
def test_largest_are_named_first_and_zeros_never(pairs):
    weights = np.zeros(FEATURES, np.float64)
    for feature, weight in pairs:
        weights[feature] = weight
    by_size = sorted(range(FEATURES), key=lambda feature: (-abs(weights[feature]), feature))
    expected = [(feature, weights[feature]) for feature in by_size if weights[feature] != 0.0]
    row = np.zeros(ROW.words, np.int64)
    floats = row.view(np.float32)
    count = name_top(weights, np.zeros(TOP_FEATURES, np.int64), row, floats)
    indices = int(row[ROW.index("top_features")]).to_bytes(8, "little", signed=True)
    at = 2 * ROW.index("top_weights")
    found = list(zip(indices[:count], floats[at : at + count].tolist(), strict=True))
    assert found == expected[:TOP_FEATURES]
