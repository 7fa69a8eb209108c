#!/usr/bin/env python3
"""Writes tests/golden: a dataflow, an input and the output of pandas and scikit-learn for every case.

    make_goldens.py DIRECTORY [SEED] [REPEATS]

Inputs have gaps, constants, ties, columns without a value, huge and tiny values, and one-row messages.
"""

import os
import sys

import numpy as np

import oracle

CASES = {
    "drop_duplicates_first": [("drop_duplicates", "")],
    "drop_duplicates_last": [("drop_duplicates", 'keep = "last"\nsubset = ["ties", "name"]')],
    "drop_duplicates_none": [("drop_duplicates", 'keep = "none"\nsubset = ["ties"]')],
    "replace": [("replace", "to_replace = [-9999.0, 0.0]")],
    "replace_value": [("replace", "to_replace = [nan, 2.0]\nvalue = 7.5")],
    "interpolate": [("interpolate", "")],
    "interpolate_both": [("interpolate", 'limit_direction = "both"\nlimit = 2')],
    "interpolate_back": [("interpolate", 'limit_direction = "backward"\nlimit = 1\nlimit_area = "inside"')],
    "interpolate_outside": [("interpolate", 'limit_direction = "both"\nlimit_area = "outside"')],
    "fillna_value": [("fillna", "value = -1.5\nlimit = 3")],
    "fillna_ffill": [("fillna", 'method = "ffill"\nlimit = 1')],
    "fillna_bfill": [("fillna", 'method = "bfill"')],
    "fillna_mean": [("fillna", 'method = "mean"')],
    "fillna_median": [("fillna", 'method = "median"\nlimit = 2')],
    "clip": [("clip", "lower = -1.0\nupper = 2.0")],
    "clip_quantiles": [("clip", "lower_quantile = 0.1\nupper_quantile = 0.85")],
    "dropna_any": [("dropna", 'subset = ["gaps", "name"]')],
    "dropna_all": [("dropna", 'how = "all"\nsubset = ["gaps", "empty"]')],
    "dropna_thresh": [("dropna", "thresh = 9")],
    "standard_scaler": [("standard_scaler", "")],
    "standard_scaler_centre": [("standard_scaler", "with_std = false")],
    "standard_scaler_scale": [("standard_scaler", "with_mean = false")],
    "min_max_scaler": [("min_max_scaler", "")],
    "min_max_scaler_range": [("min_max_scaler", "feature_range = [-3.0, 5.0]\nclip = true")],
    "max_abs_scaler": [("max_abs_scaler", "")],
    "robust_scaler": [("robust_scaler", "")],
    "robust_scaler_range": [("robust_scaler", "quantile_range = [10.0, 80.0]\nunit_variance = true")],
    "power_transformer": [("power_transformer", 'columns = ["normal", "gaps", "skewed", "ties", "constant"]')],
    "power_transformer_raw": [("power_transformer", 'columns = ["normal", "gaps", "ties"]\nstandardize = false')],
    "power_transformer_box_cox": [("power_transformer", 'columns = ["skewed"]\nmethod = "box-cox"')],
    "power_transformer_all": [("power_transformer", "")],
    "quantile_transformer": [("quantile_transformer", "")],
    "quantile_transformer_few": [("quantile_transformer", 'n_quantiles = 7\noutput_distribution = "normal"')],
    "normalizer": [("normalizer", 'columns = ["normal", "skewed", "ties", "constant"]')],
    "normalizer_l1": [("normalizer", 'norm = "l1"\ncolumns = ["normal", "ties"]')],
    "normalizer_max": [("normalizer", 'norm = "max"\ncolumns = ["normal", "ties"]')],
    "normalizer_gaps": [("normalizer", "")],
    "binarizer": [("binarizer", 'threshold = 0.5\ncolumns = ["normal", "ties"]')],
    "rolling_std": [("rolling", 'window = 5\nmethod = "std"\nmin_periods = 2')],
    "rolling_max": [("rolling", 'window = 4\nmethod = "max"')],
    "diff": [("diff", "periods = 2")],
    "simple_imputer": [("simple_imputer", 'strategy = "most_frequent"')],
    "k_bins_discretizer": [("k_bins_discretizer", 'columns = ["normal", "skewed", "constant"]')],
    "polynomial_features": [("polynomial_features", 'columns = ["normal", "ties"]\ndegree = 3')],
    "ordinal_encoder": [("ordinal_encoder", "")],
    "one_hot_encoder": [("one_hot_encoder", 'categories = [["a", "b"]]\nhandle_unknown = "ignore"')],
    "chain": [
        ("drop_duplicates", ""),
        ("replace", "to_replace = [-9999.0]"),
        ("interpolate", 'limit_direction = "both"'),
        ("fillna", "value = 0.0"),
        ("clip", "lower_quantile = 0.02\nupper_quantile = 0.98"),
        ("dropna", "thresh = 5"),
        ("standard_scaler", ""),
        ("min_max_scaler", ""),
        ("max_abs_scaler", ""),
        ("robust_scaler", ""),
        ("power_transformer", ""),
        ("quantile_transformer", ""),
        ("normalizer", ""),
    ],
    "query": [("query", "expr = \"(normal > 0 or gaps != gaps) & name not in ['b'] and not -1 < ties % 3 < 1\"")],
    "eval": [("eval", "expr = \"\"\"\nspread = normal - gaps // 2\nties = ties ** 2 + -tiny\nwarm = (spread > 0 and name != 'a') * 1.0\n\"\"\"")],
    "rename": [("rename", 'columns = { normal = "other", name = "label" }')],
    "filter": [("filter", 'items = ["ties", "name", "normal"]')],
    "drop": [("drop", 'columns = ["empty", "name", "huge"]')],
    "assign": [("assign", 'values = { unit = "C", normal = 1.5 }')],
    "round": [("round", "decimals = 1")],
    "where": [("where", "cond = \"gaps > 0 and name == 'a'\"\nother = -1.0")],
    "mask": [("mask", 'cond = "ties == 1"\ncolumns = ["normal", "gaps"]')],
    "shift": [("shift", "periods = -2\nfill_value = 0.5")],
    "cumsum": [("cumsum", "skipna = false")],
    "pct_change": [("pct_change", 'columns = ["normal", "skewed"]')],
    "ewm": [("ewm", "span = 4.0\nadjust = false")],
    "rank": [("rank", 'method = "min"\nna_option = "bottom"\npct = true')],
}


