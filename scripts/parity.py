#!/usr/bin/env python3
"""Random cases of every subtask: rowmill beside the real pandas and scikit-learn.

    parity.py ROWMILL [--cases N] [--seed S] [--minutes M] [--only SUBTASK] [--golden DIRECTORY]

Cases are made and run in batches, each by one `rowmill batch`. The smallest case that differs is written to the
golden directory, where the tests keep it. Exit code 1 if any case differs.
"""

import argparse
import collections
import contextlib
import io
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd

import likelihood
import oracle
import parity_plants
import parity_stream
from comparison import EPS, EXACT, WITHIN, cancellation, judge, relative_bound
from dataflow import write

BATCH = 500
# Of all cases.
MOST_EXCUSED = 0.01
# Rows a case: most are small, where the edges are.
SHAPES = [0, 1, 2, 3, 5, 10, 30, 100, 300, 1000, 5000]
SHAPE_WEIGHTS = [1, 4, 4, 4, 6, 10, 12, 12, 6, 3, 1]
# These only move or compare values.
EXACT_STEPS = {"drop_duplicates", "replace", "dropna", "binarizer", "ordinal_encoder", "one_hot_encoder", "k_bins_discretizer"}
# And these round once a value, as NumPy does.
EXACT_STEPS |= {"round", "where", "mask", "shift", "cumsum", "pct_change", "rank", "rename", "drop", "filter", "assign"}


def column(rng, n):
    """A column of one of many kinds, with gaps in some."""
    kind = rng.integers(0, 18)
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
        # What a broken sensor sends between good values, and then no more.
        lambda: np.where(rng.random(n) < 0.1, rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(7, 300), 20 + x.round(1)),
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
        times = {"method": "time", "time": "t1"} if rng.random() < 0.4 else {}
        return limit() | areas | maybe(limit_direction=str(rng.choice(["forward", "backward", "both"]))) | times
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
    if use in ("diff", "pct_change"):
        return maybe(periods=int(rng.integers(-3, 5)))
    if use == "shift":
        return maybe(periods=int(rng.integers(-3, 5)), fill_value=float(rng.choice([0.0, -7.5])))
    if use == "cumsum":
        return maybe(skipna=False)
    if use == "round":
        return maybe(decimals=int(rng.integers(-3, 7)))
    if use == "rank":
        method = maybe(method=str(rng.choice(["average", "min", "max", "first", "dense"])))
        return method | maybe(na_option=str(rng.choice(["keep", "top", "bottom"])), ascending=False, pct=True)
    if use == "ewm":
        decay = [("com", rng.uniform(0, 5)), ("span", rng.uniform(1, 9)), ("halflife", rng.uniform(0.1, 5)), ("alpha", rng.uniform(0.05, 1))]
        name, value = decay[int(rng.integers(0, 4))]
        return {name: round(float(value), 2)} | maybe(adjust=False, ignore_na=True, min_periods=int(rng.integers(0, 4)))
    if use in ("where", "mask"):
        one, other = (str(rng.choice(names)) for _ in range(2))
        cond = str(rng.choice([f"{one} > 0.5", f"not {one} < {other}", f"{one} == {other} or {one} != {one}"]))
        return {"cond": cond} | maybe(other=float(rng.choice([0.0, -7.5])))
    if use == "rename":
        return {"columns": {name: f"n{place}" for place, name in enumerate(some())}}
    if use == "drop":
        return {"columns": some(0)[: len(names) - 1]}
    if use == "filter":
        return {"items": some()} if rng.random() < 0.7 else {"like": str(rng.choice(names))[1:]}
    if use == "assign":
        return {"values": {name: rng.choice([1.5, -2.0, 0.0]).item() for name in [*some(), "n0", "n1"]}}
    if use == "simple_imputer":
        strategy = str(rng.choice(["mean", "median", "most_frequent", "constant"]))
        return maybe(strategy=strategy) if strategy != "constant" else {"strategy": strategy, "fill_value": 1.5}
    if use == "k_bins_discretizer":
        strategy = str(rng.choice(["uniform", "quantile"]))
        method = maybe(quantile_method="linear") if strategy == "quantile" else {}
        return {"strategy": strategy} | maybe(n_bins=int(rng.integers(2, 12))) | method
    if use == "function_transformer":
        return {"func": str(rng.choice(FUNCTIONS))}
    if use == "polynomial_features":
        return maybe(degree=int(rng.integers(1, 4)), interaction_only=True, include_bias=False)
    if use == "ordinal_encoder":
        return {} if rng.random() < 0.5 else {"categories": [WORDS, WORDS[:2]], "handle_unknown": "use_encoded_value"}
    if use == "one_hot_encoder":
        return {"categories": [WORDS, WORDS[:2]]} | maybe(handle_unknown="ignore")
    return {}


