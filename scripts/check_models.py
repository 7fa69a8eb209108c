#!/usr/bin/env python3
"""Models of random shapes beside scikit-learn: what `rowmill.export` writes must predict the same, and what learns over the
stream must say of each message what scikit-learn does that was fed those before it by `partial_fit`.

    check_models.py ROWMILL [--cases N] [--seed S] [--only NAME | stream:NAME]
    check_models.py --self-test

Labels are equal; numbers agree to a relative 1e-9, and to the rounding of the terms that they are sums of. A label may
differ only where the two best classes are as near as that rounding; more than 1 % of such cases is a failure. A row
that scikit-learn refuses must be a dead letter. `--self-test` plants errors in the results, of which each must be found.
"""

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pandas as pd
from river import anomaly, drift
from river import tree as growing
from sklearn import cluster, decomposition, ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

import comparison
from comparison import EPS

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
import rowmill  # noqa: E402

warnings.filterwarnings("ignore")
RELATIVE = 1e-9
# Where the original's value is nothing but rounding, any finite number is right.
ANY = -7.0e299


def pick(rng, *choices):
    return choices[rng.integers(len(choices))]


def seed(rng):
    return int(rng.integers(1 << 31))


def shape(rng):
    """How trees grow."""
    return {
        "max_depth": pick(rng, None, 1, 3),
        "max_leaf_nodes": pick(rng, None, 2, 9),
        "min_samples_leaf": int(pick(rng, 1, 1, 4)),
        "random_state": seed(rng),
    }


def kernel(rng):
    return {"kernel": pick(rng, "rbf", "rbf", "linear", "poly", "sigmoid"), "coef0": pick(rng, 0.0, 1.0), "max_iter": 200}


def nearest(rng):
    return {
        "n_neighbors": int(pick(rng, 1, 3, 8)),
        "weights": pick(rng, "uniform", "distance"),
        "metric": pick(rng, "minkowski", "manhattan", "chebyshev"),
    }


def network(rng):
    return {
        "hidden_layer_sizes": pick(rng, (3,), (5, 2), (1,)),
        "activation": pick(rng, "relu", "tanh", "logistic", "identity"),
        "max_iter": 5,
        "random_state": seed(rng),
    }


# For each subtask a function that makes an unfitted model of random parameters.
REGRESSORS = {
    "linear_regression": lambda rng: linear_model.LinearRegression(fit_intercept=bool(rng.integers(2))),
    "ridge": lambda rng: linear_model.Ridge(alpha=rng.gamma(1.0)),
    "lasso": lambda rng: linear_model.Lasso(alpha=0.1 * rng.gamma(1.0)),
    "elastic_net": lambda rng: linear_model.ElasticNet(alpha=0.1 * rng.gamma(1.0)),
    "sgd_regressor": lambda rng: linear_model.SGDRegressor(max_iter=20, random_state=seed(rng), average=bool(rng.integers(2))),
    "passive_aggressive_regressor": lambda rng: linear_model.PassiveAggressiveRegressor(max_iter=20, random_state=seed(rng)),
    "decision_tree_regressor": lambda rng: tree.DecisionTreeRegressor(**shape(rng)),
    "extra_tree_regressor": lambda rng: tree.ExtraTreeRegressor(**shape(rng)),
    "random_forest_regressor": lambda rng: ensemble.RandomForestRegressor(n_estimators=pick(rng, 1, 7), **shape(rng)),
    "extra_trees_regressor": lambda rng: ensemble.ExtraTreesRegressor(n_estimators=pick(rng, 1, 7), **shape(rng)),
    "gradient_boosting_regressor": lambda rng: ensemble.GradientBoostingRegressor(
        n_estimators=pick(rng, 1, 9), loss=pick(rng, "squared_error", "huber", "quantile"), init=pick(rng, None, "zero"), **shape(rng)
    ),
    "hist_gradient_boosting_regressor": lambda rng: ensemble.HistGradientBoostingRegressor(
        max_iter=pick(rng, 1, 9), min_samples_leaf=pick(rng, 1, 5), loss=pick(rng, "squared_error", "poisson"), random_state=seed(rng)
    ),
    "mlp_regressor": lambda rng: neural_network.MLPRegressor(**network(rng), loss=pick(rng, "squared_error", "poisson")),
    "k_neighbors_regressor": lambda rng: neighbors.KNeighborsRegressor(**nearest(rng)),
    "svr": lambda rng: svm.SVR(**kernel(rng)),
    "linear_svr": lambda rng: svm.LinearSVR(max_iter=50, random_state=seed(rng)),
}
CLASSIFIERS = {
    "logistic_regression": lambda rng: linear_model.LogisticRegression(C=rng.gamma(1.0) + 0.01, max_iter=30),
    "sgd_classifier": lambda rng: linear_model.SGDClassifier(
        loss=pick(rng, "hinge", "log_loss", "modified_huber", "perceptron"), max_iter=20, random_state=seed(rng)
    ),
    "perceptron": lambda rng: linear_model.Perceptron(max_iter=20, random_state=seed(rng)),
    "passive_aggressive_classifier": lambda rng: linear_model.PassiveAggressiveClassifier(max_iter=20, random_state=seed(rng)),
    "decision_tree_classifier": lambda rng: tree.DecisionTreeClassifier(**shape(rng)),
    "extra_tree_classifier": lambda rng: tree.ExtraTreeClassifier(**shape(rng)),
    "random_forest_classifier": lambda rng: ensemble.RandomForestClassifier(n_estimators=pick(rng, 1, 7), **shape(rng)),
    "extra_trees_classifier": lambda rng: ensemble.ExtraTreesClassifier(n_estimators=pick(rng, 1, 7), **shape(rng)),
    "gradient_boosting_classifier": lambda rng: ensemble.GradientBoostingClassifier(
        n_estimators=pick(rng, 1, 9), init=pick(rng, None, "zero"), **shape(rng)
    ),
    "hist_gradient_boosting_classifier": lambda rng: ensemble.HistGradientBoostingClassifier(
        max_iter=pick(rng, 1, 9), min_samples_leaf=pick(rng, 1, 5), random_state=seed(rng)
    ),
    "gaussian_nb": lambda rng: naive_bayes.GaussianNB(),
    "mlp_classifier": lambda rng: neural_network.MLPClassifier(**network(rng)),
    "k_neighbors_classifier": lambda rng: neighbors.KNeighborsClassifier(**nearest(rng)),
    "svc": lambda rng: svm.SVC(**kernel(rng), decision_function_shape="ovr", break_ties=bool(rng.integers(2))),
    "linear_svc": lambda rng: svm.LinearSVC(max_iter=50, random_state=seed(rng)),
}
OTHERS = {
    "isolation_forest": lambda rng: ensemble.IsolationForest(
        n_estimators=pick(rng, 1, 9), max_features=pick(rng, 1.0, 0.6), contamination=pick(rng, "auto", 0.1), random_state=seed(rng)
    ),
    "k_means": lambda rng: cluster.KMeans(pick(rng, 1, 2, 5), n_init=1, random_state=seed(rng)),
    "mini_batch_k_means": lambda rng: cluster.MiniBatchKMeans(pick(rng, 1, 2, 5), n_init=1, random_state=seed(rng)),
    "one_class_svm": lambda rng: svm.OneClassSVM(**kernel(rng)),
    "pca": lambda rng: decomposition.PCA(pick(rng, None, 1), whiten=bool(rng.integers(2)), random_state=seed(rng)),
    "incremental_pca": lambda rng: decomposition.IncrementalPCA(whiten=bool(rng.integers(2))),
}
MODELS = REGRESSORS | CLASSIFIERS | OTHERS


