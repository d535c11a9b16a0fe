"""Turn LightGBM boosters into the trees that the engine evaluates, bit-equal (forest.py)."""

import numpy as np

from engine.classifier.forest import Tree, threshold_of


def trees_of(*boosters) -> list[Tree]:
    """Return the trees of boosters of one output, in order; their sum is the boosters' mean."""
    share = 1.0 / len(boosters)
    grown = [tree for booster in boosters for tree in booster.dump_model()["tree_info"]]
    return [_tree(tree["tree_structure"], share) for tree in grown]


def _tree(structure: dict, share: float) -> Tree:
    """Return one tree, `share` of its values; nodes are numbered so that children lie forward."""
    features, thresholds, left, right, values = [], [], [], [], []
    leaves = []

    def visit(node: dict) -> tuple[int, float, int]:
        """Add a subtree; return its number (~leaf or node), mean of its leaves, training rows."""
        if "leaf_value" in node:
            leaves.append(float(node["leaf_value"]) * share)
            return ~(len(leaves) - 1), leaves[-1], int(node.get("leaf_count", 1))
        assert node["decision_type"] == "<=", "only numerical comparisons are evaluated"
        assert node["missing_type"] == "None", "train with use_missing=False"
        number = len(features)
        features.append(int(node["split_feature"]))
        thresholds.append(threshold_of(float(node["threshold"])))
        for grown in (left, right, values):
            grown.append(0)
        left[number], left_mean, left_rows = visit(node["left_child"])
        right[number], right_mean, right_rows = visit(node["right_child"])
        rows = left_rows + right_rows
        values[number] = (left_mean * left_rows + right_mean * right_rows) / max(rows, 1)
        return number, values[number], rows

    visit(structure)
    return Tree(
        np.asarray(features, np.uint8),
        np.asarray(thresholds, np.float32),
        np.asarray(left, np.int16),
        np.asarray(right, np.int16),
        np.asarray(values, np.float64),
        np.asarray(leaves, np.float64),
    )


def features_of(forests: list[list[Tree]]) -> list[int]:
    """Return the features that some tree compares, in their order."""
    return sorted({int(at) for forest in forests for tree in forest for at in tree.features})


def arrays_of(forests: list[list[Tree]]) -> dict[str, np.ndarray]:
    """Return the arrays of model_file.ARRAYS of the trees: each gate's, then each forest's."""
    trees = [tree for forest in forests for tree in forest]
    return {
        "forest_trees": np.asarray([len(forest) for forest in forests], np.int32),
        "tree_nodes": np.asarray([len(tree.features) for tree in trees], np.int32),
        "node_feature": np.concatenate([tree.features for tree in trees]),
        "node_threshold": np.concatenate([tree.thresholds for tree in trees]),
        "node_left": np.concatenate([tree.left for tree in trees]),
        "node_right": np.concatenate([tree.right for tree in trees]),
        "node_value": np.concatenate([tree.values for tree in trees]),
        "leaf_value": np.concatenate([tree.leaves for tree in trees]),
    }
