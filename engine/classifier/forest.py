"""Evaluate forests of small decision trees over vectors, bit-equal to the library that grew them.

A tree of depth at most D is kept as a complete one: node k has the children 2k + 1 and 2k + 2, so
the walk needs neither child links nor branches, and D comparisons end at a leaf whatever the tree
looked like. A leaf above the last level fills everything below it; the comparisons there decide
nothing. Rows are walked four at a time, because one walk is a chain of loads.

Bit-equal to LightGBM's raw prediction: a feature goes left when float64(value) <= threshold; with
the threshold rounded to float32 downwards the comparison of float32 has the same outcome for every
float32 value, and the leaves of a row are summed in tree order in float64, as there. (Trained with
use_missing=False and zero_as_missing=False: a feature that is not valid is 0.0 like any other.)

A Forest is made from a checked model only (model.py): kernels do not check feature numbers.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from engine.layouts import ROW
from engine.memory.pointers import pointer, shifted

DEPTH_MAX = 8
ROW_FLOATS = ROW.size_bytes // 4
VECTOR_AT = 2 * ROW.index("vector_0")  # Place of the vector in a row of float32.
BLOCK = 4  # Rows walked at the same time.
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


@njit(cache=True)
def _block(vectors, forest, begin, end, sums):
    """Add the trees [begin, end) to four sums; `vectors` and `sums` are tuples of four."""
    inner = forest.features.shape[1]
    depth = 0
    while (1 << depth) <= inner:
        depth += 1
    all_features = pointer(forest.features.reshape(-1))
    all_thresholds = pointer(forest.thresholds.reshape(-1))
    all_leaves = pointer(forest.leaves.reshape(-1))
    first, second, third, fourth = vectors
    sum_1, sum_2, sum_3, sum_4 = sums
    for tree in range(begin, end):
        features = shifted(all_features, tree * inner)
        thresholds = shifted(all_thresholds, tree * inner)
        leaves = shifted(all_leaves, tree * (inner + 1))
        node_1 = node_2 = node_3 = node_4 = 0
        for _ in range(depth):
            node_1 = 2 * node_1 + 1 + (not first[features[node_1]] <= thresholds[node_1])
            node_2 = 2 * node_2 + 1 + (not second[features[node_2]] <= thresholds[node_2])
            node_3 = 2 * node_3 + 1 + (not third[features[node_3]] <= thresholds[node_3])
            node_4 = 2 * node_4 + 1 + (not fourth[features[node_4]] <= thresholds[node_4])
        sum_1 += leaves[node_1 - inner]
        sum_2 += leaves[node_2 - inner]
        sum_3 += leaves[node_3 - inner]
        sum_4 += leaves[node_4 - inner]
    return sum_1, sum_2, sum_3, sum_4


@njit(cache=True)
def margins(rows, picks, count, forest, span, out):
    """Set out[i] to the sum of trees span[0] to span[1] for row picks[i], i < count.

    `rows` is float32 of shape (any, ROW_FLOATS); `picks` has room for BLOCK more, which are
    overwritten; `out` has count + BLOCK places.
    """
    flat = pointer(rows.reshape(-1))
    for spare in range(BLOCK):
        picks[count + spare] = picks[0]  # The last block may be short: it walks row picks[0].
    for at in range(0, count, BLOCK):
        vectors = (
            shifted(flat, picks[at] * ROW_FLOATS + VECTOR_AT),
            shifted(flat, picks[at + 1] * ROW_FLOATS + VECTOR_AT),
            shifted(flat, picks[at + 2] * ROW_FLOATS + VECTOR_AT),
            shifted(flat, picks[at + 3] * ROW_FLOATS + VECTOR_AT),
        )
        sums = _block(vectors, forest, span[0], span[1], (0.0, 0.0, 0.0, 0.0))
        out[at] = sums[0]
        out[at + 1] = sums[1]
        out[at + 2] = sums[2]
        out[at + 3] = sums[3]