FUNCTIONS = "abs sqrt square exp expm1 log log1p log2 log10 sin cos tanh negative sign".split()
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
    "rename",
    "drop",
    "filter",
    "assign",
    "round",
    "where",
    "mask",
    "shift",
    "cumsum",
    "pct_change",
    "ewm",
    "rank",
    "function_transformer",
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
    if use not in {"drop_duplicates", "dropna", "ordinal_encoder", "one_hot_encoder"} | oracle.NAMED and rng.random() < 0.3:
        step["columns"] = names[: int(rng.integers(1, width + 1))]
    if rng.random() < 0.3:
        step["on_error"] = str(rng.choice(["message", "row"]))
    size = max(1, n) if rng.random() < 0.7 else int(rng.choice([1, 3, 17, 100]))
    is_known = step.get("periods", 1) >= 0 and (use != "fillna" or step.get("method") == "ffill")
    if use in parity_stream.SUBTASKS and is_known and rng.random() < 0.4:
        step, size = step | {"fit": "stream"}, int(rng.choice([1, 3, 17, 100, max(1, n // 2)] if n < 1000 else [17, 100, n // 2]))
        if rng.random() < 0.4:
            frame["t0"] = rng.choice(np.array(["north", "south", None], dtype=object), n)
            step = step | {"key": "t0"}
    if "time" in step:
        after = np.datetime64("2024-03-01T12:00:00.000") + np.cumsum(rng.integers(1, 10**6, n)).astype("timedelta64[ms]")
        frame["t1"] = np.array([f"{time}Z" for time in after], dtype=object)
    return frame, step, size


def expected(frame, step, size):
    if step.get("fit") == "stream":
        with contextlib.redirect_stderr(io.StringIO()):
            return parity_stream.Expected(frame, step, size).frame
    with contextlib.redirect_stderr(io.StringIO()):
        return oracle.run({"subtask": [step], "buffer": {"bucket_size": size}}, frame.copy())


class Tally:
    """How many columns of messages were compared, how they fared, and in which cases something was excused."""

    def __init__(self):
        self.fared = collections.Counter()
        self.why = collections.Counter()
        self.cases = 0

    def add(self, verdicts):
        self.fared.update(EXCUSED if verdict in EXCUSES else verdict for verdict in verdicts)
        excuses = [verdict for verdict in verdicts if verdict in EXCUSES]
        self.why.update(excuses)
        self.cases += bool(excuses)

    def told(self, cases):
        """What was counted, in lines."""
        total = sum(self.fared.values())
        counts = ", ".join(f"{self.fared[verdict]} {verdict}" for verdict in (EXACT, WITHIN, EXCUSED))
        lines = [f"{total} columns of messages compared: {counts}, in {self.cases} cases ({self.cases / cases:.2%})"]
        return lines + [f"  {count}: {EXCUSES[why]}" for why, count in self.why.items()]


EXCUSED = "excused"
EXCUSES = {
    "likely": "another lambda, no less likely in 50 digits, and every value is that lambda's",
    "window": "pandas, given the rows of the window alone, has our value: what had left the window had not left its sums",
    "alone": "pandas, given the column alone, has our value",
}


def difference(frame, step, size, ours, theirs, verdicts):
    """What differs first, or None; `verdicts` gets one a column of a message."""
    if len(ours) == 0 and len(theirs) == 0:
        return None
    if list(ours.columns) != list(theirs.columns):
        return f"columns {list(ours.columns)}, not {list(theirs.columns)}"
    if len(ours) != len(theirs) or not np.array_equal(ours[["message", "row"]], theirs[["message", "row"]]):
        return f"{len(ours)} rows, not {len(theirs)}"
    if step.get("fit") == "stream":
        return parity_stream.difference(frame, step, size, ours, theirs, verdicts)
    for message, rows in theirs.groupby("message").indices.items():
        part, theirs_part = ours.iloc[rows], theirs.iloc[rows]
        taken = frame.iloc[theirs_part["row"]]
        for name in theirs.columns.drop(["message", "row"]):
            if not pd.api.types.is_numeric_dtype(theirs[name]):
                if not np.array_equal(*(of[name].astype(object).where(of[name].notna(), "") for of in (part, theirs_part))):
                    return f"message {message}, texts of {name}"
                continue
            a, b = part[name].to_numpy(float), theirs_part[name].to_numpy(float)
            verdict = compare(taken, step, name, a, b)
            if isinstance(verdict, int):
                return f"row {part['row'].iloc[verdict]}, {name}: {a[verdict]!r}, not {b[verdict]!r}"
            verdicts.append(verdict)
    return None


def compare(frame, step, name, ours, theirs):
    """How a column of one message fares: a verdict, or the first place that differs."""
    use = step["use"]
    verdict = judge(ours, theirs, lambda: tolerance(frame, step, name, ours, theirs))
    if not isinstance(verdict, int) or name not in frame:
        return verdict
    if use == "power_transformer":
        method, standardize = step.get("method", "yeo-johnson"), step.get("standardize", True)
        if likelihood.as_likely(frame[name].to_numpy(), ours, method, standardize):
            return "likely"
    if use == "rolling":
        alone = windows_alone(frame[name], step)
        if not isinstance(judge(ours, alone, lambda: relative_bound(ours, alone, 1e-9)), int):
            return "window"
    if use == "fillna" and frame.shape[1] > 1:
        alone = oracle.apply(frame[[name]], {key: value for key, value in step.items() if key != "columns"})[name]
        if judge(ours, alone.to_numpy(), lambda: 0.0) == EXACT:
            return "alone"
    return verdict


def windows_alone(column, step):
    """What pandas says of the rows of each window when it sees no others."""
    size, method = step.get("window", 3), step.get("method", "mean")
    periods = step.get("min_periods", size)
    windows = (column.iloc[max(0, end - size) : end] for end in range(1, len(column) + 1))
    alone = [getattr(rows.rolling(size, min_periods=periods), method)().iloc[-1] for rows in windows]
    return np.array(alone)


def rounded_mean(column, step, theirs):
    """What the mean of equal values may be off by: where a transform makes one number of all, nothing else is left of
    them when the mean is taken off."""
    finite = theirs[np.isfinite(theirs)]
    if not step.get("standardize", True) or not len(finite) or np.ptp(finite) > 0:
        return 0.0
    alike = oracle.apply(column.to_frame(), {"use": step["use"], "method": step.get("method", "yeo-johnson"), "standardize": False})
    values = alike.to_numpy(float)
    values = values[np.isfinite(values)]
    return 4 * EPS * np.abs(values).max() if len(values) and np.ptp(values) == 0 else 0.0


def tolerance(frame, step, name, ours, theirs):
    """A finite bound for each value of a column of one message."""
    use = step["use"]
    if use in EXACT_STEPS:
        return 0.0
    if use == "power_transformer":
        return relative_bound(ours, theirs, 1e-6) + rounded_mean(frame[name], step, theirs)
    # What is computed of each row alone has no mean whose digits could be lost.
    if name not in frame or use == "normalizer":
        return 1e-9 * np.minimum(np.abs(theirs), np.finfo(float).max)
    return relative_bound(ours, theirs, 1e-9) + cancellation(frame[name], theirs)


def make(arguments):
    directory, seed, only = arguments
    frame, step, size = case(seed, only)
    write(directory, str(seed), frame, step, size)
    expected(frame, step, size).to_pickle(os.path.join(directory, f"{seed}.theirs"))


def check(arguments):
    """What differs in a case, and the verdicts."""
    directory, seed, only = arguments
    theirs = pd.read_pickle(os.path.join(directory, f"{seed}.theirs"))
    verdicts = []
    ours = read(os.path.join(directory, f"{seed}.ours.csv"))
    return difference(*case(seed, only), ours, theirs, verdicts), verdicts


def read(path):
    return pd.read_csv(path, float_precision="round_trip") if os.path.getsize(path) else pd.DataFrame()


def run_one(rowmill, frame, step, size):
    """The difference of one case, run on its own."""
    with tempfile.TemporaryDirectory() as directory:
        base = write(directory, "case", frame, step, size)
        subprocess.run([rowmill, "batch", "--fresh", base + ".toml"], stderr=subprocess.DEVNULL)
        return difference(frame, step, size, read(base + ".ours.csv"), expected(frame, step, size), [])


def shrink(rowmill, frame, step, size):
    """Halves rows and columns while the case still differs."""
    smaller = True
    while smaller:
        smaller = False
        half, width = len(frame) // 2, frame.shape[1] // 2
        rows = [frame.iloc[:half], frame.iloc[half:], frame.iloc[1:], frame.iloc[:-1]] if half else []
        columns = [frame.iloc[:, :width], frame.iloc[:, width:]] if width and not {"columns", "subset", "key"} & step.keys() else []
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
    parser.add_argument("rowmill", nargs="?", default="target/debug/rowmill")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="as many cases as fit, instead of --cases")
    parser.add_argument("--only", choices=SUBTASKS)
    parser.add_argument("--golden", help="where the smallest case that differs is written")
    parser.add_argument("--self-test", action="store_true", help="plant errors in results, and find each")
    options = parser.parse_args()
    if options.self_test:
        parity_plants.run()
        return
    end = time.time() + options.minutes * 60 if options.minutes else None
    done, wrong, tally = 0, [], Tally()
    with multiprocessing.Pool() as pool:
        while time.time() < end if end else done < options.cases:
            directory = tempfile.mkdtemp()
            count = BATCH if end else min(BATCH, options.cases - done)
            seeds = [options.seed * 1_000_000_007 + done + i for i in range(count)]
            tasks = [(directory, seed, options.only) for seed in seeds]
            pool.map(make, tasks, chunksize=10)
            files = [os.path.join(directory, f"{seed}.toml") for seed in seeds]
            subprocess.run([options.rowmill, "batch", "--fresh", *files], env=os.environ | {"RUST_LOG": "error"})
            for seed, (reason, verdicts) in zip(seeds, pool.map(check, tasks, chunksize=10)):
                tally.add(verdicts)
                if reason:
                    wrong.append((seed, *case(seed, options.only)))
                    _, frame, step, size = wrong[-1]
                    print(f"seed {seed}, {len(frame)} rows, {size} a message, {step}: {reason}", flush=True)
            shutil.rmtree(directory)
            done += count
    print(f"seed {options.seed}: {done} cases, {len(wrong)} differ", *tally.told(done), sep="\n")
    if wrong and options.golden:
        shrunk = [(seed, shrink(options.rowmill, frame, step, size), step, size) for seed, frame, step, size in wrong[:5]]
        print("kept:", keep(options.golden, *min(shrunk, key=lambda case: case[1].size)))
    too_many = done >= 1000 and not options.only and tally.cases >= MOST_EXCUSED * done
    if too_many:
        print(f"{tally.cases} of {done} cases excused: {MOST_EXCUSED:.0%} or more")
    sys.exit(1 if wrong or too_many else 0)


if __name__ == "__main__":
    main()