def sgd(rng):
    """How a linear model descends, without what makes it diverge on purpose."""
    return {
        "penalty": pick(rng, "l2", "l1", "elasticnet", None),
        "alpha": pick(rng, 1e-4, 1e-2),
        "l1_ratio": pick(rng, 0.15, 0.7),
        "fit_intercept": bool(rng.integers(4)),
        "learning_rate": pick(rng, "constant", "optimal", "invscaling", "adaptive"),
        "eta0": pick(rng, 0.001, 0.01),
        "power_t": pick(rng, 0.25, 0.5),
        "epsilon": pick(rng, 0.1, 0.5),
        "average": pick(rng, False, False, True, 7),
        **order(rng),
    }


def order(rng):
    """The order of a message's rows."""
    return {"shuffle": True, "random_state": int(rng.integers(100))} if rng.integers(2) else {"shuffle": False}


def weights(rng, labels):
    return {"class_weight": {label: pick(rng, 0.5, 2.0) for label in labels}} if rng.random() < 0.3 else {}


class HalfSpaceTrees:
    """river's, asked and fed as scikit-learn's models are: its columns have names, and a message is several rows."""

    def __init__(self, **given):
        self.model = anomaly.HalfSpaceTrees(**given)

    def get_params(self):
        return {}

    def score_samples(self, x):
        return np.array([float(self.model.score_one(dict(enumerate(row)))) for row in x])

    def partial_fit(self, x, _):
        for row in x:
            self.model.learn_one(dict(enumerate(row)))


class Adwin:
    """river's ADWIN: of each row what it says with it."""

    def __init__(self, **given):
        self.model = drift.ADWIN(**given)

    def get_params(self):
        return {}

    def watch(self, x):
        said = []
        for (value,) in x:
            self.model.update(value)
            said.append((float(self.model.drift_detected), self.model.estimation, float(self.model.width)))
        return dict(zip(("drift", "window_mean", "window_width"), np.array(said).T))


class HoeffdingTree:
    """river's: of each row what it says before it learns from it. What a row lacks is no feature of it."""

    def __init__(self, n_splits, **given):
        self.model = growing.HoeffdingTreeClassifier(splitter=growing.splitter.GaussianSplitter(n_splits), **given)

    def get_params(self):
        return {}

    def learn_and_say(self, rows, targets, labels):
        said = {"prediction": []} | {f"probability_{label}": [] for label in labels}
        for row, target in zip(rows, targets):
            x = {name: value for name, value in row.items() if not np.isnan(value)}
            probabilities = self.model.predict_proba_one(x)
            said["prediction"].append(max(probabilities, key=probabilities.get) if probabilities else np.nan)
            for label in labels:
                said[f"probability_{label}"].append(probabilities.get(label, 0.0) if probabilities else np.nan)
            if target is not None:
                self.model.learn_one(x, target)
        return said


