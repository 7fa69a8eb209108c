#!/usr/bin/env python3
"""Chains that learn from other rows than their own: rowmill beside scikit-learn.

Frozen: fitted on history, used on fresh rows, carried over to and from a Pipeline. Stream: `partial_fit` message
after message, a scaler a station, on any number of workers.

    check_fits.py ROWMILL | --self-test
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
from comparison import EPS, EXACT, WITHIN, judge, relative_bound
from sklearn_params import rowmill as package

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
        run("run", at("run.toml"), "--quiet", "--fresh")
        ours = results()
        pipeline = Pipeline([(f"{i}", oracle.scaler(use, p)) for i, (use, p) in enumerate(steps)])
        pipeline.fit(history.to_numpy())
        theirs = pipeline.transform(fresh.to_numpy())
        read = sklearn_params.to_sklearn(tomllib.load(open(at("run.toml"), "rb")), package.load(at("fit.json")))
        back = read.transform(fresh.to_numpy())
        package.export(pipeline, history.columns, at("fit.json"))
        run("run", at("run.toml"), "--quiet", "--fresh")
        served = results()
    # A step that only fills gaps moves values.
    relative = 1e-6 if any(use == "power_transformer" for use, _ in steps) else 1e-9 if count > 1 else 0.0
    for what, values, target in [("fit", ours, theirs), ("to-sklearn", back, ours), ("to-rowmill", served, theirs)]:
        same(values, target, relative, 0.0, f"{what}, {count} steps")


def same(ours, theirs, relative, largest, what):
    """Asserts that columns are the same, within `relative` and the rounding of inputs as large as `largest`."""
    assert ours.shape == theirs.shape, f"{what}: {ours.shape}, not {theirs.shape}"
    for column, (a, b) in enumerate(zip(ours.T, theirs.T)):
        verdict = judge(a, b, lambda: relative_bound(a, b, relative) + 64 * EPS * largest)
        assert verdict in (EXACT, WITHIN), f"{what}: column {column}, row {verdict}: {a[verdict]!r}, not {b[verdict]!r}"


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
        subprocess.run([rowmill, "run", at("run.toml"), "--quiet", "--fresh", *flags], check=True)
        ours = pd.read_csv(at("out.csv"), float_precision="round_trip")[columns].to_numpy()
    return frame, ours


def check_stream(rowmill, use, parameters, keyed, flags):
    frame, ours = streamed(rowmill, use, parameters, keyed, flags)
    columns = ["c0", "c1"]
    scalers, theirs = {}, np.empty((500, 2))
    for start in range(0, 500, SIZE):
        rows = np.arange(start, min(start + SIZE, 500))
        stations = frame["station"].to_numpy()[rows] if keyed else np.full(len(rows), "")
        for station in np.unique(stations):
            own = rows[stations == station]
            values = frame[columns].to_numpy()[own]
            scaler = scalers.setdefault(station, oracle.scaler(use, parameters)).partial_fit(values)
            theirs[own] = scaler.transform(values)
    # The values stand at a million, the deviation at some tens.
    largest = 0.0 if use == "max_abs_scaler" else np.nanmax(np.abs(frame[columns])) / np.nanstd(frame[columns])
    same(ours, theirs, 1e-9, largest, f"{use} {flags}")


def check_carried(rowmill, use, parameters, original, keyed, flags):
    """A window goes on over the messages: pandas sees each station's rows in one piece."""
    frame, ours = streamed(rowmill, use, parameters, keyed, flags)
    stations = frame["station"] if keyed else pd.Series("", index=frame.index)
    theirs = frame[["c0", "c1"]].groupby(stations, group_keys=False).apply(original).sort_index().to_numpy()
    largest = np.nanmax(np.abs(frame[["c0", "c1"]]))
    # pandas' running sum of squares keeps the rounding of values of a million, over all rows of a station.
    largest *= 6 if parameters.get("method") == "std" else 1
    same(ours, theirs, 0.0 if use == "diff" else 1e-9, 0.0 if use == "diff" else largest, f"{use} {flags}")


def check_sketched(rowmill, use, parameters, keyed):
    """The sketch's error bound has a unit test; here, that the number of workers does not matter."""
    first, *others = [streamed(rowmill, use, parameters, keyed, flags)[1] for flags in FLAGS]
    assert np.isfinite(first).any(), use
    for other in others:
        np.testing.assert_array_equal(first, other, err_msg=use)


def self_test():
    """Plants errors in results: each must be found."""
    rng = np.random.default_rng(3)
    theirs = np.column_stack([rng.normal(0, 1, 30), 1e-150 * rng.normal(0, 1, 30), np.full(30, 7.5), np.zeros(30)])
    same(theirs.copy(), theirs, 1e-6, 0.0, "what is the same")

    def found(ours, theirs=theirs, relative=1e-6):
        try:
            same(ours, theirs, relative, 0.0, "planted")
        except AssertionError:
            return True
        return False

    planted = 0
    for row, column in np.ndindex(theirs.shape):
        for error in (1.001 * theirs[row, column] + 1e-5 * theirs[:, column].std(), 0.0, np.inf, np.nan):
            if error == theirs[row, column]:
                continue
            ours = theirs.copy()
            ours[row, column] = error
            assert found(ours), (row, column, error)
            endless = theirs.copy()
            endless[row, column] = np.inf
            assert error == np.inf or found(ours, endless), (row, column, error)
            planted += 1
        for column, x in enumerate(theirs[row]):
            slight = x + 1e-6 * abs(x) + 2e-9 * theirs[:, column].std()
            for error, relative in ((np.nextafter(x, np.inf), 0.0), (slight, 1e-9), (-x, 1e-6)):
                ours = theirs.copy()
                ours[row, column] = error
                assert error == x or found(ours, relative=relative), (row, column, error)
                planted += error != x
        assert found(np.insert(theirs, row, theirs[row], axis=0)), row
        if 0 < row:
            assert found(np.concatenate([theirs[:row], theirs[row - 1 : row], theirs[row + 1 :]])), row
    print(f"{planted} planted errors in {theirs.size} results, each found")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
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
