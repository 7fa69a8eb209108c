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


def of_predictor(predictor, known, features=None):
    """The arrays of a tree of histogram-based boosting; `known` are the bits of the categories of each column.

    A split by categories becomes splits of their codes, one for each run of codes that go to the same side.
    """
    nodes, own = [], predictor.nodes
    # Where each node stands when the splits before it have grown.
    chains = [runs(predictor, node, known) if node["is_categorical"] and not node["is_leaf"] else None for node in own]
    places = np.cumsum([0] + [max(len(chain) - 1, 1) if chain else 1 for chain in chains])
    for node, chain, place in zip(own, chains, places):
        if node["is_leaf"]:
            nodes.append((0, 0, 0, 0.0, False, True, node["value"]))
            continue
        feature = int(node["feature_idx"] if features is None else features[node["feature_idx"]])
        children = {True: places[node["left"]], False: places[node["right"]]}
        missing = bool(node["missing_go_to_left"])
        if chain is None:
            nodes.append((children[True], children[False], feature, node["num_threshold"], missing, False, 0.0))
        elif len(chain) == 1:
            # All codes go to one side; what is missing may go to the other.
            nodes.append((children[chain[0][1]], children[missing], feature, np.inf, chain[0][1] == missing, False, 0.0))
        else:
            for step, (end, side) in enumerate(chain[:-1]):
                behind = children[chain[-1][1]] if step + 2 == len(chain) else place + step + 1
                nodes.append((children[side], behind, feature, end + 0.5, side == missing, False, 0.0))
    return flat(*map(np.array, zip(*nodes)))


def runs(predictor, node, known):
    """Runs of codes that go to the same side of a split by categories: the last code of each, and whether it is the left."""
    known_bits, of_feature = known
    bit = lambda bits, code: bool(bits[code // 32] >> np.uint32(code % 32) & np.uint32(1))
    to_left, seen = predictor.raw_left_cat_bitsets[node["bitset_idx"]], known_bits[of_feature[node["feature_idx"]]]
    missing = bool(node["missing_go_to_left"])
    found = []
    for code in range(256):
        side = True if bit(to_left, code) else False if bit(seen, code) else missing
        if found and found[-1][1] == side:
            found[-1] = (code, side)
        else:
            found.append((code, side))
    return found


def together(trees):
    """The fields of a model of several trees."""
    joined = {name: np.concatenate([np.ravel(tree[name]) for tree in trees]) for name in trees[0]}
    kinds = {name: "<f8" if name in ("threshold", "values") else "<u4" for name in joined}
    counts = [len(tree["left"]) for tree in trees]
    return {"node_counts": packed(counts, "<u4")} | {name: packed(joined[name], kinds[name]) for name in joined}
