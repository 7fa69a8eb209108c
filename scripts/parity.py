#!/usr/bin/env python3
"""Random cases of every subtask: rowmill beside the real pandas and scikit-learn.

    parity.py ROWMILL [--cases N] [--seed S] [--minutes M] [--only SUBTASK] [--golden DIRECTORY]

Cases are made and run in batches, each by one `rowmill batch`. The smallest case that differs is written to the
golden directory, where the tests keep it. Exit code 1 if any case differs.
"""

import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd
from scipy import optimize, stats

import oracle

EPS = np.finfo(float).eps
BATCH = 500
# Rows a case: most are small, where the edges are.
SHAPES = [0, 1, 2, 3, 5, 10, 30, 100, 300, 1000, 5000]
SHAPE_WEIGHTS = [1, 4, 4, 4, 6, 10, 12, 12, 6, 3, 1]
# These only move or compare values.
EXACT = {"drop_duplicates", "replace", "dropna", "binarizer", "ordinal_encoder", "one_hot_encoder", "k_bins_discretizer"}


def column(rng, n):
    """A column of one of many kinds, with gaps in some."""
    kind = rng.integers(0, 17)
    x = rng.normal(0, 1, n)
    x = [
        lambda: x,
        lambda: x * 10.0 ** rng.uniform(-3, 3) + rng.normal(0, 10),
        lambda: np.exp(x * rng.uniform(0.1, 2)),
        lambda: np.abs(x) * 10.0 ** rng.uniform(-3, 3),
        lambda: rng.integers(-3, 4, n).astype(float),
        lambda: rng.integers(0, 2, n).astype(float),
        lambda: np.full(n, rng.choice([0.0, -0.0, 1.0, 29.92, -9999.0, 1e-300, 1e12])),
        lambda: 29.9 + x.round(2) / 100,
        lambda: np.full(n, np.nan),
        lambda: np.where(rng.random(n) < 0.9, 0.0, np.exp(x)),
        lambda: x * 1e150,
        lambda: x * 1e-150,
        lambda: np.where(rng.random(n) < 0.5, 5e-324, -1e-310) * rng.integers(0, 3, n),
        lambda: np.cumsum(x).round(1),
        lambda: 1e6 + x,
        lambda: np.where(rng.random(n) < 0.3, -0.0, x.round(0)),
        lambda: np.where(rng.random(n) < 0.2, rng.choice([-9999.0, 32767.0]), x.round(1)),
    ][kind]()
    if rng.random() < 0.4:
        x = np.where(rng.random(n) < rng.choice([0.05, 0.3, 0.9]), np.nan, x)
    if rng.random() < 0.02:
        x = np.where(rng.random(n) < 0.1, rng.choice([np.inf, -np.inf, 1e308, -1.7e308]), x)
    return x


