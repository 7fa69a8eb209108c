#!/usr/bin/env python3
"""Chains that learn from other rows than their own: rowmill beside scikit-learn.

Frozen: fitted on history, used on fresh rows, carried over to and from a Pipeline. Stream: `partial_fit` message
after message, a scaler a station, on any number of workers.

    check_fits.py ROWMILL
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


STREAMED = [
    ("standard_scaler", {}),
    ("standard_scaler", {"with_mean": False}),
    ("min_max_scaler", {"feature_range": [-1.0, 1.0]}),
    ("max_abs_scaler", {}),
]


CARRIED = [
    ("rolling", {"window": 5, "method": "mean", "min_periods": 2}, lambda s: s.rolling(5, min_periods=2).mean()),
    ("rolling", {"window": 3, "method": "std"}, lambda s: s.rolling(3).std()),
    ("diff", {"periods": 2}, lambda s: s.diff(2)),
]
SKETCHED = [
    ("robust_scaler", {}),
    ("quantile_transformer", {"n_quantiles": 20, "output_distribution": "normal"}),
]
FLAGS = [[], ["-w", "2"], ["-n", "2", "--placement", "subtask"]]
SIZE = 17


def streamed(rowmill, use, parameters, keyed, flags):
    """Rows of three stations, and what rowmill makes of them over the stream."""
    rng = np.random.default_rng(5)
    columns = ["c0", "c1"]
    frame = pd.DataFrame({c: 1e6 + rng.normal(0, 3, 500).cumsum() for c in columns})
    frame = frame.mask(rng.random((500, 2)) < 0.1)
    frame.insert(0, "station", rng.choice(["north", "south", "west"], 500))
    with tempfile.TemporaryDirectory() as directory:
        at = lambda name: os.path.join(directory, name)
        frame.to_csv(at("rows.csv"), index=False)
        text = toml(columns, [(use, parameters)], None, at("rows.csv"), at("out.csv"))
        text = text.replace("[source]", 'text = ["station"]\n[source]').replace("bucket_size = 7", f"bucket_size = {SIZE}")
        open(at("run.toml"), "w").write(text + 'fit = "stream"\n' + ('key = "station"\n' if keyed else ""))
        subprocess.run([rowmill, "run", at("run.toml"), "--quiet", *flags], check=True)
        ours = pd.read_csv(at("out.csv"), float_precision="round_trip")[columns].to_numpy()
    return frame, ours


def check_stream(rowmill, use, parameters, keyed, flags):
    frame, ours = streamed(rowmill, use, parameters, keyed, flags)
    columns = ["c0", "c1"]
    tuples = {k: tuple(v) if k == "feature_range" else v for k, v in parameters.items()}
    scalers, theirs = {}, np.empty((500, 2))
    for start in range(0, 500, SIZE):
        rows = np.arange(start, min(start + SIZE, 500))
        stations = frame["station"].to_numpy()[rows] if keyed else np.full(len(rows), "")
        for station in np.unique(stations):
            own = rows[stations == station]
            values = frame[columns].to_numpy()[own]
            scaler = scalers.setdefault(station, oracle.SCALERS[use](**tuples)).partial_fit(values)
            theirs[own] = scaler.transform(values)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-7, err_msg=f"{use} {flags}")


def check_carried(rowmill, use, parameters, original, keyed, flags):
    """A window goes on over the messages: pandas sees each station's rows in one piece."""
    frame, ours = streamed(rowmill, use, parameters, keyed, flags)
    stations = frame["station"] if keyed else pd.Series("", index=frame.index)
    theirs = frame[["c0", "c1"]].groupby(stations, group_keys=False).apply(original).sort_index().to_numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-7, err_msg=f"{use} {flags}")


def check_sketched(rowmill, use, parameters, keyed):
    """The sketch's error bound has a unit test; here, that the number of workers does not matter."""
    first, *others = [streamed(rowmill, use, parameters, keyed, flags)[1] for flags in FLAGS]
    assert np.isfinite(first).any(), use
    for other in others:
        np.testing.assert_array_equal(first, other, err_msg=use)


def main():
    rowmill = sys.argv[1]
    for keyed in (False, True):
        for flags in FLAGS:
            for use, parameters in STREAMED:
                check_stream(rowmill, use, parameters, keyed, flags)
            for use, parameters, original in CARRIED:
                check_carried(rowmill, use, parameters, original, keyed, flags)
        for use, parameters in SKETCHED:
            check_sketched(rowmill, use, parameters, keyed)
    print(f"{len(STREAMED) + len(CARRIED) + len(SKETCHED)} steps agree over the stream")
    for count in range(1, len(STEPS) + 1):
        check(sys.argv[1], count)
    print(f"{len(STEPS)} chains agree, fitted and carried over in both directions")


if __name__ == "__main__":
    main()
