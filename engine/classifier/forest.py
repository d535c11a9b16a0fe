"""Evaluate forests of small decision trees over vectors, bit-equal to the library that grew them.

A tree of depth at most D is kept as a complete one: node k has the children 2k + 1 and 2k + 2, so
the walk needs neither child links nor branches, and D comparisons end at a leaf whatever the tree
looked like. A leaf above the last level fills everything below it; the comparisons there decide
nothing. Four trees are walked at the same time, because one walk is a chain of loads.

Bit-equal to LightGBM's raw prediction: a feature goes left when float64(value) <= threshold; with
the threshold rounded to float32 downwards the comparison of float32 has the same outcome for every
float32 value, and the leaves of a row are summed in tree order in float64, as there. (Trained with
use_missing=False and zero_as_missing=False: a feature that is not valid is 0.0 like any other.)

A Forest is made from a checked model only (model.py): kernels do not check feature numbers.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from engine.classifier.memo import WIDTH
from engine.layouts import ROW
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import pointer, shifted

DEPTH_MAX = 8
ROW_FLOATS = ROW.size_bytes // 4
VECTOR_AT = 2 * ROW.index("vector_0")  # Place of the vector in a row of float32.
BLOCK = 4  # Trees walked at the same time.
_UNUSED = np.float32(np.inf)  # Threshold below a leaf: every value goes left.


class Forest(NamedTuple):
    """Trees as complete ones of one depth. `values` holds each node's expectation, then leaves."""

    features: np.ndarray  # (trees, 2**depth - 1) uint8
    thresholds: np.ndarray  # (trees, 2**depth - 1) float32
    leaves: np.ndarray  # (trees, 2**depth) float64
    values: np.ndarray  # (trees, 2**(depth + 1) - 1) float64

    @property
    def depth(self) -> int:
        """Return how many comparisons a tree takes."""
        return self.leaves.shape[1].bit_length() - 1


class Tree(NamedTuple):
    """A tree as the model file holds it. A child >= 0 is a node, a child < 0 is leaf ~child."""

    features: np.ndarray  # (nodes,) uint8
    thresholds: np.ndarray  # (nodes,) float32
    left: np.ndarray  # (nodes,) int16
    right: np.ndarray  # (nodes,) int16
    values: np.ndarray  # (nodes,) float64, mean of the training rows' leaves below each node
    leaves: np.ndarray  # (nodes + 1,) float64


def threshold_of(limit: float) -> np.float32:
    """Return the largest float32 that is <= `limit`: comparing with it changes no outcome."""
    with np.errstate(over="ignore"):
        rounded = np.float32(limit)
    if np.float64(rounded) > limit:
        rounded = np.nextafter(rounded, np.float32(-np.inf))
    return rounded


def tree_depth(tree: Tree) -> int:
    """Return how many comparisons the longest path takes. Children are forward and inside."""
    depths = np.zeros(len(tree.features), np.int64)
    deepest = 0
    for node in range(len(tree.features)):
        deepest = max(deepest, int(depths[node]) + 1)
        for child in (int(tree.left[node]), int(tree.right[node])):
            if child >= 0:
                depths[child] = depths[node] + 1
    return deepest


def complete(trees: list[Tree], depth: int) -> Forest:
    """Return checked trees, none deeper than `depth`, as a Forest."""
    inner = (1 << depth) - 1
    forest = Forest(
        np.zeros((len(trees), inner), np.uint8),
        np.full((len(trees), inner), _UNUSED, np.float32),
        np.zeros((len(trees), inner + 1), np.float64),
        np.zeros((len(trees), 2 * inner + 1), np.float64),
    )
    for number, tree in enumerate(trees):
        _fill(forest, number, tree)
    return forest


def _fill(forest: Forest, number: int, tree: Tree) -> None:
    """Write one tree, level by level: `at` holds what stands at each place of the level."""
    at = [0 if len(tree.features) else -1]
    place = 0
    for level in range(forest.depth + 1):
        below = []
        for what in at:
            forest.values[number, place] = tree.leaves[~what] if what < 0 else tree.values[what]
            if level < forest.depth and what >= 0:
                forest.features[number, place] = tree.features[what]
                forest.thresholds[number, place] = tree.thresholds[what]
                below += [int(tree.left[what]), int(tree.right[what])]
            else:
                below += [what, what]
            place += 1
        if level == forest.depth:
            assert all(what < 0 for what in at), "a tree is deeper than its forest"
        at = below
    forest.leaves[number] = forest.values[number, (1 << forest.depth) - 1 :]


@njit(**HOT)
def _step(vector, features, thresholds, node, limits):
    """Compare once, narrow the limits accordingly, and return the child."""
    # Wide before the sum: a place beyond 255 is none of uint8.
    feature, threshold = np.int64(features[node]), thresholds[node]
    right = not vector[feature] <= threshold
    place = feature + WIDTH * right
    limit = -threshold if right else threshold
    known = limits[place]
    limits[place] = limit if limit < known else known
    return 2 * node + 1 + right


@njit(**KERNEL)
def margin(vector, forest, begin, end, limits):
    """Return the sum of the trees [begin, end) for a vector, a pointer to 142 float32.

    `limits` points to those of a box that holds the vector (memo.py). They are narrowed to what
    the comparisons have asked: a vector within them has the same sum.
    """
    inner = forest.features.shape[1]
    all_features = pointer(forest.features.reshape(-1))
    all_thresholds = pointer(forest.thresholds.reshape(-1))
    leaves = pointer(forest.leaves.reshape(-1))
    total = 0.0
    for tree in range(begin, end, BLOCK):
        # The last block may be short: its last tree is walked again, and not added.
        first, last = tree, end - 1
        second, third, fourth = min(tree + 1, last), min(tree + 2, last), min(tree + 3, last)
        features_1, thresholds_1 = _tree(all_features, all_thresholds, first * inner)
        features_2, thresholds_2 = _tree(all_features, all_thresholds, second * inner)
        features_3, thresholds_3 = _tree(all_features, all_thresholds, third * inner)
        features_4, thresholds_4 = _tree(all_features, all_thresholds, fourth * inner)
        node_1 = node_2 = node_3 = node_4 = 0
        while node_1 < inner:  # All have the forest's depth.
            node_1 = _step(vector, features_1, thresholds_1, node_1, limits)
            node_2 = _step(vector, features_2, thresholds_2, node_2, limits)
            node_3 = _step(vector, features_3, thresholds_3, node_3, limits)
            node_4 = _step(vector, features_4, thresholds_4, node_4, limits)
        # Leaf n of tree t stands at t * (inner + 1) + n, and n = node - inner.
        total += leaves[first * inner + first + node_1 - inner]
        if tree + 1 < end:
            total += leaves[second * inner + second + node_2 - inner]
        if tree + 2 < end:
            total += leaves[third * inner + third + node_3 - inner]
        if tree + 3 < end:
            total += leaves[fourth * inner + fourth + node_4 - inner]
    return total


@njit(**HOT)
def _tree(features, thresholds, at):
    """Return both pointers, `at` nodes further on."""
    return shifted(features, at), shifted(thresholds, at)
