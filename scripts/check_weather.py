#!/usr/bin/env python3
"""Pipelines that predict the temperature of the hour after, on real exports of a weather station: what `rowmill.export`
writes is served over the export itself, and must say the same as scikit-learn in every row.

    check_weather.py ROWMILL EXPORT.txt

The first half of the rows is learnt; all are predicted. Trees agree in every digit, sums of many columns to a relative 1e-9.
"""

import os
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

import oracle

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
import rowmill  # noqa: E402

# Older exports have fewer.
NUMBERS = ["Temp Out", "Out Hum", "Hum Out", "Dew Pt.", "Wind Speed", "Bar", "Solar Rad.", "Rain Rate", "Rain"]
TARGET = "Temp Out"
AN_HOUR = pd.Timedelta(hours=1)


def pipelines(numbers, direction):
    filled = lambda *steps: make_pipeline(SimpleImputer(), *steps)
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    with_direction = lambda first, model: make_pipeline(
        ColumnTransformer([("numbers", first, numbers), ("direction", encoder, [direction])]), model
    )
    yield "forest", numbers, filled(RandomForestRegressor(100, random_state=0)), 0
    yield "boosting", numbers, filled(GradientBoostingRegressor(random_state=0)), 1e-12
    yield "histogram boosting", numbers, HistGradientBoostingRegressor(random_state=0), 1e-12
    yield "ridge", numbers, filled(StandardScaler(), PolynomialFeatures(2), Ridge()), 1e-9
    yield "network", numbers, filled(StandardScaler(), MLPRegressor(hidden_layer_sizes=(20,), max_iter=300, random_state=0)), 1e-9
    yield "ridge with direction", [*numbers, direction], with_direction(filled(StandardScaler()), Ridge()), 1e-9
    yield "forest with direction", [*numbers, direction], with_direction(filled(), RandomForestRegressor(20, random_state=0)), 0


def an_hour_later(frame):
    """The target an hour after each row; missing where the station has no row then."""
    times = pd.to_datetime(frame["dateTime"])
    by_time = pd.Series(frame[TARGET].to_numpy(), index=times).groupby(level=0).last()
    return by_time.reindex(times + AN_HOUR).to_numpy()


def assert_same(found, expected, tolerance, name):
    assert len(found) == len(expected), f"{name}: {len(found)} rows of {len(expected)}"
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=0, err_msg=name)


def finds_a_planted_error(found, expected, tolerance):
    planted = found.copy()
    planted[len(planted) // 2] *= 1 + 1e-8
    for wrong in (planted, found[1:]):
        try:
            assert_same(wrong, expected, tolerance, "planted")
        except AssertionError:
            continue
        return False
    return True


def check(program, export):
    frame = oracle.read(export)
    later = an_hour_later(frame)
    learnt = np.isfinite(later) & (np.arange(len(frame)) < len(frame) // 2)
    assert learnt.sum() > 1000, "too few rows have one an hour later"
    numbers = [name for name in NUMBERS if name in frame.columns]
    [direction, *_] = [name for name in frame.columns if name.endswith("Dir")]
    for name, columns, pipeline, tolerance in pipelines(numbers, direction):
        rows = frame[columns]
        # A calm has no direction, which is no category: it is none of those that were learnt.
        from_these = learnt & (frame[direction].notna().to_numpy() | (direction not in columns))
        pipeline.fit(rows[from_these], later[from_these])
        expected = pipeline.predict(rows)
        with tempfile.TemporaryDirectory() as scratch:
            at = lambda file: os.path.join(scratch, file)
            rowmill.export(pipeline, columns, at("m.fit.json"), dataflow=at("m.toml"), source=os.path.abspath(export), sink=at("out.csv"))
            subprocess.run([program, "run", at("m.toml"), "--quiet"], check=True, stderr=subprocess.DEVNULL)
            found = pd.read_csv(at("out.csv"), usecols=["prediction"], float_precision="round_trip")["prediction"].to_numpy()
        assert_same(found, expected, tolerance, name)
        assert finds_a_planted_error(found, expected, tolerance), name
        error = np.abs(expected - later)[np.isfinite(later) & ~learnt].mean()
        print(f"{name}: {len(found)} rows the same; off by {error:.2f} in the rows that were not learnt")


if __name__ == "__main__":
    check(*sys.argv[1:])