REGRESSION = ("squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive")
MARGINS = ("hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron")
# For each model that learns over the stream its class, and a function of random parameters; of classifiers, of their labels, too.
LEARNING = {
    "sgd_regressor": (linear_model.SGDRegressor, lambda rng, _: sgd(rng) | {"loss": pick(rng, *REGRESSION)}),
    "passive_aggressive_regressor": (
        linear_model.PassiveAggressiveRegressor,
        lambda rng, _: order(rng) | {"C": pick(rng, 0.1, 1.0), "loss": pick(rng, *REGRESSION[2:]), "average": pick(rng, False, 3)},
    ),
    "sgd_classifier": (
        linear_model.SGDClassifier,
        lambda rng, labels: sgd(rng) | weights(rng, labels) | {"loss": pick(rng, *MARGINS, *MARGINS, *REGRESSION)},
    ),
    "perceptron": (
        linear_model.Perceptron,
        lambda rng, labels: order(rng) | weights(rng, labels) | {"penalty": pick(rng, None, "l2"), "eta0": pick(rng, 1.0, 0.1)},
    ),
    "passive_aggressive_classifier": (
        linear_model.PassiveAggressiveClassifier,
        lambda rng, labels: order(rng) | weights(rng, labels)
        | {"C": pick(rng, 0.1, 1.0), "loss": pick(rng, "hinge", "squared_hinge"), "average": pick(rng, False, 3)},
    ),
    "gaussian_nb": (
        naive_bayes.GaussianNB,
        lambda rng, labels: {"var_smoothing": pick(rng, 1e-9, 1e-3)}
        | ({"priors": [1 / len(labels)] * len(labels)} if rng.random() < 0.3 else {}),
    ),
}
LEARNING |= {
    "mini_batch_k_means": (
        cluster.MiniBatchKMeans,
        lambda rng, _: {"n_clusters": int(pick(rng, 1, 2, 5)), "init": pick(rng, "k-means++", "random"), "random_state": int(rng.integers(100)),
                        "reassignment_ratio": 0.0} | pick(rng, {}, {}, {"init_size": 9}),
    ),
    "half_space_trees": (
        lambda **given: HalfSpaceTrees(**given),
        lambda rng, _: {"n_trees": int(pick(rng, 1, 3, 10)), "height": int(pick(rng, 1, 4, 8)), "window_size": int(pick(rng, 1, 7, 30)),
                        "seed": int(pick(rng, 0, 42, 1 << 31, 1 << 40))},
    ),
    "adwin": (
        lambda **given: Adwin(**given),
        lambda rng, _: {"delta": pick(rng, 0.002, 0.05, 0.5), "clock": int(pick(rng, 1, 8)), "max_buckets": int(pick(rng, 2, 5)),
                        "min_window_length": int(pick(rng, 1, 5)), "grace_period": int(pick(rng, 1, 10))},
    ),
    "hoeffding_tree_classifier": (
        lambda **given: HoeffdingTree(**given),
        lambda rng, _: {"grace_period": int(pick(rng, 1, 5, 10, 30)), "split_criterion": pick(rng, "info_gain", "gini", "hellinger"),
                        "delta": pick(rng, 1e-7, 0.05, 0.5, 1.0), "tau": pick(rng, 0.05, 0.5, 2.0), "leaf_prediction": pick(rng, "mc", "nb", "nba"),
                        "nb_threshold": int(pick(rng, 0, 7)), "n_splits": int(pick(rng, 1, 10, 33)), "binary_split": bool(rng.integers(2)),
                        "min_branch_fraction": pick(rng, 0.01, 0.0, 0.3), "max_share_to_split": pick(rng, 0.99, 0.7),
                        "remove_poor_attrs": bool(rng.integers(2)), "merit_preprune": bool(rng.integers(4)),
                        "nominal_attributes": pick(rng, [], ["c0"])} | pick(rng, {}, {}, {"max_depth": int(rng.integers(4))}),
    ),
    "incremental_pca": (decomposition.IncrementalPCA, lambda rng, _: {"n_components": int(pick(rng, 1, 2)), "whiten": bool(rng.integers(2))}),
}
# What learns without a target.
UNSUPERVISED = {*OTHERS, "half_space_trees", "adwin"}
# What takes missing values.
TAKES_GAPS = {name for name in MODELS if ("tree" in name or "forest" in name or "hist" in name)}
# Of points that are equally far, scikit-learn takes any.
ANY_ORDER = {name for name in MODELS if "neighbors" in name}
# Others are asked about large values behind a scaler.
UNSCALED = {"linear_regression", "ridge", "lasso", "elastic_net"}


def rows(rng, count, width, kind):
    """Rows as stations send them: smooth, with ties, or constant."""
    if kind == "ties":
        return rng.integers(-2, 3, (count, width)).astype(float)
    if kind == "constant":
        return np.full((count, width), 3.25)
    if kind == "large":
        return 1000.0 + 5.0 * rng.normal(size=(count, width))
    return rng.normal(size=(count, width)).round(15 if kind == "distinct" else pick(rng, 2, 15))


def targets(rng, name, x):
    """What a model learns."""
    signal = x @ rng.normal(size=x.shape[1]) + 0.3 * rng.normal(size=len(x))
    if name in REGRESSORS:
        return signal if rng.random() < 0.9 else np.full(len(x), 2.5)
    if name in OTHERS:
        return None
    count = int(pick(rng, 2, 2, 3, 4))
    edges = np.quantile(signal, np.linspace(0, 1, count + 1)[1:-1])
    classes = np.searchsorted(edges, signal)
    classes[:count] = np.arange(count)
    labels = pick(rng, np.arange(count), np.arange(count) - 1, np.array(["sun", "rain", "fog", "snow, wet"])[:count],
                  2.0 * np.arange(count), np.array([False, True, True, True])[:count] if count == 2 else np.arange(count))
    return labels[classes]


def expected(model, x):
    """What scikit-learn says, by the names of the columns that rowmill appends."""
    last, found = model[-1] if hasattr(model, "steps") else model, {}
    if hasattr(last, "cluster_centers_"):
        return {"cluster": model.predict(x)} | {f"distance_{i}": d for i, d in enumerate(model.transform(x).T)}
    if hasattr(last, "components_"):
        return {f"component_{i}": c for i, c in enumerate(model.transform(x).T)}
    if hasattr(last, "score_samples"):
        found["anomaly_score"] = model.score_samples(x)
    if hasattr(last, "predict"):
        found["prediction"] = model.predict(x)
    names = [str(label).lower() if isinstance(label, (bool, np.bool_)) else str(label) for label in getattr(last, "classes_", [])]
    if hasattr(last, "predict_proba"):
        found |= {f"probability_{name}": p for name, p in zip(names, model.predict_proba(x).T)}
    if hasattr(last, "decision_function"):
        decision = model.decision_function(x)
        found |= {"decision": decision} if decision.ndim == 1 else {f"decision_{n}": d for n, d in zip(names, decision.T)}
    return found


def terms(model, x):
    """How large the terms are of which the model's numbers are sums, a row each; 0 where there is no sum to speak of."""
    last = model[-1] if hasattr(model, "steps") else model
    inner = model[:-1].transform(x) if hasattr(model, "steps") and len(model) > 1 else x
    # A scaler before it has rounded its input already.
    largest = np.abs(inner) + (np.abs(x) / np.abs(model[0].scale_) if hasattr(model, "steps") and isinstance(model[0], StandardScaler) else 0)
    if hasattr(last, "components_"):
        sums = (largest + np.abs(last.mean_)) @ np.abs(last.components_).max(axis=0)
        scale = np.maximum(np.sqrt(last.explained_variance_), EPS).min() if last.whiten else 1.0
        return sums / scale
    if hasattr(last, "cluster_centers_"):
        return (largest**2).sum(axis=1) + (last.cluster_centers_**2).sum(axis=1).max()
    if hasattr(last, "n_neighbors"):
        # Weights are inverse distances, which a difference of coordinates rounds.
        apart, _ = last.kneighbors(inner)
        near = np.where(apart > 0, apart, np.inf).min(axis=1)
        return 1 + np.abs(last._y).max() * (1 + largest.max(axis=1) / near)
    if hasattr(last, "support_vectors_"):
        return np.abs(last._dual_coef_).sum() * kernel_terms(last, largest) + np.abs(last._intercept_).max()
    if hasattr(last, "theta_"):
        return 1 + np.max([((largest + np.abs(t)) ** 2 / v).sum(axis=1) for t, v in zip(last.theta_, last.var_)], axis=0)
    if hasattr(last, "coefs_"):
        for weights, intercepts in zip(last.coefs_, last.intercepts_):
            largest = largest @ np.abs(weights) + np.abs(intercepts)
        return largest.max(axis=1)
    if hasattr(last, "coef_"):
        weights = np.abs(np.atleast_2d(last.coef_)).max(axis=0)
        return largest @ weights + np.abs(last.intercept_).max()
    if isinstance(last, ensemble.IsolationForest):
        return np.ones(len(x))
    return np.zeros(len(x))


