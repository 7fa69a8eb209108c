"""Trees of scikit-learn as flat arrays, tree after tree; a leaf has left = 0 and the number of its values in right."""

import numpy as np

from .fitted import packed


def flat(left, right, feature, threshold, missing_left, is_leaf, values):
    """The arrays of one tree."""
    return {
        "left": np.where(is_leaf, 0, left),
        "right": np.where(is_leaf, np.cumsum(is_leaf) - 1, right),
        "feature": np.where(is_leaf, 0, feature),
        "threshold": np.where(is_leaf, 0.0, threshold),
        "missing_left": np.where(is_leaf, 0, missing_left),
        "values": values[is_leaf],
    }


def of_tree(tree, values=None, features=None):
    """The arrays of a `sklearn.tree.Tree`; `features` are the columns that it was fitted on, if not all."""
    is_leaf = tree.children_left == -1
    feature = tree.feature if features is None else np.asarray(features)[np.where(is_leaf, 0, tree.feature)]
    values = tree.value[:, 0, :] if values is None else values
    return flat(tree.children_left, tree.children_right, feature, tree.threshold, tree.missing_go_to_left, is_leaf, values)


def of_predictor(predictor):
    """The arrays of a tree of histogram-based boosting."""
    nodes = predictor.nodes
    return flat(
        nodes["left"], nodes["right"], nodes["feature_idx"], nodes["num_threshold"], nodes["missing_go_to_left"],
        nodes["is_leaf"].astype(bool), nodes["value"],
    )


def together(trees):
    """The fields of a model of several trees."""
    joined = {name: np.concatenate([np.ravel(tree[name]) for tree in trees]) for name in trees[0]}
    kinds = {name: "<f8" if name in ("threshold", "values") else "<u4" for name in joined}
    counts = [len(tree["left"]) for tree in trees]
    return {"node_counts": packed(counts, "<u4")} | {name: packed(joined[name], kinds[name]) for name in joined}
