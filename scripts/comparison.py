"""When two columns of results are the same: what is compared with pandas and scikit-learn is judged by this.

Infinities and missing values are equal or they differ. A bound is finite, and on the scale of the results.
"""

import numpy as np

EPS = np.finfo(float).eps
EXACT, WITHIN = "exact", "within tolerance"


def equal(ours, theirs):
    return (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))


def differ(ours, theirs, bound):
    """Which values are neither equal nor within a finite bound."""
    if not np.isfinite(bound).all():
        raise ValueError("a bound without end")
    with np.errstate(all="ignore"):
        near = np.isfinite(ours) & np.isfinite(theirs) & (np.abs(ours - theirs) <= bound)
    return ~(equal(ours, theirs) | near)


def judge(ours, theirs, bound):
    """EXACT, WITHIN or the place of the first value that differs; `bound` is called where values are not equal."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    if equal(ours, theirs).all():
        return EXACT
    wrong = np.flatnonzero(differ(ours, theirs, bound()))
    return int(wrong[0]) if len(wrong) else WITHIN


def spread(values):
    """Standard deviation of the finite values, without overflow."""
    values = np.asarray(values, np.longdouble)
    values = values[np.isfinite(values)]
    return values.std() if len(values) else np.longdouble(0.0)


def relative_bound(ours, theirs, relative):
    """`relative` of each value, and of the spread of the results: values near zero among others are no smaller."""
    ours, theirs = np.abs(np.asarray(ours, np.longdouble)), np.abs(np.asarray(theirs, np.longdouble))
    largest = np.where(np.isfinite(ours) & np.isfinite(theirs), np.maximum(ours, theirs), 0.0)
    return as_doubles(relative * (largest + spread(theirs)))


def cancellation(inputs, theirs):
    """What a difference of input values may be off by, on the scale of the results."""
    inputs = np.asarray(inputs, np.longdouble)
    inputs = inputs[np.isfinite(inputs)]
    if not len(inputs):
        return 0.0
    reach, result = np.ptp(inputs), np.asarray(theirs, np.longdouble)
    result = result[np.isfinite(result)]
    stretched = np.ptp(result) / reach if reach > 0 and len(result) else np.longdouble(1.0)
    return float(as_doubles(64 * EPS * np.abs(inputs).max() * stretched))


def as_doubles(values):
    return np.minimum(values, np.finfo(float).max).astype(float)