def kernel_terms(model, x):
    """How large the terms are from which a kernel's value is rounded."""
    vectors = np.abs(model.support_vectors_)
    products = (np.abs(x) @ vectors.T).max(axis=1)
    if model.kernel == "rbf":
        squares = (x**2).sum(axis=1) + (vectors**2).sum(axis=1).max() + 2 * products
        return 1 + model._gamma * squares
    if model.kernel == "linear":
        return products
    inner = model._gamma * products + abs(model.coef0)
    return 1 + inner if model.kernel == "sigmoid" else 3 * np.maximum(inner, 1) ** model.degree


def compare(ours, theirs, slack):
    """Which rows differ."""
    assert len(ours) == len(theirs)
    theirs = np.asarray(theirs)
    if theirs.dtype.kind in "US":
        return np.asarray(ours, dtype=str) != theirs
    ours, theirs = np.asarray(ours, dtype=float), theirs.astype(float)
    theirs = np.where((theirs == ANY) & np.isfinite(ours), ours, theirs)
    return comparison.differ(ours, theirs, RELATIVE * np.nan_to_num(np.abs(theirs)) + 256 * EPS * slack)


def undecided(found, slack):
    """Rows whose two best classes are as near as rounding."""
    distances = [values for name, values in found.items() if name.startswith("distance")]
    if len(distances) > 1:
        nearest = np.sort(np.array(distances) ** 2, axis=0)[:2]
        return nearest[1] - nearest[0] <= 256 * EPS * slack
    decisions = [values for name, values in found.items() if name.startswith("decision")]
    if not decisions:
        decisions = [values for name, values in found.items() if name.startswith("probability")]
    if not decisions:
        return np.zeros(len(slack), dtype=bool)
    if len(decisions) == 1:
        return np.abs(decisions[0]) <= 256 * EPS * slack
    best = np.sort(np.array(decisions), axis=0)[-2:]
    return best[1] - best[0] <= 256 * EPS * (slack + np.abs(best[1]))


def judge(table, found, slack, columns):
    """What is wrong with a table of results; and how many labels were excused. `found` are the rows that must be there."""
    if list(table.columns[2 + len(columns) :]) != list(found):
        return f"columns {list(table.columns[2 + len(columns) :])}, not {list(found)}", 0
    if len(table) != len(slack):
        return f"{len(table)} rows, not {len(slack)}", 0
    excused = 0
    for name, theirs in found.items():
        own = slack
        if name.startswith("distance"):
            # The root of a difference of squares.
            own = slack / np.maximum(np.nan_to_num(theirs), np.sqrt(256 * EPS * slack) + 1e-300)
        differ = compare(table[name], theirs, own)
        if name in ("prediction", "cluster") and len(found) > 1:
            tie = undecided(found, slack)
            excused += int((differ & tie).sum())
            differ = differ & ~tie
        if differ.any():
            row = int(np.argmax(differ))
            return f"{name}, row {row}: {table[name].iloc[row]!r}, not {np.asarray(theirs)[row]!r}", excused
    return None, excused


def case(rng, name):
    """A fitted model with the rows to ask it about."""
    width, kind = int(pick(rng, 1, 2, 3, 5, 9)), pick(rng, "normal", "normal", "ties", "large", "constant")
    if name in ANY_ORDER:
        kind = "distinct"
    x = rows(rng, int(pick(rng, 8, 30, 120)), width, kind)
    y = targets(rng, name, x)
    model = MODELS[name](rng)
    if name not in UNSCALED and kind == "large" or rng.random() < 0.3:
        model = make_pipeline(StandardScaler(), model)
    gaps = name in TAKES_GAPS and rng.random() < 0.5 and not hasattr(model, "steps")
    if gaps:
        x[rng.random(x.shape) < 0.15] = np.nan
    if getattr(model, "loss", None) == "poisson":
        y = np.abs(y)
    model.fit(x, y)
    fresh = rows(rng, int(pick(rng, 1, 1, 7, 60)), width, kind)
    if rng.random() < 0.3:
        fresh[: len(x)] = x[: len(fresh)]
    if gaps or rng.random() < 0.2:
        fresh[rng.random(fresh.shape) < 0.1] = np.nan
    return model, fresh


def is_degenerate(model):
    """Whether a fit has left numbers that no row can be asked about."""
    last = model[-1] if hasattr(model, "steps") else model
    without_spread = hasattr(last, "var_") and not (last.var_ > 0).all()
    return without_spread or (hasattr(last, "support_vectors_") and not len(last.support_vectors_))


