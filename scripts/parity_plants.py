"""Errors planted in results: parity must find each, in every subtask."""

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

import parity

EACH = 2
ROWS = 30
# Larger cases take long, and show nothing else.
MOST = 300


def one_value(rng, frame, step, ours, theirs):
    """One value of a message of thirty or more, by a thousandth of the column's deviation and a little of its own."""
    name, rows = column_of(rng, theirs, lambda x: len(x) >= ROWS and np.isfinite(x).all() and 1e-200 < np.std(x) < 1e200)
    at = rng.choice(rows)
    moved = 1e-3 * np.std(theirs[name].to_numpy()[rows]) + 1e-5 * abs(ours[name].iloc[at])
    return changed(ours, at, name, ours[name].iloc[at] + moved)


def slightly_off(rng, frame, step, ours, theirs):
    """One value: the last digit where values are moved and compared, elsewhere a little more than may be."""

    def suits(x):
        return len(x) > 1 and np.isfinite(x).all() and 1e-200 < np.std(x) < 1e200

    name, rows = column_of(rng, theirs, suits)
    at, x = rng.choice(rows), theirs[name].to_numpy(float)
    if step["use"] in parity.EXACT_STEPS:
        return changed(ours, at, name, np.nextafter(x[at], np.inf))
    taken = theirs["row"].to_numpy()[rows]
    inputs = frame[name].to_numpy(float)[taken] if name in frame else np.zeros(1)
    inputs = inputs[np.isfinite(inputs)]
    if np.std(inputs) > 0 and np.abs(inputs).max() > 1e3 * np.std(inputs):
        # Differences of values far from zero have fewer digits.
        raise NoPlace
    relative = 5e-6 if step["use"] == "power_transformer" else 1e-6
    return changed(ours, at, name, x[at] + relative * (abs(x[at]) + np.std(x[rows])))


def sign(rng, frame, step, ours, theirs):
    name, rows = column_of(rng, theirs, lambda x: len(x) and np.isfinite(x).all() and np.abs(x).min() > 1e-3 * np.std(x))
    at = rng.choice(rows)
    value = ours[name].iloc[at]
    if not 1e-100 < abs(value) < 1e100:
        raise NoPlace
    return changed(ours, at, name, -value)


def number_for_gap(rng, frame, step, ours, theirs):
    name, rows = column_of(rng, theirs, lambda x: np.isnan(x).any())
    at = rng.choice(rows[np.isnan(theirs[name].to_numpy(float)[rows])])
    return changed(ours, at, name, 0.0)


def another_text(rng, frame, step, ours, theirs):
    names = [name for name in theirs.columns[2:] if not is_numeric_dtype(theirs[name])]
    if not names:
        raise NoPlace
    texts = ours[names[0]].to_numpy(object).copy()
    texts[rng.integers(len(texts))] = "elsewhere"
    return ours.assign(**{names[0]: texts}), theirs


def most_values(rng, frame, step, ours, theirs):
    """All values but one."""
    name, rows = column_of(rng, theirs, lambda x: len(x) >= ROWS and np.isfinite(x).all() and 1e-200 < np.std(x) < 1e200)
    furthest = rows[np.abs(theirs[name].to_numpy()[rows]).argmax()]
    values = ours[name].to_numpy().copy()
    noise = (1e-3 * np.std(values[rows]) + 1e-5 * np.abs(values)) * rng.choice([-1.0, 1.0], len(values))
    noise[furthest] = 0.0
    values[rows] += noise[rows]
    return ours.assign(**{name: values}), theirs


def infinity_for_finite(rng, frame, step, ours, theirs):
    name, rows = column_of(rng, theirs, lambda x: np.isfinite(x).any())
    at = rng.choice(rows[np.isfinite(theirs[name].to_numpy()[rows])])
    return changed(ours, at, name, rng.choice([np.inf, -np.inf, np.nan]))


def finite_for_infinity(rng, frame, step, ours, theirs):
    """Another value than the original's own: that a column alone, or a window alone, has the original's is excused."""
    name, rows = column_of(rng, theirs, lambda x: np.isfinite(x).any())
    at = rng.choice(rows[np.isfinite(theirs[name].to_numpy()[rows])])
    other = 1.5 * ours[name].iloc[at] + 1.0
    return changed(ours, at, name, other), changed(theirs, at, name, rng.choice([np.inf, -np.inf]))


