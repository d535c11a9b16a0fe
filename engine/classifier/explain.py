"""Say which features moved an alert's score most.

What the number means: every node of a tree has an expectation, the mean of the training rows' leaf
values below it. On a row's path each comparison moves the expectation from the node's to the
child's; that step is credited to the feature compared. Summed over the trees of the alert's kind,
a feature's contribution is what its comparisons added to the raw margin of that kind. Contributions
of all features sum to margin - expectation, up to rounding of float64 sums. (They are attributions
of the paths taken, Saabas 2014, not Shapley values, which cost 3 to 4 ms an alert instead of a few
us; a feature that is compared lower in a tree gets what is left for it there.)

Named are the at most 8 largest by size, most first, the lower index first on ties; a contribution
of 0 is not named. Positive: towards the kind.
"""

from numba import njit

from engine.layouts import FEATURES, ROW, TOP_FEATURES
from engine.memory.pointers import pointer, shifted

_TOP_FEATURES = ROW.index("top_features")
_TOP_WEIGHTS = 2 * ROW.index("top_weights")  # Place in a row of float32.
_INDEX_BITS = 8


@njit(cache=True)
def contributions(vector, forest, begin, end, out):
    """Set out[0:142] to what each feature added to trees [begin, end) of `forest` for a vector.

    `vector` points to 142 float32, `out` to 142 float64.
    """
    for feature in range(FEATURES):
        out[feature] = 0.0
    inner = forest.features.shape[1]
    places = forest.values.shape[1]
    all_features = pointer(forest.features.reshape(-1))
    all_thresholds = pointer(forest.thresholds.reshape(-1))
    all_values = pointer(forest.values.reshape(-1))
    for tree in range(begin, end):
        features = shifted(all_features, tree * inner)
        thresholds = shifted(all_thresholds, tree * inner)
        values = shifted(all_values, tree * places)
        node = 0
        while node < inner:
            feature = features[node]
            child = 2 * node + 1 + (not vector[feature] <= thresholds[node])
            out[feature] += values[child] - values[node]
            node = child


@njit(cache=True)
def name_top(weights, row, floats):
    """Write the largest of 142 contributions into a row; return how many. Clears `weights`.

    `row` points to the row's words, `floats` to the same bytes as float32.
    """
    named = 0
    indices = 0
    for place in range(TOP_FEATURES):
        best = 0
        for feature in range(1, FEATURES):
            if abs(weights[feature]) > abs(weights[best]):
                best = feature
        if weights[best] == 0.0:
            break
        floats[_TOP_WEIGHTS + place] = weights[best]
        # The eighth index is the word's top byte: as a signed one, so that the word stays one.
        byte = best if place < TOP_FEATURES - 1 else best - 2 * (best & 128)
        indices += byte << (_INDEX_BITS * place)
        weights[best] = 0.0
        named += 1
    row[_TOP_FEATURES] = indices
    return named