def pipeline(rng):
    """A fitted pipeline over numbers with gaps and texts, and a frame to ask it about."""
    numbers = [f"c{i}" for i in range(int(pick(rng, 1, 2, 4)))]

    def frame(count):
        made = pd.DataFrame(rng.normal(size=(count, len(numbers))).round(int(pick(rng, 2, 15))), columns=numbers)
        made = made.mask(rng.random(made.shape) < 0.1)
        made["level"] = rng.gamma(2.0, size=count)
        made["place"] = rng.choice(["north", "south", "west, hill"], count)
        made["kind"] = rng.choice(["a", "b", "x y"], count)
        return made.sample(frac=1.0, axis=1, random_state=int(order)) if order else made

    order = pick(rng, 0, 1, 2)
    history, fresh = frame(90), frame(int(pick(rng, 1, 9, 40)))
    scale = lambda: pick(rng, StandardScaler(), MinMaxScaler((-1, 1)), MaxAbsScaler(), RobustScaler(), "passthrough")
    bins = KBinsDiscretizer(4, encode="ordinal")
    of_numbers = [SimpleImputer(strategy=pick(rng, "mean", "median", "most_frequent")), scale()]
    of_numbers += [step for step in (PolynomialFeatures(2, include_bias=False), bins) if rng.random() < 0.3]
    level = pick(rng, FunctionTransformer(np.log1p), FunctionTransformer(np.sqrt), scale(), "drop", bins)
    texts = [("place", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["place"]), ("kind", OrdinalEncoder(), ["kind"])]
    parts = [("numbers", make_pipeline(*of_numbers), numbers), ("level", level, ["level"]), *texts]
    mixed = ColumnTransformer([parts[i] for i in rng.permutation(len(parts))])
    middle = pick(rng, [], [], [decomposition.PCA(2, random_state=1)], [cluster.KMeans(3, n_init=1, random_state=1)])
    last = pick(rng, "ridge", "logistic_regression", "random_forest_classifier", "hist_gradient_boosting_regressor", "gaussian_nb")
    wet = (history["level"] > 1.5) ^ (history["place"] == "north")
    whole = make_pipeline(mixed, *middle, MODELS[last](rng))
    return whole.fit(history, np.where(wet, "wet", "dry") if last in CLASSIFIERS else history["level"] + 3.0 * wet), fresh


def categorical(rng):
    """Boosting over categories, numbers and texts, with gaps and unknown ones, and a frame to ask it about."""

    def frame(count, kinds):
        made = pd.DataFrame({"x": rng.normal(size=count).round(2)})
        made["code"] = rng.choice([1.0, 3.0, 7.0, 40.0, 41.0][:kinds], count)
        made["place"] = rng.choice(["north", "south", "west", "x"][: max(kinds - 1, 1)], count)
        made["y"] = rng.normal(size=count)
        return made.mask(rng.random(made.shape) < 0.1)

    history, fresh = frame(150, int(pick(rng, 2, 4, 5))), frame(int(pick(rng, 1, 9, 40)), 5)
    place = history["place"].map({"north": 2.0, "south": -1.0}).fillna(0.5)
    signal = place + (history["code"] % 3) * 1.5 + history["x"].fillna(0) * history["y"].fillna(1)
    target = np.where(signal > signal.median(), "wet", "dry") if rng.random() < 0.5 else signal.fillna(0)
    kind = ensemble.HistGradientBoostingClassifier if isinstance(target, np.ndarray) else ensemble.HistGradientBoostingRegressor
    model = kind(max_iter=int(pick(rng, 1, 8)), min_samples_leaf=3, categorical_features=["code", "place"], random_state=1)
    return model.fit(history, target), fresh


def check_pipeline(program, number):
    rng = np.random.default_rng([number, 7])
    model, fresh = categorical(rng) if rng.random() < 0.3 else pipeline(rng)
    found = expected(model, fresh)
    with tempfile.TemporaryDirectory() as directory:
        try:
            table = served(program, directory, model, fresh, 7, found)
        except rowmill.CannotExport as error:
            return ("degenerate" if is_degenerate(model) else str(error)), 0
    if table is None or list(table["row"]) != list(range(len(fresh))):
        return "rows are missing", 0
    table = table[["message", "row", *(name for name in found if name in table)]]
    edge = on_an_edge(model, fresh)
    if edge.any():
        table, found = table[~edge].reset_index(drop=True), {name: values[~edge] for name, values in found.items()}
    # Scaled values are of the size of 1, and each step rounds them.
    verdict, ties = judge(table, found, np.full(len(table), 100.0), [])
    return verdict, ties or int(edge.any())


def on_an_edge(model, fresh):
    """Rows with a value that boosted trees split within its own rounding: two sums that are equal but for that were two."""
    edge = np.zeros(len(fresh), dtype=bool)
    # A model alone takes the rows as they are, and so does rowmill.
    last = model[-1] if hasattr(model, "steps") else None
    if hasattr(last, "_predictors"):
        values = np.asarray(model[:-1].transform(fresh), dtype=float)
        nodes = [node for trees in last._predictors for tree in trees for node in tree.nodes if not node["is_leaf"]]
        for node in nodes:
            threshold = node["num_threshold"]
            edge |= np.abs(values[:, node["feature_idx"]] - threshold) <= 4 * EPS * np.abs(threshold)
    return edge