def without_spread(rng, frame, step, ours, theirs):
    """A column of which all values are equal, moved."""
    name, rows = column_of(rng, theirs, lambda x: len(x) > 1 and np.isfinite(x).all() and np.ptp(x) == 0)
    size = max(np.abs(theirs[name].to_numpy()[rows]).max(), frame[name].abs().max() if name.startswith("c") and name in frame else 0.0)
    values = ours[name].to_numpy().copy()
    values[rows] += 1e-5 * size if size > 1e-200 else 1e-5
    return ours.assign(**{name: values}), theirs


def doubled_row(rng, frame, step, ours, theirs):
    at = int(rng.integers(len(theirs)))
    return pd.concat([ours.iloc[: at + 1], ours.iloc[at:]]).reset_index(drop=True), theirs


def row_for_another(rng, frame, step, ours, theirs):
    """A doubled row, and the next one missing."""
    at = int(rng.integers(len(theirs) - 1))
    places = np.arange(len(theirs))
    places[at + 1] = at
    return ours.iloc[places].reset_index(drop=True), theirs


def rows_exchanged(rng, frame, step, ours, theirs):
    places = np.arange(len(theirs))
    at = int(rng.integers(len(theirs) - 1))
    places[[at, at + 1]] = places[[at + 1, at]]
    return ours.iloc[places].reset_index(drop=True), theirs


PLANTS = [
    one_value,
    slightly_off,
    most_values,
    infinity_for_finite,
    finite_for_infinity,
    without_spread,
    doubled_row,
    row_for_another,
    rows_exchanged,
]
# Not every subtask has a place for these; so many are planted at least.
WHERE_THERE_IS = {sign: 30, number_for_gap: 20, another_text: 5}


class NoPlace(Exception):
    pass


def column_of(rng, theirs, suits):
    """A column, and the rows of a message in it, of a kind."""
    for name in rng.permutation([name for name in theirs.columns[2:] if is_numeric_dtype(theirs[name])]):
        for rows in theirs.groupby("message").indices.values():
            if suits(theirs[name].to_numpy(float)[rows]):
                return name, rows
    raise NoPlace


def changed(frame, at, name, value):
    values = frame[name].to_numpy(float).copy()
    values[at] = value
    return frame.assign(**{name: values})


def run():
    """Plants every error some times in every subtask; asserts that what is whole passes, and what is not is found."""
    found, counts = 0, dict.fromkeys(WHERE_THERE_IS, 0)
    for use in parity.SUBTASKS:
        wanted = dict.fromkeys([*PLANTS, *WHERE_THERE_IS], EACH)
        for seed in range(5000):
            frame, step, size = parity.case(seed, use)
            if not 2 <= len(frame) <= MOST:
                continue
            theirs = parity.expected(frame, step, size).reset_index(drop=True)
            if len(theirs) < 2:
                continue
            verdicts = []
            assert parity.difference(frame, step, size, theirs.copy(), theirs, verdicts) is None, (use, seed)
            assert set(verdicts) <= {parity.EXACT}, (use, seed, verdicts)
            rng = np.random.default_rng(seed)
            for plant in [plant for plant, count in wanted.items() if count]:
                try:
                    planted = plant(rng, frame, step, theirs.copy(), theirs)
                except NoPlace:
                    continue
                ours, expected = planted if isinstance(planted, tuple) else (planted, theirs)
                assert parity.difference(frame, step, size, ours, expected, []), f"{use}, seed {seed}: {plant.__name__}"
                wanted[plant] -= 1
                if plant in counts:
                    counts[plant] += 1
                found += 1
            if not any(wanted[plant] for plant in PLANTS):
                break
        left = [plant.__name__ for plant in PLANTS if wanted[plant]]
        assert not left, f"{use}: no place for {left}"
    few = [plant.__name__ for plant, count in counts.items() if count < WHERE_THERE_IS[plant]]
    assert not few, f"too few of {few}: {list(counts.values())}"
    print(f"{found} planted errors in {len(parity.SUBTASKS)} subtasks, each found")
