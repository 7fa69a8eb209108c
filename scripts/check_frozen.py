#!/usr/bin/env python3
"""A chain fitted on some rows and used on others: rowmill beside a scikit-learn Pipeline, in both directions.

    check_frozen.py ROWMILL
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

import oracle
import sklearn_params

STEPS = [
    ("simple_imputer", {"strategy": "median"}),
    ("standard_scaler", {}),
    ("min_max_scaler", {"feature_range": [-1.0, 2.0], "clip": True}),
    ("max_abs_scaler", {}),
    ("robust_scaler", {"unit_variance": True}),
    ("power_transformer", {}),
    ("quantile_transformer", {"n_quantiles": 50, "output_distribution": "normal"}),
    ("standard_scaler", {"with_std": False}),
    ("k_bins_discretizer", {"n_bins": 7, "strategy": "uniform"}),
]


def toml(columns, steps, frozen, source, sink):
    names = ", ".join(f'"{c}"' for c in columns)
    text = f'[schema]\nnumber = [{names}]\n[source]\nurl = "{source}"\n[buffer]\nbucket_size = 7\n[sink]\nurl = "{sink}"\n'
    for use, parameters in steps:
        text += f'[[subtask]]\nuse = "{use}"\n' + "".join(f"{k} = {json.dumps(v)}\n" for k, v in parameters.items())
        text += f'fit = "frozen"\nparams = "{frozen}"\n' if frozen else ""
    return text


def check(rowmill, count):
    rng = np.random.default_rng(count)
    frame = lambda n: pd.DataFrame({f"c{i}": rng.gamma(2 + i, 2, n).round(3) - 3 * i for i in range(4)})
    history, fresh = frame(400).mask(rng.random((400, 4)) < 0.1), frame(60) * 1.3
    steps = STEPS[:count]
    with tempfile.TemporaryDirectory() as directory:
        at = lambda name: os.path.join(directory, name)
        history.to_csv(at("history.csv"), index=False)
        fresh.to_csv(at("fresh.csv"), index=False)
        open(at("fit.toml"), "w").write(toml(history.columns, steps, None, at("history.csv"), "null"))
        open(at("run.toml"), "w").write(toml(history.columns, steps, at("fit.json"), at("fresh.csv"), at("out.csv")))
        run = lambda *arguments: subprocess.run([rowmill, *arguments], check=True, stderr=subprocess.DEVNULL)
        results = lambda: pd.read_csv(at("out.csv"), float_precision="round_trip")[history.columns].to_numpy()
        run("fit", at("fit.toml"), "--source", at("history.csv"), "-o", at("fit.json"))
        run("run", at("run.toml"), "--quiet")
        ours = results()
        tuples = lambda p: {k: tuple(v) if k in ("feature_range", "quantile_range") else v for k, v in p.items()}
        usual = lambda use: {"subsample": None} if use == "quantile_transformer" else {}
        make = lambda use, p: oracle.SCALERS[use](**tuples(p), **usual(use))
        pipeline = Pipeline([(f"{i}", make(use, p)) for i, (use, p) in enumerate(steps)])
        pipeline.fit(history.to_numpy())
        theirs = pipeline.transform(fresh.to_numpy())
        read = sklearn_params.to_sklearn(tomllib.load(open(at("run.toml"), "rb")), json.load(open(at("fit.json"))))
        back = read.transform(fresh.to_numpy())
        with open(at("fit.json"), "w") as file:
            json.dump(sklearn_params.to_rowmill(pipeline, list(history.columns)), file)
        run("run", at("run.toml"), "--quiet")
        served = results()
    for what, values, target in [("fit", ours, theirs), ("to-sklearn", back, ours), ("to-rowmill", served, theirs)]:
        np.testing.assert_allclose(values, target, rtol=1e-6, atol=1e-6, err_msg=f"{what}, {count} steps")


def main():
    for count in range(1, len(STEPS) + 1):
        check(sys.argv[1], count)
    print(f"{len(STEPS)} chains agree, fitted and carried over in both directions")


if __name__ == "__main__":
    main()