def served(program, directory, model, fresh, size, found):
    """What rowmill makes of rows: a table with the message and the row of each."""
    at = lambda name: os.path.join(directory, name)
    columns = list(fresh.columns) if isinstance(fresh, pd.DataFrame) else [f"c{i}" for i in range(fresh.shape[1])]
    pd.DataFrame(fresh, columns=columns).to_csv(at("rows.csv"), index=False)
    rowmill.export(model, columns, at("model.fit.json"), dataflow=at("model.toml"), outputs=outputs_of(found),
                   source=at("rows.csv"), sink=at("out.csv"))
    with open(at("model.toml"), "a") as file:
        file.write(f'\n[buffer]\nbucket_size = {size}\n\n[dead_letter]\nurl = "null"\n')
    run = subprocess.run([program, "run", at("model.toml"), "--quiet", "--fresh"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    if not os.path.exists(at("out.csv")) or not os.path.getsize(at("out.csv")):
        return None
    return pd.read_csv(at("out.csv"), float_precision="round_trip", keep_default_na=False, na_values=[""])


# In the order of `expected`.
KNOWN = ["anomaly_score", "prediction", "cluster", "probability", "decision", "distance", "component", "drift", "window_mean", "window_width"]


def outputs_of(found):
    """What a model must be asked for to say all this."""
    return [output for output in KNOWN if any(name == output or name.startswith(output + "_") for name in found)]


def check(program, name, number):
    rng = np.random.default_rng([number, *name.encode()])
    try:
        model, fresh = case(rng, name)
    except ValueError:
        return "degenerate", 0  # scikit-learn itself refuses to fit it
    size, kept = int(pick(rng, 1, 3, 100)), []
    for row in range(len(fresh)):
        try:
            expected(model, fresh[row : row + 1])
        except ValueError:
            continue  # a dead letter
        kept.append(row)
    # One call for all rows that stay: what a row gives does not depend on its message.
    usable = fresh[kept] if kept else None
    found = expected(model, usable) if kept else {}
    with tempfile.TemporaryDirectory() as directory:
        if not kept:
            probe = np.zeros((1, fresh.shape[1]))
            found = {key: np.array([]) for key in expected(model, probe)}
        try:
            table = served(program, directory, model, fresh, size, found)
        except rowmill.CannotExport as error:
            return ("degenerate" if is_degenerate(model) else str(error)), 0
    if not kept:
        return (None if table is None or len(table) == 0 else f"{len(table)} rows that scikit-learn refuses"), 0
    if table is None:
        return f"no rows, not {len(kept)}", 0
    columns = [f"c{i}" for i in range(fresh.shape[1])]
    wrong, excused = judge(table, found, terms(model, usable), columns)
    if not wrong and list(table["row"]) != kept:
        wrong = f"rows {list(table['row'])}, not {kept}"
    return wrong, excused


def stream(rng, name):
    """A model that has learnt nothing, its parameters, and rows with key, target and train column to learn from."""
    kind, parameters = LEARNING[name]
    widths = {"incremental_pca": (2, 4), "adwin": (1,)}.get(name, (1, 2, 4))
    width, count = int(pick(rng, *widths)), int(pick(rng, 40, 150, 400))
    x = rows(rng, count, width, pick(rng, "normal", "normal", "normal" if name == "gaussian_nb" or name in UNSUPERVISED else "ties"))
    if name == "adwin":
        # A stream that drifts.
        x = x + pick(rng, 0.0, 1.0, 3.0) * (np.arange(count) > count // 2)[:, None]
    most = 4
    if name == "hoeffding_tree_classifier":
        most = 5
        if rng.random() < 0.5:
            # Names: few, or more than a small set of Python holds; also such that need no whole numbers.
            x[:, 0] = rng.choice(np.array([0.0, 1.0, 2.5, -1.0, 7.0, 8.0, 16.0, 0.1, 40.0, 41.0, 3.0, 1e6])[: int(pick(rng, 2, 3, 6, 12))], count)
    frame = pd.DataFrame(x, columns=[f"c{i}" for i in range(width)])
    labels = None
    signal = x @ rng.normal(size=width) + 0.3 * rng.normal(size=count)
    if name.endswith("regressor") or name in UNSUPERVISED:
        target = pd.Series(signal)
    else:
        number = int(pick(rng, 2, 2, 3, most))
        labels = pick(rng, list(range(number)), [-1.0, 0.0, 2.0, 10.0, 11.0][:number], ["dry", "fog", "snow, wet", "wet", "windy"][:number])
        places = np.searchsorted(np.quantile(signal, np.linspace(0, 1, number + 1)[1:-1]), signal)
        target = pd.Series(np.array(labels, dtype=object)[places])
    if name == "hoeffding_tree_classifier" and rng.random() < 0.5:
        frame = frame.mask(rng.random(frame.shape) < 0.1)
    frame["target"] = target.mask(rng.random(count) < 0.1)
    frame["train"] = pick(rng, np.ones(count), rng.choice([1.0, 0.0, np.nan], count, p=[0.8, 0.1, 0.1]))
    frame["key"] = rng.choice(["a", "b", "c"][: int(pick(rng, 1, 1, 3))], count)
    given = parameters(rng, labels or [])
    return kind(**given), given, frame, labels


def undetermined(model):
    """Components of `IncrementalPCA` along which the rows so far do not vary, but others do: their direction is rounding."""
    values = getattr(model, "singular_values_", np.zeros(0))
    return {f"component_{i}" for i, value in enumerate(values) if value <= 64 * EPS * values[0] and values[0] > 0}


def fed(model, frame, labels, size):
    """What scikit-learn says of each message before it is fed it, as `expected`; and how large the terms are."""
    features = [name for name in frame if name.startswith("c")]
    models, found, slack, refused = {}, {}, np.ones(len(frame)), []
    for start in range(0, len(frame), size):
        for key, part in frame[start : start + size].groupby("key"):
            x, places = part[features].to_numpy(), part.index
            if hasattr(model, "learn_and_say"):
                # Not copied: the order of Python's sets would change.
                models.setdefault(key, copy.deepcopy(model))
                trained = part["target"].notna() & part["train"].fillna(0).ne(0)
                known = [type(labels[0])(value) if learns else None for value, learns in zip(part["target"], trained)]
                for output, values in models[key].learn_and_say(part[features].to_dict("records"), known, labels).items():
                    texts = output == "prediction" and isinstance(labels[0], str)
                    missing = np.full(len(frame), "nan", dtype=object) if texts else np.full(len(frame), np.nan)
                    found.setdefault(output, missing)[places] = values
                continue
            if isinstance(model, HalfSpaceTrees):
                # It scores before it has learnt.
                models.setdefault(key, copy.deepcopy(model))
            if key in models:
                slack[places] = terms(models[key], x)
                for output, values in expected(models[key], x).items():
                    values = np.full(len(values), ANY) if output in undetermined(models[key]) else values
                    missing = np.full(len(frame), np.nan) if values.dtype.kind in "if" else np.full(len(frame), "nan", dtype=object)
                    found.setdefault(output, missing)[places] = values
            has_target = part["target"].notna() if hasattr(model, "predict") and not hasattr(model, "n_clusters") else True
            learnt = part[has_target & part["train"].fillna(0).ne(0)]
            if not len(learnt):
                continue
            next_model = copy.deepcopy(models.get(key, model))
            more = {} if labels is None else {"classes": np.array(labels)}
            y = learnt["target"].to_numpy(dtype=float if labels is None else np.array(labels).dtype)
            if hasattr(model, "watch"):
                models[key] = copy.deepcopy(models.get(key, model))
                for output, values in models[key].watch(learnt[features].to_numpy()).items():
                    found.setdefault(output, np.full(len(frame), np.nan))[learnt.index] = values
                continue
            if len(learnt) < most_needed(model) and key not in models:
                refused.extend(learnt.index)
                continue
            next_model.partial_fit(learnt[features].to_numpy(), y, **more)
            models[key] = next_model
    texts = {name: values.astype(str) for name, values in found.items() if values.dtype == object}
    kept = np.setdiff1d(np.arange(len(frame)), refused)
    return {name: values[kept] for name, values in (found | texts).items()}, slack[kept]


def most_needed(model):
    """How many rows the first message must have."""
    return getattr(model, "n_clusters", None) or getattr(model, "n_components", None) or 1


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(str(key))} = {toml(each)}" for key, each in value.items()) + " }"
    return '"none"' if value is None else json.dumps(value)


def dataflow(name, given, frame, labels, size, outputs, source, sink):
    """The dataflow file of a model that learns from the rows of a file."""
    features = [name for name in frame if name.startswith("c")]
    texts = ["key"] + (["target"] if labels and isinstance(labels[0], str) else [])
    numbers = [name for name in frame if name not in texts]
    step = {"use": name, "fit": "stream", "columns": features, "outputs": outputs, "train": "train", "key": "key"}
    step |= {} if name in UNSUPERVISED else {"target": "target"}
    step |= given | ({"classes": labels[::-1]} if labels else {})
    lines = [f"[schema]\nnumber = {toml(numbers)}\ntext = {toml(texts)}", f"[source]\nurl = {toml(source)}"]
    lines += [f"[buffer]\nbucket_size = {size}", f"[sink]\nurl = {toml(sink)}", '[dead_letter]\nurl = "null"', "[[subtask]]"]
    lines += [f"{key} = {toml(value)}" for key, value in step.items()]
    return "\n".join(lines) + "\n"


def learnt(program, directory, name, given, frame, labels, size, outputs, workers):
    """What rowmill makes of rows that it learns from."""
    at = lambda name: os.path.join(directory, name)
    frame.to_csv(at("rows.csv"), index=False)
    with open(at("model.toml"), "w") as file:
        file.write(dataflow(name, given, frame, labels, size, outputs, at("rows.csv"), at("out.csv")))
    run = subprocess.run([program, "run", at("model.toml"), "--quiet", "--fresh", "-w", str(workers)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return pd.read_csv(at("out.csv"), float_precision="round_trip", keep_default_na=False, na_values=[""])


def check_stream(program, name, number):
    rng = np.random.default_rng([number, *name.encode(), 1])
    model, given, frame, labels = stream(rng, name)
    size = int(pick(rng, 1, 3, 20, 100)) if name != "gaussian_nb" else int(pick(rng, 40, 100))
    try:
        found, slack = fed(model, frame, labels, size)
    except ValueError:
        return "degenerate", 0
    if not found or not np.isfinite(slack).all():
        return "degenerate", 0
    with tempfile.TemporaryDirectory() as directory:
        outputs = outputs_of(found)
        table = learnt(program, directory, name, given, frame, labels, size, outputs, int(pick(rng, 1, 1, 3)))
    place = lambda column: next(at for at, output in enumerate(outputs) if column == output or column.startswith(output + "_"))
    ordered = {column: found[column] for column in sorted(found, key=place)}
    return judge(table, ordered, slack, list(frame))


def exports():
    """What cannot be exported is an error that names the step; what can is read back as it was."""
    rng = np.random.default_rng(1)
    x, y = pd.DataFrame(rng.normal(size=(30, 2)), columns=["a", "b"]), rng.integers(0, 2, 30)
    texts = x.assign(t=rng.choice(["u", "v"], 30))
    twice = ColumnTransformer([("one", StandardScaler(), ["a"]), ("two", MinMaxScaler(), ["a", "b"])])
    of_texts = lambda encoder: make_pipeline(ColumnTransformer([("t", encoder, ["t"])]), linear_model.Ridge())
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "model.fit.json")
        for model, rows, step, reason in [
            (make_pipeline(StandardScaler(), linear_model.HuberRegressor()), x, "huberregressor", "no such subtask"),
            (make_pipeline(linear_model.Ridge()), x, "ridge", "several values"),
            (make_pipeline(FunctionTransformer(lambda x: x + 1), linear_model.Ridge()), x, "functiontransformer", "<lambda>"),
            (make_pipeline(twice, linear_model.Ridge()), x, "columntransformer", "two transformers"),
            (make_pipeline(SimpleImputer(add_indicator=True), linear_model.Ridge()), x, "simpleimputer", "add_indicator"),
            (make_pipeline(KBinsDiscretizer(), linear_model.Ridge()), x, "kbinsdiscretizer", "onehot"),
            (of_texts(OneHotEncoder(drop="first")), texts, "columntransformer.t", "drop"),
            (of_texts(OrdinalEncoder(encoded_missing_value=-1)), texts, "columntransformer.t", "encoded_missing_value"),
        ]:
            model.fit(rows, np.column_stack([y, y]) if reason == "several values" else y)
            try:
                rowmill.export(model, rows.columns, path)
            except rowmill.CannotExport as error:
                assert f"'{step}'" in str(error) and reason in str(error), error
            else:
                raise AssertionError(f"{step}: {reason}")
            assert not os.path.exists(path), "nothing is written"
        for labels, reason in [(["", "wet"], "empty text"), ([2**53 + 1, 5], str(2**53 + 1)), ([-(2**60) - 1, 5], "float64")]:
            model = make_pipeline(tree.DecisionTreeClassifier()).fit(x, np.array(labels)[np.arange(len(x)) % 2])
            try:
                rowmill.export(model, x.columns, path)
            except rowmill.CannotExport as error:
                assert "'decisiontreeclassifier'" in str(error) and reason in str(error), error
            else:
                raise AssertionError(reason)
            assert not os.path.exists(path), "nothing is written"
        for model, named in [(make_pipeline(linear_model.Ridge()), "'ridge'"), (tree.DecisionTreeRegressor(), "DecisionTreeRegressor")]:
            try:
                rowmill.export(model, x.columns, path)
            except rowmill.CannotExport as error:
                assert named in str(error) and "not fitted" in str(error), error
            else:
                raise AssertionError(named)
        forest = make_pipeline(StandardScaler(), ensemble.RandomForestClassifier(3, random_state=1)).fit(x, y)
        rowmill.export(forest, x.columns, path)
        read = rowmill.load(path)
        assert [step.step for step in read.steps] == ["standard_scaler", "random_forest_classifier"]
        assert read["standard_scaler"].columns == ["a", "b"]
        assert (read["standard_scaler"].array("mean_") == forest[0].mean_).all()
        nodes = sum(each.tree_.node_count for each in forest[1].estimators_)
        assert len(read["random_forest_classifier"].array("threshold")) == nodes
        for text in ("{", "{}", '{"rowmill_fit": 9, "steps": []}', '{"rowmill_fit": 1, "steps": [{"step": 1}]}'):
            with open(path, "w") as file:
                file.write(text)
            try:
                rowmill.load(path)
            except ValueError as error:
                assert path in str(error), error
            else:
                raise AssertionError(text)


def self_test():
    """Plants errors in results: each must be found."""
    rng = np.random.default_rng(3)
    planted = 0
    for name in MODELS:
        for number in range(200):
            try:
                model, fresh = case(np.random.default_rng([number, *name.encode()]), name)
                found, slack = expected(model, fresh), terms(model, fresh)
                break
            except ValueError:
                continue
        columns = [f"c{i}" for i in range(fresh.shape[1])]
        table = pd.DataFrame(fresh, columns=columns)
        table.insert(0, "row", np.arange(len(fresh)))
        table.insert(0, "message", 0)
        table = table.assign(**found)
        assert judge(table, found, slack, columns) == (None, 0), name
        tie = undecided(found, slack)
        for column, values in found.items():
            row = int(rng.integers(len(fresh)))
            values = np.asarray(values)
            if values.dtype.kind in "US":
                errors = [values[row] + "x", ""]
            elif values.dtype.kind == "b":
                errors = [not values[row]]
            else:
                size = abs(float(values[row])) + 256 * EPS * slack[row] / RELATIVE
                errors = [float(values[row]) + 3 * RELATIVE * size + 1e-300, np.nan, np.inf]
            if column == "prediction" and tie[row]:
                continue
            for error in errors:
                wrong = table.copy()
                wrong[column] = wrong[column].astype(object)
                wrong.loc[row, column] = error
                verdict, _ = judge(wrong, found, slack, columns)
                assert verdict is not None, (name, column, row, values[row], error)
                planted += 1
            if values.dtype.kind == "f":
                endless = values.copy()
                endless[row] = np.inf
                assert judge(table, found | {column: endless}, slack, columns)[0] is not None, (name, column, row)
                planted += 1
        for wrong in (table.iloc[:-1], table.drop(columns=list(found)[0]), table.rename(columns={list(found)[0]: "other"})):
            assert judge(wrong, found, slack, columns)[0] is not None, name
            planted += 1
    planted += stream_self_test(rng)
    exports()
    print(f"{planted} planted errors in the results of {len(MODELS)} models and of {len(LEARNING)} that learn, each found")


def stream_self_test(rng):
    """Plants errors in what models say that learn: of one row, of all rows but the last message, of a model that learnt late."""
    planted = 0
    for name in LEARNING:
        for number in range(2, 99):
            model, _, frame, labels = stream(np.random.default_rng([number, *name.encode()]), name)
            found, slack = fed(model, frame, labels, 40)
            # Scores of a first message alone are all 0, however it is cut.
            if any((values != 0).any() for values in found.values()):
                break
        table = frame.copy()
        table.insert(0, "row", np.arange(len(frame)))
        table.insert(0, "message", 0)
        right = table.assign(**{column: pd.Series(values).replace("nan", np.nan) for column, values in found.items()})
        assert judge(right, found, slack, list(frame))[0] is None, name
        if len(found[list(found)[0]]) < len(frame):
            continue  # of rows that are refused there is nothing to plant
        late, _ = fed(model, frame, labels, 41)
        shuffled = copy.deepcopy(model)
        wrongs = [table.assign(**late)]
        if "shuffle" in model.get_params():
            shuffled.set_params(shuffle=True, random_state=12345)
            wrongs.append(table.assign(**fed(shuffled, frame, labels, 40)[0]))
        first = list(found)[0]
        said = np.flatnonzero(right[first].notna())
        forgotten = right.copy()
        forgotten.loc[said[0], first] = np.nan
        invented = right.copy()
        invented.loc[0, first] = right[first].iloc[said[0]]
        if said[0] == 0 or hasattr(model, "watch") or hasattr(model, "learn_and_say"):
            # It says something of the first row.
            invented = right.assign(**{first: right[first].shift(1)})
        if hasattr(model, "watch") or hasattr(model, "learn_and_say"):
            # It says the same however rows are cut into messages.
            wrongs = []
        for wrong in [*wrongs, forgotten, invented]:
            assert judge(wrong, found, slack, list(frame))[0] is not None, name
            planted += 1
    return planted


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    streams = [f"stream:{name}" for name in LEARNING]
    parser.add_argument("--only", choices=[*MODELS, "pipeline", "stream", *streams])
    arguments = parser.parse_args()
    names = [arguments.only] if arguments.only else [*MODELS, "pipeline", "pipeline", "pipeline", *streams]
    names = streams if arguments.only == "stream" else names
    wrong, excused, degenerate = 0, 0, 0
    for number in range(arguments.cases):
        name = names[number % len(names)]
        seeded = arguments.seed * 1_000_000 + number
        if name.startswith("stream:"):
            verdict, ties = check_stream(arguments.program, name.removeprefix("stream:"), seeded)
        else:
            verdict, ties = check(arguments.program, name, seeded) if name in MODELS else check_pipeline(arguments.program, seeded)
        if verdict == "degenerate":
            degenerate += 1
        elif verdict:
            wrong += 1
            print(f"{name}, case {seeded}: {verdict}")
        excused += bool(ties)
    print(f"seed {arguments.seed}: {arguments.cases} cases, {wrong} differ, {degenerate} without a fit, {excused} with a label excused")
    # Of `gaussian_nb` about 1 case in 6 has a variance of 0, of `svr` 1 in 8 no support vector.
    most = max(3, arguments.cases // (4 if arguments.only else 20))
    if wrong or excused > max(1, arguments.cases // 100) or degenerate > most:
        sys.exit(1)


if __name__ == "__main__":
    main()