def parameters(rng, use, names):
    """Random parameters of a subtask, by the names of the dataflow file."""
    some = lambda low=1: [str(c) for c in rng.permutation(names)[: rng.integers(low, len(names) + 1)]]
    maybe = lambda **values: {k: v for k, v in values.items() if rng.random() < 0.5}
    limit = lambda: maybe(limit=int(rng.integers(1, 5)))
    fraction = lambda: round(float(rng.random()), 2)
    if use == "drop_duplicates":
        return maybe(keep=str(rng.choice(["first", "last", "none"])), subset=some())
    if use == "replace":
        values = rng.permutation([-9999.0, 32767.0, 0.0, 1.0, -1.0, np.nan])[: rng.integers(0, 5)]
        return {"to_replace": [float(v) for v in values]} | maybe(value=float(rng.choice([0.0, -7.5, 1e300])))
    if use == "interpolate":
        areas = maybe(limit_area=str(rng.choice(["inside", "outside"])))
        return limit() | areas | maybe(limit_direction=str(rng.choice(["forward", "backward", "both"])))
    if use == "fillna":
        method = str(rng.choice(["value", "ffill", "bfill", "mean", "median"]))
        return limit() | ({"value": float(rng.normal())} if method == "value" else {"method": method})
    if use == "clip":
        low, high = sorted(rng.normal(0, 1, 2).round(2).tolist())
        if rng.random() < 0.5:
            return maybe(lower=low, upper=high)
        low, high = sorted([fraction(), fraction()])
        return maybe(lower_quantile=low, upper_quantile=high)
    if use == "dropna":
        how = {"thresh": int(rng.integers(0, len(names) + 1))} if rng.random() < 0.5 else maybe(how="all")
        return how | maybe(subset=some())
    if use == "standard_scaler":
        return maybe(with_mean=False, with_std=False)
    if use == "min_max_scaler":
        low = round(float(rng.normal()), 2)
        return maybe(feature_range=[low, low + round(float(rng.uniform(0.1, 5)), 2)], clip=True)
    if use == "robust_scaler":
        low, high = sorted(rng.integers(0, 101, 2).tolist())
        usual = maybe(with_centering=False, with_scaling=False)
        return usual | maybe(quantile_range=[float(low), float(high)], unit_variance=0 < low < high < 100)
    if use == "power_transformer":
        return maybe(standardize=False) | ({"method": "box-cox"} if rng.random() < 0.3 else {})
    if use == "quantile_transformer":
        return maybe(n_quantiles=int(rng.integers(1, 50)), output_distribution="normal")
    if use == "normalizer":
        return maybe(norm=str(rng.choice(["l1", "l2", "max"])))
    if use == "binarizer":
        return maybe(threshold=round(float(rng.normal()), 1))
    if use == "rolling":
        method = str(rng.choice(["mean", "sum", "min", "max", "std"]))
        window = int(rng.integers(1, 12))
        return {"window": window, "method": method} | maybe(min_periods=int(rng.integers(1, window + 1)))
    if use == "diff":
        return maybe(periods=int(rng.integers(-3, 5)))
    if use == "simple_imputer":
        strategy = str(rng.choice(["mean", "median", "most_frequent", "constant"]))
        return maybe(strategy=strategy) if strategy != "constant" else {"strategy": strategy, "fill_value": 1.5}
    if use == "k_bins_discretizer":
        strategy = str(rng.choice(["uniform", "quantile"]))
        method = maybe(quantile_method="linear") if strategy == "quantile" else {}
        return {"strategy": strategy} | maybe(n_bins=int(rng.integers(2, 12))) | method
    if use == "polynomial_features":
        return maybe(degree=int(rng.integers(1, 4)), interaction_only=True, include_bias=False)
    if use == "ordinal_encoder":
        return {} if rng.random() < 0.5 else {"categories": [WORDS, WORDS[:2]], "handle_unknown": "use_encoded_value"}
    if use == "one_hot_encoder":
        return {"categories": [WORDS, WORDS[:2]]} | maybe(handle_unknown="ignore")
    return {}


WORDS = ["clear", "rain", "snow"]
SUBTASKS = [
    "drop_duplicates",
    "replace",
    "interpolate",
    "fillna",
    "clip",
    "dropna",
    "standard_scaler",
    "min_max_scaler",
    "max_abs_scaler",
    "robust_scaler",
    "power_transformer",
    "quantile_transformer",
    "normalizer",
    "binarizer",
    "rolling",
    "diff",
    "simple_imputer",
    "k_bins_discretizer",
    "polynomial_features",
    "ordinal_encoder",
    "one_hot_encoder",
]


