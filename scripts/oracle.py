#!/usr/bin/env python3
"""Runs a dataflow file with the real pandas and scikit-learn: what rowmill's results must equal.

    oracle.py DATAFLOW.toml INPUT OUTPUT.csv

The input is a CSV file with a header or a WeatherLink export (.txt); the schema is inferred as rowmill does. A
message on which an original raises leaves no rows, as in rowmill, where it goes to the dead letters.
"""

import datetime
import functools
import itertools
import sys
import tomllib
import warnings

import numpy as np
import pandas as pd
from sklearn import preprocessing as sk
from sklearn.impute import SimpleImputer

warnings.filterwarnings("ignore")

SCALERS = {
    "standard_scaler": sk.StandardScaler,
    "min_max_scaler": sk.MinMaxScaler,
    "max_abs_scaler": sk.MaxAbsScaler,
    "robust_scaler": sk.RobustScaler,
    "power_transformer": sk.PowerTransformer,
    "quantile_transformer": sk.QuantileTransformer,
    "normalizer": sk.Normalizer,
    "binarizer": sk.Binarizer,
    "simple_imputer": functools.partial(SimpleImputer, keep_empty_features=True),
    "k_bins_discretizer": functools.partial(sk.KBinsDiscretizer, encode="ordinal", subsample=None),
}


def read_weatherlink(path):
    """An export's cells as texts: header lines joined, and date and time together as `dateTime`."""
    lines = [line.rstrip("\r\n").split("\t") for line in open(path, encoding="utf-8-sig")]
    first = next(at for at, cells in enumerate(lines) if cells[0][:1].isdigit())
    above = [[cell.strip() for cell in cells] for cells in lines[:first] if len(cells) > 1]
    names = [" ".join(filter(None, cells)) for cells in itertools.zip_longest(*above, fillvalue="")]
    rows = [[cell.strip() for cell in cells] for cells in lines[first:] if len(cells) > 1]
    if "" in names:
        names, rows = [name for name in names if name], [[cell for cell in cells if cell] for cells in rows]
    frame = pd.DataFrame([cells[: len(names)] for cells in rows], columns=names, dtype=object)
    moments = (frame["Date"].str.replace("-", "/") + " " + frame["Time"].str.lower().str.rstrip("m")).str.strip()
    read = [datetime.datetime.strptime(moment + "m", "%m/%d/%y %I:%M %p") for moment in moments]
    frame["dateTime"] = [moment.isoformat() for moment in read]
    return frame


def read(path):
    frame = read_weatherlink(path) if path.endswith(".txt") else pd.read_csv(path, dtype=str, keep_default_na=False)
    missing = {"", "NaN", "nan", "null"}
    for name in frame.columns:
        cells = frame[name].str.strip()
        present = ~(cells.isin(missing) | cells.str.fullmatch("--+"))
        numbers = pd.to_numeric(cells.where(present), errors="coerce")
        if (numbers.notna() | ~present).all():
            frame[name] = np.array([float(c) if p else np.nan for c, p in zip(cells, present)])
        else:
            frame[name] = cells.where(present, None)
    return frame


# Of these, what becomes of a row depends on this row alone: rows that the original can't take are left out.
BY_ROW = {"normalizer", "binarizer", "polynomial_features", "ordinal_encoder", "one_hot_encoder"}
NOT_FINITE = {"normalizer", "binarizer", "polynomial_features", "k_bins_discretizer"}


def taken(frame, step):
    """The rows that a step goes on with: all, or with `on_error = "row"` those that the original takes."""
    use = step["use"]
    if step.get("on_error", "row" if use in BY_ROW else "message") == "message" or len(frame) == 0:
        return frame
    if use in ("ordinal_encoder", "one_hot_encoder"):
        texts = frame[step.get("columns", texts_of(frame))]
        if "categories" not in step or step.get("handle_unknown", "error") != "error":
            return frame
        known = [texts[name].isin(known).to_numpy() for name, known in zip(texts.columns, step["categories"])]
        absent = [texts[name].isna().to_numpy() & (use == "ordinal_encoder") for name in texts.columns]
        return frame[np.all(np.logical_or(known, absent), axis=0)]
    if use not in SCALERS and use != "polynomial_features":
        return frame
    values = frame[step.get("columns", numbers_of(frame))].to_numpy(float)
    refused = ~np.isfinite(values) if use in NOT_FINITE else np.isinf(values)
    if step.get("method") == "box-cox":
        refused |= values <= 0
    return frame[~refused.any(axis=1)]


def numbers_of(frame):
    return [c for c in frame.columns if frame[c].dtype == np.float64 and c not in ("message", "row")]


def texts_of(frame):
    return [c for c in frame.columns if frame[c].dtype != np.float64 and c not in ("message", "row")]


