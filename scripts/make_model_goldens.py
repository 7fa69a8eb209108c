#!/usr/bin/env python3
"""Writes the cases of tests/models.rs: for each model its params, a dataflow, rows, and what scikit-learn says of them.

    make_model_goldens.py tests/models
"""

import os
import sys

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, PolynomialFeatures, StandardScaler

import check_models
import rowmill


def weather(rng, count):
    """Rows with gaps and texts."""
    frame = pd.DataFrame(rng.normal(size=(count, 3)).round(2) + 2.0, columns=["outTemp", "barometer", "dewpoint"])
    frame = frame.mask(rng.random(frame.shape) < 0.1)
    frame["rain"] = rng.gamma(1.0, size=count).round(2)
    frame["station"] = rng.choice(["north", "south", "west, hill"], count)
    frame["rule"] = rng.choice(["a", "b"], count)
    return frame


def pipelines(rng):
    """Pipelines of several steps, each with the rows that it is asked about."""
    numbers = ["dewpoint", "outTemp", "barometer"]
    history, fresh = weather(rng, 80), weather(rng, 12)
    mixed = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        ("rain", FunctionTransformer(np.log1p), ["rain"]),
        ("station", OneHotEncoder(sparse_output=False), ["station"]),
        ("rule", OrdinalEncoder(), ["rule"]),
    ])
    wet = np.where(history["rain"] + (history["station"] == "north") > 1.2, "wet", "dry")
    forest = make_pipeline(mixed, RandomForestClassifier(5, max_depth=4, random_state=1)).fit(history, wet)
    yield "pipeline_classifier", forest, fresh, ["prediction", "probability"]
    yield "pipeline_categories", *check_models.categorical(rng), None
    warm = history["rain"] + history["outTemp"].fillna(0)
    own = make_pipeline(SimpleImputer(), PolynomialFeatures(2), StandardScaler(), PCA(3, random_state=1), Ridge())
    yield "pipeline_regressor", own.fit(history[numbers], warm), fresh[numbers], None


def usable(name):
    """A case of which scikit-learn takes every row, and of several rows."""
    for number in range(1000):
        rng = np.random.default_rng([number, *name.encode()])
        try:
            model, fresh = check_models.case(rng, name)
            found = check_models.expected(model, fresh)
            tie = check_models.undecided(found, check_models.terms(model, fresh)).any()
            if len(fresh) > 5 and fresh.shape[1] < 6 and not tie:
                return model, pd.DataFrame(fresh[:12], columns=[f"c{i}" for i in range(fresh.shape[1])])
        except ValueError:
            continue
    raise RuntimeError(name)


def write(directory, name, model, fresh, outputs):
    base = os.path.join(directory, name)
    found = check_models.expected(model, fresh if hasattr(model, "feature_names_in_") else fresh.to_numpy())
    if outputs is None:
        outputs = check_models.outputs_of(found)
    rowmill.export(model, list(fresh.columns), base + ".fit.json", dataflow=base + ".toml", outputs=outputs,
                   source=f"{name}.in.csv", sink="out.csv")
    text = open(base + ".toml").read().replace(base + ".fit.json", f"{name}.fit.json")
    open(base + ".toml", "w").write(text + "\n[buffer]\nbucket_size = 5\n")
    fresh.to_csv(base + ".in.csv", index=False)
    table = pd.DataFrame({"row": np.arange(len(fresh))} | {
        column: np.asarray(values, dtype=float) if np.asarray(values).dtype.kind == "b" else values
        for column, values in found.items()
    })
    table.to_csv(base + ".out.csv", index=False)


# A stream of texts with gaps, in which a tree has splits of both kinds.
STREAMS = {"hoeffding_tree_classifier": 266}


def write_stream(directory, name):
    """A model that has no params of its own: what the original says of rows that it is fed in messages of five."""
    base = os.path.join(directory, name)
    model, given, frame, labels = check_models.stream(np.random.default_rng([STREAMS.get(name, 1), *name.encode()]), name)
    frame, size = frame[:40], 5
    found, _ = check_models.fed(model, frame, labels, size)
    outputs = check_models.outputs_of(found)
    text = check_models.dataflow(name, given, frame, labels, size, outputs, f"{name}.in.csv", "out.csv")
    open(base + ".toml", "w").write(text)
    frame.to_csv(base + ".in.csv", index=False)
    pd.DataFrame({"row": np.arange(len(frame))} | found).replace("nan", np.nan).to_csv(base + ".out.csv", index=False)


def main():
    directory = sys.argv[1]
    os.makedirs(directory, exist_ok=True)
    for name in check_models.MODELS:
        write(directory, name, *usable(name), None)
    for name in sorted(set(check_models.LEARNING) - set(check_models.MODELS)):
        write_stream(directory, name)
    for name, model, fresh, outputs in pipelines(np.random.default_rng(5)):
        write(directory, name, model, fresh, outputs)


if __name__ == "__main__":
    main()
