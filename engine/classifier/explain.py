"""Say which features moved an alert's score most.

What the number means: every node of a tree has an expectation, the mean of the training rows' leaf
values below it. On a row's path each comparison moves the expectation from the node's to the
child's; that step is credited to the feature compared. Summed over the trees of the alert's kind,
a feature's contribution is what its comparisons added to the raw margin of that kind. Contributions
of all features sum to margin - expectation, up to rounding of float64 sums. (They are attributions
of the paths taken, Saabas 2014, not Shapley values, which cost 3 to 4 ms an alert instead of a few
us; a feature that is compared lower in a tree gets what is left for it there.)

Named are the at most 5 largest by size, most first, the lower index first on ties; a contribution
of 0 is not named. Positive: towards the kind.
"""

from numba import njit

from engine.layouts import FEATURES, ROW, TOP_FEATURES
from engine.memory.pointers import pointer, shifted

_TOP_FEATURES = ROW.index("top_features")
_TOP_WEIGHTS = 2 * ROW.index("top_weights")  # Place in a row of float32.
_INDEX_BITS = 8


@njit(cache=True)
def _step(vector, tree, node, out):
    """Compare once in a tree (features, thresholds, values); credit it; return the child."""
    features, thresholds, values = tree
    feature = features[node]
    child = 2 * node + 1 + (not vector[feature] <= thresholds[node])
    out[feature] += values[child] - values[node]
    return child


@njit(cache=True)
def contributions(vector, forest, begin, end, out):
    """Set out[0:142] to what each feature added to trees [begin, end) of `forest` for a vector.

    `vector` points to 142 float32, `out` to 142 float64. Two trees are walked at the same time:
    one walk is a chain of loads.
    """
    for feature in range(FEATURES):
        out[feature] = 0.0
    inner = forest.features.shape[1]
    places = forest.values.shape[1]
    features = shifted(pointer(forest.features.reshape(-1)), begin * inner)
    thresholds = shifted(pointer(forest.thresholds.reshape(-1)), begin * inner)
    values = shifted(pointer(forest.values.reshape(-1)), begin * places)
    for number in range(0, end - begin, 2):
        first = _tree(features, thresholds, values, number, inner)
        # An odd forest ends with a tree alone: its neighbour is itself, and not walked.
        paired = number + 1 < end - begin
        second = _tree(features, thresholds, values, number + paired, inner)
        node_1 = 0
        node_2 = 0 if paired else inner
        while node_1 < inner:  # Both have the forest's depth.
            node_1 = _step(vector, first, node_1, out)
            if node_2 < inner:
                node_2 = _step(vector, second, node_2, out)


@njit(cache=True)
def _tree(features, thresholds, values, number, inner):
    """Return the same pointers at tree `number`."""
    at = number * inner
    return shifted(features, at), shifted(thresholds, at), shifted(values, number * (2 * inner + 1))


@njit(cache=True)
def name_top(weights, top, row, floats):
    """Write the largest of 142 contributions into a row; return how many.

    `top` has room for TOP_FEATURES numbers; `row` points to the row's words, `floats` to the same
    bytes as float32.
    """
    named = 0
    for feature in range(FEATURES):
        weight = abs(weights[feature])
        if weight == 0.0 or (named == TOP_FEATURES and weight <= abs(weights[top[named - 1]])):
            continue
        place = min(named, TOP_FEATURES - 1)
        while place > 0 and weight > abs(weights[top[place - 1]]):
            top[place] = top[place - 1]
            place -= 1
        top[place] = feature
        named = min(named + 1, TOP_FEATURES)
    indices = 0
    for place in range(named):
        floats[_TOP_WEIGHTS + place] = weights[top[place]]
        indices |= top[place] << (_INDEX_BITS * place)
    row[_TOP_FEATURES] = indices
    return named
