"""Messages that learn from those before them (`fit = "stream"`) beside pandas and scikit-learn.

Windows, differences, sums and forward fills: pandas over all messages in one piece. Interpolation: pandas over all rows so
far. Scalers: `partial_fit`, message after message. What a sketch learns: the quantiles of all rows so far, exact while the
sketch holds every value, and else within its error.
"""

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.preprocessing import QuantileTransformer

import oracle
from comparison import EPS, EXACT, WITHIN, judge, relative_bound

FITTED = ["standard_scaler", "min_max_scaler", "max_abs_scaler"]
SKETCHED = ["robust_scaler", "quantile_transformer"]
CARRIED = ["rolling", "diff", "fillna", "interpolate", "shift", "cumsum", "pct_change", "ewm"]
SUBTASKS = FITTED + SKETCHED + CARRIED
# So many values the sketch holds whole.
SKETCH_K = 1024
# The sketch's error in 99 of 100 cases is 2.58 deviations of a normal distribution; of twice that, one of four million is beyond.
RANK_ERROR = 2 * 0.0028
# Of scikit-learn's places, in the normal distribution.
MOST_NORMAL = stats.norm.ppf(1 - (1e-7 - np.spacing(1)))


def parameters_of(step):
    return {name: value for name, value in step.items() if name not in ("use", "fit", "key", "columns", "on_error")}


def columns_of(frame, step):
    return step.get("columns", [name for name in frame.columns if name[0] == "c"])


def groups(frame, step):
    """The rows of each key, by place."""
    if "key" not in step:
        return [np.arange(len(frame))]
    keys = frame[step["key"]].astype(object).where(frame[step["key"]].notna(), "")
    return [np.flatnonzero(keys == key) for key in pd.unique(keys)]