def rows(rng, count):
    def number(x):
        return "" if np.isnan(x) else repr(float(x))

    gaps = np.where(rng.random(count) < 0.35, np.nan, rng.normal(2, 5, count))
    sentinels = np.where(rng.random(count) < 0.2, -9999.0, rng.normal(0, 1, count).round(1))
    columns = {
        "name": rng.choice(["a", "b", "", 'x, "y"'], count),
        "normal": map(number, rng.normal(0.3, 1.2, count)),
        "gaps": map(number, gaps),
        "skewed": map(number, np.exp(rng.normal(0, 1, count))),
        "ties": map(number, rng.integers(0, 4, count)),
        "constant": map(number, np.full(count, 29.92)),
        "empty": [""] * count,
        "huge": map(number, rng.normal(0, 1, count) * 1e150),
        "tiny": map(number, rng.normal(0, 1, count) * 1e-150),
        "sentinels": map(number, sentinels),
        "narrow": map(number, 29.9 + rng.normal(0, 0.01, count).round(3)),
    }
    columns = {name: list(cells) for name, cells in columns.items()}
    lines = [[columns[name][i] for name in columns] for i in range(count)]
    for i in range(1, count):
        if rng.random() < 0.1:
            lines[i] = lines[i - 1]
    quoted = ['"' + c.replace('"', '""') + '"' if "," in c else c for line in lines for c in line]
    width = len(columns)
    body = [",".join(quoted[i : i + width]) for i in range(0, len(quoted), width)]
    return "\n".join([",".join(columns), *body, ""])


def write(directory, name, steps, rng):
    base = os.path.join(directory, name)
    count = int(rng.choice([1, 2, 37, 61]))
    size = int(rng.choice([1, 3, 20, 50]))
    if not name.split("-")[0].endswith(("chain", "all")):
        count, size = max(count, 37), max(size, 20)
    dataflow = f'schema = "infer"\n\n[source]\nurl = "{name}.in.csv"\n\n[buffer]\nbucket_size = {size}\n\n'
    dataflow += "".join(f'[[subtask]]\nuse = "{use}"\n{parameters}\n\n' for use, parameters in steps)
    dataflow += '[sink]\nurl = "out.csv"\n\n[dead_letter]\nurl = "null"\n'
    open(base + ".toml", "w").write(dataflow)
    open(base + ".in.csv", "w").write(rows(rng, count))
    sys.argv = ["oracle.py", base + ".toml", base + ".in.csv", base + ".out.csv"]
    oracle.main()


def main():
    directory = sys.argv[1]
    rng = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 7)
    repeats = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    os.makedirs(directory, exist_ok=True)
    for name, steps in CASES.items():
        for repeat in range(repeats):
            write(directory, name if repeats == 1 else f"{name}-{repeat}", steps, rng)


if __name__ == "__main__":
    main()