def case(seed, only):
    """A frame and a dataflow: one subtask, or a column subset of it."""
    rng = np.random.default_rng(seed)
    use = only or str(rng.choice(SUBTASKS))
    n = int(rng.choice(SHAPES, p=np.array(SHAPE_WEIGHTS) / sum(SHAPE_WEIGHTS)))
    width = int(rng.integers(1, 41 if n <= 300 else 8))
    names = [f"c{i}" for i in range(width)]
    frame = pd.DataFrame({name: column(rng, n) for name in names})
    if use in ("power_transformer",) and rng.random() < 0.5:
        frame = frame.abs() + 1e-3
    if use == "polynomial_features":
        frame, names = frame.iloc[:, :6], names[:6]
    if use in ("ordinal_encoder", "one_hot_encoder"):
        for name in ("t0", "t1"):
            frame[name] = rng.choice(np.array([*WORDS, None][: rng.integers(1, 5)], dtype=object), n)
    if use in ("normalizer", "polynomial_features", "k_bins_discretizer") and rng.random() < 0.7:
        frame = frame.fillna(0.5)
    if n > 1 and rng.random() < 0.5:
        frame = frame.iloc[rng.integers(0, max(1, n // 2), n)].reset_index(drop=True)
    step = {"use": use} | parameters(rng, use, names)
    if use not in ("drop_duplicates", "dropna", "ordinal_encoder", "one_hot_encoder") and rng.random() < 0.3:
        step["columns"] = names[: int(rng.integers(1, width + 1))]
    size = max(1, n) if rng.random() < 0.7 else int(rng.choice([1, 3, 17, 100]))
    return frame, step, size


def toml_value(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def write(directory, name, frame, step, size):
    base = os.path.join(directory, name)
    frame.to_csv(base + ".in.csv", index=False)
    numbers = ", ".join(f'"{c}"' for c in frame.columns if c[0] == "c")
    texts = ", ".join(f'"{c}"' for c in frame.columns if c[0] == "t")
    step = "\n".join(f"{key} = {toml_value(value)}" for key, value in step.items())
    open(base + ".toml", "w").write(
        f'[schema]\nnumber = [{numbers}]\ntext = [{texts}]\n\n[source]\nurl = "{base}.in.csv"\n\n[buffer]\nbucket_size = {size}\n\n'
        f'[[subtask]]\n{step}\n\n[sink]\nurl = "{base}.ours.csv"\n\n[dead_letter]\nurl = "null"\n'
    )
    return base


def expected(frame, step, size):
    sys.stderr = open(os.devnull, "w")
    return oracle.run({"subtask": [step], "buffer": {"bucket_size": size}}, frame.copy())


def difference(frame, step, size, ours, theirs):
    """What differs first, or None."""
    if len(ours) == 0 and len(theirs) == 0:
        return None
    if list(ours.columns) != list(theirs.columns):
        return f"columns {list(ours.columns)}, not {list(theirs.columns)}"
    if len(ours) != len(theirs) or not np.array_equal(ours["row"], theirs["row"]):
        return f"{len(ours)} rows, not {len(theirs)}"
    for message, rows in ours.groupby("message").indices.items():
        part, theirs_part = ours.iloc[rows], theirs.iloc[rows]
        taken = frame.iloc[message * size : (message + 1) * size]
        for name in ours.columns:
            reason = column_difference(taken, step, name, part[name].to_numpy(float), theirs_part[name].to_numpy(float))
            if reason:
                return f"row {part['row'].iloc[reason[0]]}, {name}: {reason[1]}"
    return None


def column_difference(frame, step, name, ours, theirs):
    """Place and text of the first difference in a column of one message."""
    use, a, b = step["use"], ours, theirs
    if use in ("standard_scaler", "power_transformer", "rolling") and name in frame and frame[name].abs().max() > 1e150:
        return None  # the variance overflows: whether to infinity or NaN is rounding
    if use == "power_transformer" and not step.get("standardize", True) and name in frame:
        a, b = standardised(ours), standardised(theirs)
    wrong = ~((a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= tolerance(frame, step, name, a, b)))
    at = np.flatnonzero(wrong)
    if len(at) and use == "power_transformer" and name in frame and as_likely(frame[name].to_numpy(), step, ours, theirs):
        return None
    return (at[0], f"{a[at[0]]!r}, not {b[at[0]]!r} ({len(at)} values)") if len(at) else None


def as_likely(x, step, ours, theirs):
    """Whether our lambda of Yeo-Johnson, read off a result that is not standardised, is as likely as the original's.

    Far from zero, and where values are so small that their sums of squares have no digits, SciPy's likelihood is
    rounding for the better part, and its search ends on a hill of it. From the mean of the logs, c, the variance of y
    keeps its digits, and the terms with c cancel: what is left is -n/2 log var(expm1(lambda (L - c)) / lambda), less the
    sum of the logs. Lambda's unit is the inverse of the largest log.
    """
    present = np.isfinite(x)
    x, ours, theirs = x[present], ours[present], theirs[present]
    if step.get("method") == "box-cox" or step.get("standardize", True) or len(x) < 2 or (x <= 0).any():
        return False
    logs = np.log1p(x)
    reach = logs.max()
    away, furthest = (logs - logs.mean()) / reach, 1000 * max(1.0, reach)

    def likelihood(y):
        with np.errstate(all="ignore"):
            beyond = lambda factor: stats.yeojohnson(x[:1], factor / reach)[0] / y[0] - 1.0
            factor = optimize.brentq(beyond, -furthest, furthest, xtol=1e-14)
            return -len(x) / 2 * np.log(np.var(np.expm1(factor * away) / factor))

    try:
        return likelihood(ours) >= likelihood(theirs) - 1e-9
    except ValueError:
        return False  # no lambda gives such a result


def standardised(x):
    """Lambda alone is compared where the likelihood is flat: what a shift and a factor undo is no difference."""
    with np.errstate(all="ignore"):
        scale = np.nanstd(x / np.nanmax(np.abs(x))) if np.isfinite(x).any() else 0.0
        return (x / np.nanmax(np.abs(x)) - np.nanmean(x / np.nanmax(np.abs(x)))) / scale if scale > 0 else x


def tolerance(frame, step, name, a, b):
    use = step["use"]
    if use in EXACT or name in ("message", "row"):
        return np.zeros(len(a))
    if name not in frame:
        return 1e-9 * np.maximum(np.abs(a), np.abs(b))
    with np.errstate(all="ignore"):
        x = frame[name].to_numpy()
        x = x[np.isfinite(x)]
        # A difference of values is as exact as the values are, on the scale of the result.
        spread = np.ptp(x) if len(x) else 0.0
        finite = b[np.isfinite(b)]
        result = np.ptp(finite) if len(finite) else 0.0
        largest = np.abs(x).max(initial=0.0)
        cancelled = 64 * EPS * largest * (result / spread if spread > 0 else 1.0)
        if step.get("method") == "std":
            rounding = EPS * largest * spread  # of the running sum of squares that pandas keeps
            cancelled = 16 * rounding / np.maximum(np.abs(b), np.sqrt(rounding))
        if use == "power_transformer":
            bound, floor = power_bounds(x, step)
            floor *= np.std(finite) if len(finite) and np.isfinite(floor) else 1.0
        else:
            bound, floor = 1e-9, 1e-9 * np.std(finite) if len(finite) else 0.0
        return bound * np.maximum(np.abs(a), np.abs(b)) + np.nan_to_num(cancelled) + floor


def power_bounds(x, step):
    """Relative bound, and floor in standard deviations of the result.

    The optimiser stops at 1e-8 of lambda; its function, the variance of y, is as exact as EPS |y| / sd(y), and a
    change of the likelihood by that moves the result by its root.
    """
    fit = stats.boxcox if step.get("method") == "box-cox" else stats.yeojohnson
    try:
        y, _ = fit(x)
    except ValueError:
        return 1e-6, 0.0
    rounding = EPS * np.abs(y).max() / y.std() if y.std() > 0 else np.inf
    if rounding > 1e-8:
        return 1e-6, np.inf  # y is equal to within rounding, which then chooses lambda
    return 1e-6, 1e-6 + 16 * np.sqrt(rounding)


def make(arguments):
    directory, seed, only = arguments
    frame, step, size = case(seed, only)
    write(directory, str(seed), frame, step, size)
    return seed, expected(frame, step, size)


def read(path):
    return pd.read_csv(path, float_precision="round_trip") if os.path.getsize(path) else pd.DataFrame()


def run_one(rowmill, frame, step, size):
    """The difference of one case, run on its own."""
    with tempfile.TemporaryDirectory() as directory:
        base = write(directory, "case", frame, step, size)
        subprocess.run([rowmill, "batch", base + ".toml"], stderr=subprocess.DEVNULL)
        return difference(frame, step, size, read(base + ".ours.csv"), expected(frame, step, size))


def shrink(rowmill, frame, step, size):
    """Halves rows and columns while the case still differs."""
    smaller = True
    while smaller:
        smaller = False
        half, width = len(frame) // 2, frame.shape[1] // 2
        rows = [frame.iloc[:half], frame.iloc[half:], frame.iloc[1:], frame.iloc[:-1]] if half else []
        columns = [frame.iloc[:, :width], frame.iloc[:, width:]] if width and not {"columns", "subset"} & step.keys() else []
        for part in rows + columns:
            part = part.reset_index(drop=True)
            if run_one(rowmill, part, step, size):
                frame, smaller = part, True
                break
    return frame


def keep(directory, seed, frame, step, size):
    """Writes a case as the goldens are laid out."""
    name = f"parity_{step['use']}_{seed}"
    base = write(directory, name, frame, step, size)
    text = open(base + ".toml").read().replace(f"{base}.in.csv", f"{name}.in.csv").replace(f"{base}.ours.csv", "out.csv")
    open(base + ".toml", "w").write(text)
    expected(frame, step, size).to_csv(base + ".out.csv", index=False)
    return base


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rowmill")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="as many cases as fit, instead of --cases")
    parser.add_argument("--only", choices=SUBTASKS)
    parser.add_argument("--golden", help="where the smallest case that differs is written")
    options = parser.parse_args()
    end = time.time() + options.minutes * 60 if options.minutes else None
    done, wrong = 0, []
    with multiprocessing.Pool() as pool:
        while time.time() < end if end else done < options.cases:
            directory = tempfile.mkdtemp()
            count = BATCH if end else min(BATCH, options.cases - done)
            seeds = [options.seed * 1_000_000_007 + done + i for i in range(count)]
            results = pool.map(make, [(directory, seed, options.only) for seed in seeds], chunksize=10)
            files = [os.path.join(directory, f"{seed}.toml") for seed in seeds]
            subprocess.run([options.rowmill, "batch", *files])
            for seed, theirs in results:
                frame, step, size = case(seed, options.only)
                reason = difference(frame, step, size, read(os.path.join(directory, f"{seed}.ours.csv")), theirs)
                if reason:
                    wrong.append((seed, frame, step, size))
                    print(f"seed {seed}, {len(frame)} rows, {size} a message, {step}: {reason}")
            shutil.rmtree(directory)
            done += count
    print(f"{done} cases, {len(wrong)} differ")
    if wrong and options.golden:
        shrunk = [(seed, shrink(options.rowmill, frame, step, size), step, size) for seed, frame, step, size in wrong[:5]]
        print("kept:", keep(options.golden, *min(shrunk, key=lambda case: case[1].size)))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