class Expected:
    """Results, and of each how far it may be off: the least and greatest, and the rounding of what it is made of."""

    def __init__(self, frame, step, size):
        self.step, self.columns = step, columns_of(frame, step)
        numbered = frame.copy()
        numbered.insert(0, "row", np.arange(len(frame)))
        numbered.insert(0, "message", np.arange(len(frame)) // size)
        if step["use"] not in CARRIED:
            # scikit-learn refuses infinity: nothing is learned from such a message.
            finite = ~np.isinf(numbered[self.columns].to_numpy(float)).any(axis=1)
            finite = pd.Series(finite, index=numbered.index)
            whole = step.get("on_error", "message") == "message"
            numbered = numbered[finite.groupby(numbered["message"]).transform("all") if whole else finite]
        self.frame = numbered.reset_index(drop=True)
        self.inputs = self.frame[self.columns].to_numpy(float)
        self.results = self.inputs.copy()
        self.floor = np.zeros(self.inputs.shape)
        self.low, self.high = np.full((2, *self.inputs.shape), np.nan)
        for rows in groups(self.frame, step):
            self.learn(rows)
        self.frame[self.columns] = self.results

    def learn(self, rows):
        """What becomes of the rows of one key."""
        use, parameters = self.step["use"], parameters_of(self.step)
        # What the original has seen so far, without what counts as missing.
        sizes = np.where(np.isfinite(self.inputs[rows]), np.abs(self.inputs[rows]), 0.0)
        largest = np.maximum.accumulate(sizes, axis=0) if len(rows) else sizes
        if use in CARRIED:
            part = pd.DataFrame(self.inputs[rows], columns=self.columns)
            if use == "interpolate":
                self.interpolate(rows, part, parameters)
                return
            self.results[rows] = oracle.transform(part, use, parameters).to_numpy()
            self.floor[rows] = 64 * EPS * largest if use in ("rolling", "ewm") else 0.0
            return
        messages = self.frame["message"].to_numpy()[rows]
        parts = [np.flatnonzero(messages == message) for message in pd.unique(messages)]
        if use in SKETCHED:
            for of in parts:
                for place in range(len(self.columns)):
                    self.sketch(rows[of], np.sort(self.inputs[rows[: of[-1] + 1], place]), of[-1] + 1, place)
            return
        # A message without a value of a column teaches nothing of it; scikit-learn would have no number for it ever after.
        absent = [np.isnan(self.inputs[rows[of]]).all(axis=0) for of in parts]
        seldom = np.any(absent, axis=0) if absent else np.zeros(len(self.columns), bool)
        for places in [np.flatnonzero(~seldom), *np.flatnonzero(seldom).reshape(-1, 1)]:
            if len(places):
                taught = [of for of, gone in zip(parts, absent) if not gone[places].any()]
                self.fit(rows, taught, places, largest)

    def interpolate(self, rows, part, parameters):
        """Each message as if all rows so far were one: what comes behind it is not known when it goes out."""
        if "time" in parameters:
            part = oracle.by_time(part, self.frame[parameters.pop("time")].iloc[rows])
        messages = self.frame["message"].to_numpy()[rows]
        for message in pd.unique(messages):
            own = np.flatnonzero(messages == message)
            so_far = oracle.transform(part.iloc[: own[-1] + 1], "interpolate", parameters)
            self.results[rows[own]] = so_far.to_numpy()[own]

    def fit(self, rows, parts, places, largest):
        """By `partial_fit` of the messages that are told, some columns of them."""
        scaler = oracle.scaler(self.step["use"], parameters_of(self.step))
        for of in parts:
            at = np.ix_(rows[of], places)
            self.results[at] = scaler.partial_fit(self.inputs[at]).transform(self.inputs[at])
            scale = 1.0 if scaler.scale_ is None else scaler.scale_
            scale = 1 / scale if self.step["use"] == "min_max_scaler" else scale
            with np.errstate(all="ignore"):
                floor = 64 * EPS * largest[of[-1], places] / np.abs(scale)
            self.floor[at] = np.minimum(np.nan_to_num(floor), np.finfo(float).max)

    def sketch(self, own, seen, count, place):
        """By the quantiles of all values so far, in order."""
        seen = seen[~np.isnan(seen)]
        if not len(seen):
            return
        x, parameters = self.inputs[own, place], parameters_of(self.step)
        whole = len(seen) <= SKETCH_K
        if self.step["use"] == "robust_scaler":
            results, low, high = robust(x, seen, parameters, whole)
        else:
            results, low, high = places(x, seen, parameters, min(count, parameters.get("n_quantiles", 1000)), whole)
        self.results[own, place] = results
        if not whole:
            self.low[own, place], self.high[own, place] = low, high


def at(seen, q, off=0.0):
    """The least value that a share of `q` of all is not above, give or take a share."""
    if q in (0.0, 1.0):
        return seen[0] if q == 0.0 else seen[-1]
    shares = np.arange(1, len(seen) + 1) / len(seen)
    return seen[min(np.searchsorted(shares, np.clip(q + off, 0.0, 1.0)), len(seen) - 1)]


def robust(x, seen, parameters, whole):
    low_q, high_q = (q / 100 for q in parameters.get("quantile_range", (25.0, 75.0)))
    unit = stats.norm.ppf(high_q) - stats.norm.ppf(low_q) if parameters.get("unit_variance") else 1.0

    def scaled(centre, distance):
        centre = centre if parameters.get("with_centering", True) else 0.0
        distance = (distance if distance >= 10 * EPS else 1.0) / unit if parameters.get("with_scaling", True) else 1.0
        with np.errstate(all="ignore"):
            return (x - centre) / distance

    distance = lambda off: at(seen, high_q, off) - at(seen, low_q, -off)
    results = scaled(at(seen, 0.5), distance(0.0))
    if whole:
        return results, results, results
    ends = [scaled(at(seen, 0.5, off), distance(wide)) for off in (-RANK_ERROR, RANK_ERROR) for wide in (-RANK_ERROR, RANK_ERROR)]
    # A distance that may be nothing is taken for 1.
    ends += [scaled(at(seen, 0.5, off), 0.0) for off in (-RANK_ERROR, RANK_ERROR)] if distance(-RANK_ERROR) < 10 * EPS else []
    if 0.0 <= distance(-RANK_ERROR) < 10 * EPS:
        # Or for next to nothing.
        far = np.where(results < 0, -np.inf, np.inf)
        ends.append(np.where(x == at(seen, 0.5), 0.0, far))
    return results, np.min(ends, axis=0), np.max(ends, axis=0)


def places(x, seen, parameters, n_quantiles, whole):
    transformer = QuantileTransformer(**parameters | {"n_quantiles": n_quantiles}, subsample=None)
    transformer.n_quantiles_, transformer.n_features_in_ = n_quantiles, 1
    transformer.references_ = np.linspace(0, 1, n_quantiles)
    transformer.quantiles_ = np.array([[at(seen, q)] for q in transformer.references_])
    results = transformer.transform(x.reshape(-1, 1))[:, 0]
    if whole:
        return results, results, results
    # Between two quantiles a place lies on a straight line, and not where the values do.
    off = RANK_ERROR + 1 / max(n_quantiles - 1, 1)
    low = np.searchsorted(seen, x, side="left") / len(seen) - off
    high = np.searchsorted(seen, x, side="right") / len(seen) + off
    if parameters.get("output_distribution") == "normal":
        low, high = (np.clip(stats.norm.ppf(np.clip(place, 0.0, 1.0)), -MOST_NORMAL, MOST_NORMAL) for place in (low, high))
    return results, low, high


def windows_alone(expected, rows, place):
    """What pandas says of the rows of each window when it sees no others."""
    parameters = parameters_of(expected.step)
    size, method = parameters.get("window", 3), parameters.get("method", "mean")
    periods = parameters.get("min_periods", size)
    alone = dict.fromkeys(rows, np.nan)
    for group in groups(expected.frame, expected.step):
        for end, row in enumerate(group, 1):
            if row in alone:
                window = pd.Series(expected.inputs[group[max(0, end - size) : end], place])
                alone[row] = getattr(window.rolling(size, min_periods=periods), method)().iloc[-1]
    return np.array([alone[row] for row in rows])


def difference(frame, step, size, ours, theirs, verdicts):
    """What differs first, or None; `verdicts` gets one a column of a message."""
    expected = Expected(frame, step, size)
    untouched = [name for name in theirs.columns if name not in expected.columns and name[0] == "c"]
    for message, rows in theirs.groupby("message").indices.items():
        for place, name in enumerate(expected.columns):
            a, b = (of[name].to_numpy(float)[rows] for of in (ours, theirs))
            verdict = compare(a, b, rows, place, expected)
            if isinstance(verdict, int) and step["use"] == "rolling":
                alone = windows_alone(expected, rows, place)
                is_alone = not isinstance(judge(a, alone, lambda: relative_bound(a, alone, 1e-9)), int)
                verdict = "window" if is_alone else verdict
            if isinstance(verdict, int):
                return f"message {message}, row {theirs['row'].iloc[rows[verdict]]}, {name}: {a[verdict]!r}, not {b[verdict]!r}"
            verdicts.append(verdict)
    for name in untouched:
        verdict = judge(ours[name], theirs[name], lambda: 0.0)
        if isinstance(verdict, int):
            return f"row {verdict}, {name}, which no step changes: {ours[name].iloc[verdict]!r}"
    for name in [name for name in theirs.columns if name[0] == "t"]:
        texts = [of[name].astype(object).where(of[name].notna(), "") for of in (ours, theirs)]
        if not np.array_equal(*texts):
            return f"texts of {name}"
    return None


def compare(a, b, rows, place, expected):
    exact = ("diff", "fillna", "shift", "cumsum", "pct_change")
    relative = 0.0 if expected.step["use"] in exact else 1e-9
    low, high = expected.low[rows, place], expected.high[rows, place]
    bound = relative_bound(a, b, relative) + expected.floor[rows, place]
    if np.isnan(low).all():
        return judge(a, b, lambda: np.minimum(bound, np.finfo(float).max))
    with np.errstate(all="ignore"):
        within = (a == b) | (np.isnan(a) & np.isnan(b)) | (np.isfinite(a) & (low - bound <= a) & (a <= high + bound))
    # One map for all rows of a key in the message: it does not fall.
    order = np.argsort(expected.inputs[rows, place], kind="stable")
    if "key" not in expected.step and np.isfinite(a).all() and not (np.diff(a[order]) >= -bound[order][1:]).all():
        return int(order[0])
    return WITHIN if within.all() else int(np.flatnonzero(~within)[0])