def apply(frame, step):
    parameters = dict(step)
    use = parameters.pop("use")
    parameters.pop("on_error", None)
    if use in NAMED:
        return name_columns(frame, use, parameters) if len(frame) else frame
    columns = parameters.pop("columns", numbers_of(frame))
    if use in ("prepare", "result") or len(frame) == 0:
        return frame
    schema = [c for c in frame.columns if c not in ("message", "row")]
    if use == "drop_duplicates":
        keep = parameters.get("keep", "first")
        return frame.drop_duplicates(subset=parameters.get("subset", schema), keep=False if keep == "none" else keep)
    if use == "dropna":
        parameters.setdefault("subset", schema)
        return frame.dropna(**parameters)
    if use in ("ordinal_encoder", "one_hot_encoder"):
        return encode(frame, use, parameters, step.get("columns"))
    part = frame[columns]
    if use in ("where", "mask"):
        condition = frame.eval(parameters.pop("cond"), engine="python")
        return frame.assign(**getattr(part, use)(condition, **parameters))
    if use == "polynomial_features":
        features = sk.PolynomialFeatures(**parameters)
        products = features.fit_transform(part.to_numpy())
        names = features.get_feature_names_out(columns)
        new = [place for place, name in enumerate(names) if name not in columns]
        return frame.assign(**{names[place]: products[:, place] for place in new})
    frame = frame.copy()
    if "time" in parameters:
        part = by_time(part, frame[parameters.pop("time")])
    frame[columns] = transform(part, use, parameters).to_numpy()
    return frame


def by_time(part, times):
    """Number columns with the times of their rows, which are texts."""
    return part.set_axis(pd.DatetimeIndex(pd.to_datetime(times, format="ISO8601")))


NAMED = {"query", "eval", "rename", "drop", "filter", "assign"}


def name_columns(frame, use, parameters):
    """After a step whose parameters name the columns."""
    if use in ("query", "eval"):
        return getattr(frame, use)(parameters["expr"], engine="python")
    if use == "assign":
        return frame.assign(**dict(sorted(parameters["values"].items())))
    if use == "filter":
        kept = frame.drop(columns=["message", "row"]).filter(**parameters)
        return pd.concat([frame[["message", "row"]], kept], axis=1)
    return getattr(frame, use)(columns=parameters["columns"])


def scaler(use, parameters):
    """The scikit-learn object of a step."""
    tuples = {k: tuple(v) if k in ("feature_range", "quantile_range") else v for k, v in parameters.items()}
    usual = {"subsample": None} if use == "quantile_transformer" else {}
    return SCALERS[use](**tuples, **usual)


def transform(part, use, parameters):
    """Number columns after a step that changes values and neither rows nor columns."""
    parameters = dict(parameters)
    if use == "rolling":
        method = parameters.pop("method", "mean")
        part = getattr(part.rolling(parameters.pop("window", 3), **parameters), method)()
    elif use == "function_transformer":
        part = getattr(np, parameters["func"])(part)
    elif use in ("diff", "shift", "cumsum", "pct_change", "rank", "round"):
        part = getattr(part, use)(**parameters)
    elif use == "ewm":
        part = part.ewm(**parameters).mean()
    elif use == "replace":
        part = part.replace(parameters.get("to_replace", []), parameters.get("value", np.nan))
    elif use == "interpolate":
        places = part if parameters.get("method") == "time" else part.reset_index(drop=True)
        part = places.interpolate(**parameters).set_axis(part.index)
    elif use == "fillna":
        limit = parameters.get("limit")
        method = parameters.get("method")
        if method in ("ffill", "bfill"):
            part = getattr(part, method)(limit=limit)
        elif method in ("mean", "median"):
            part = part.fillna(getattr(part, method)(), limit=limit)
        else:
            part = part.fillna(parameters["value"], limit=limit)
    elif use == "clip":
        lower, upper = parameters.get("lower"), parameters.get("upper")
        if "lower_quantile" in parameters:
            lower = part.quantile(parameters["lower_quantile"])
        if "upper_quantile" in parameters:
            upper = part.quantile(parameters["upper_quantile"])
        part = part.clip(lower, upper, axis=1)
    else:
        part = pd.DataFrame(scaler(use, parameters).fit_transform(part.to_numpy()), index=part.index, columns=part.columns)
    return part


def encode(frame, use, parameters, columns):
    """Text columns as numbers, at the end."""
    columns = columns or texts_of(frame)
    texts = frame[columns].astype(object).where(frame[columns].notna(), np.nan)
    if use == "one_hot_encoder":
        encoder = sk.OneHotEncoder(sparse_output=False, **parameters)
    else:
        if parameters.get("handle_unknown") == "use_encoded_value":
            parameters.setdefault("unknown_value", np.nan)
        encoder = sk.OrdinalEncoder(**parameters)
    encoded = encoder.fit_transform(texts.to_numpy())
    names = encoder.get_feature_names_out(columns)
    return frame.drop(columns=columns).assign(**{name: encoded[:, place] for place, name in enumerate(names)})


def run(dataflow, frame):
    size = dataflow.get("buffer", {}).get("bucket_size", 1000)
    frame.insert(0, "row", np.arange(len(frame)))
    frame.insert(0, "message", np.arange(len(frame)) // size)
    done = []
    for _, message in frame.groupby("message"):
        try:
            for step in dataflow.get("subtask", []):
                message = apply(taken(message, step), step)
            if len(message):
                done.append(message)
        except (ValueError, RuntimeError) as error:
            print(f"message {message['message'].iloc[0]}: {str(error).splitlines()[0]}", file=sys.stderr)
    return pd.concat(done) if done else frame.iloc[:0]


def main():
    dataflow = tomllib.load(open(sys.argv[1], "rb"))
    run(dataflow, read(sys.argv[2])).to_csv(sys.argv[3], index=False)


if __name__ == "__main__":
    main()
