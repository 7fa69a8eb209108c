"""Power transforms in 50 digits and more: whether a result that differs from scikit-learn's is at least as likely."""

import mpmath
import numpy as np
from mpmath import mp
from sklearn.preprocessing import PowerTransformer

DIGITS = 50
# Of a result, beside the values of the lambda that it shows.
AGREES = 1e-6
# Below this, likelihoods are equal: what lambda is found by stands in doubles.
SAME = 1e-9
# How near the search comes to its bound, by its tolerance.
AT_BOUND = 1e-7
# Of values on both sides of zero.
MOST_DIGITS = 20_000
# Below, doubles lose digits.
TINY = np.finfo(float).tiny


class Column:
    """The values of a column that are present, and the likelihood of lambda for them."""

    def __init__(self, values, method):
        self.box_cox = method == "box-cox"
        with mp.workdps(DIGITS):
            self.logs = [mp.log(x) if self.box_cox else mp.sign(x) * mp.log1p(abs(x)) for x in map(mp.mpf, values)]
            self.sum = mp.fsum(self.logs)

    def digits(self, power):
        """Enough that 50 are left of what a strong lambda leaves of differences; where more than MOST_DIGITS were needed,
        no result is as likely."""
        furthest = max(map(abs, self.logs)) * (abs(power) + 2)
        return DIGITS + int(min(furthest, MOST_DIGITS))

    def one(self, log, power):
        """The transform of one value, by its log."""
        if log >= 0 or self.box_cox:
            return log if power == 0 else mp.expm1(power * log) / power
        other = power - 2
        return log if other == 0 else mp.expm1(other * log) / other

    def working_digits(self, power):
        """Those that sums of what `spread` gives need."""
        one_side = self.box_cox or not min(self.logs) < 0 < max(self.logs)
        return DIGITS if one_side else self.digits(power)

    def spread(self, power, logs):
        """Transformed values, moved and scaled: the differences of values on one side of zero, divided by what the log
        that is returned with them stands for. A strong lambda takes no digits from them."""
        if not self.box_cox and min(self.logs) < 0 < max(self.logs):
            with mp.workdps(self.digits(power)):
                return [self.one(log, power) for log in logs], mp.mpf(0)
        strength = power if self.box_cox or max(self.logs) > 0 else power - 2
        if strength == 0:
            return list(logs), mp.mpf(0)
        most = max(logs, key=lambda log: strength * log)
        return [mp.expm1(strength * (log - most)) / strength for log in logs], strength * most

    def all(self, power):
        return [self.one(log, power) for log in self.logs]

    def likelihood(self, power):
        """Infinite where all values are equal, whatever lambda is."""
        if min(self.logs) == max(self.logs):
            return mp.inf
        y, scale = self.spread(power, self.logs)
        with mp.workdps(self.working_digits(power)):
            mean = mp.fsum(y) / len(y)
            variance = mp.fsum((value - mean) ** 2 for value in y) / len(y)
            return (power - 1) * self.sum - len(y) * (scale + mp.log(variance) / 2)

    def standardised(self, power):
        if min(self.logs) == max(self.logs):
            return [mp.mpf(0)] * len(self.logs)
        y, _ = self.spread(power, self.logs)
        with mp.workdps(self.working_digits(power)):
            mean = mp.fsum(y) / len(y)
            deviation = mp.sqrt(mp.fsum((value - mean) ** 2 for value in y) / len(y))
            return [(value - mean) / deviation for value in y]

    def result(self, power, standardize):
        return self.standardised(power) if standardize else self.all(power)

    def shows(self, power, results, standardize):
        """Whether every one of the results is that of this lambda."""
        exact = self.result(power, standardize)
        floor = AGREES if standardize else TINY
        return all(abs(value - mp.mpf(float(own))) <= AGREES * abs(value) + floor for value, own in zip(exact, results))

    def lambda_of(self, results, standardize, near):
        """The lambda that the results show; None if they show none."""
        if not any(self.logs) or (standardize and min(self.logs) == max(self.logs)):
            return None
        order = sorted(range(len(self.logs)), key=self.logs.__getitem__)
        if standardize:
            least, most = order[0], order[-1]
            z = self.standardised(near)
            middle = min(order, key=lambda at: abs(2 * z[at] - z[least] - z[most]))
            places = (least, middle, most)
            least_z, middle_z, most_z = (mp.mpf(float(results[at])) for at in places)
            if not least_z < middle_z < most_z:
                return None
            shown = (middle_z - least_z) / (most_z - least_z)

            def beyond(power):
                y, _ = self.spread(power, [self.logs[at] for at in places])
                with mp.workdps(self.working_digits(power)):
                    return shown - (y[1] - y[0]) / (y[2] - y[0])
        else:
            at = max(order, key=lambda at: abs(self.logs[at]))
            shown = mp.mpf(float(results[at]))

            def beyond(power):
                return self.one(self.logs[at], power) - shown

        # Both grow with lambda: the bends of the transform, and each of its values.
        # Standardised values show lambda by how far the logs lie apart, others by their size.
        size = self.logs[order[-1]] - self.logs[order[0]] if standardize else max(map(abs, self.logs))
        step = 1 / size
        low, high = near - step, near + step
        while beyond(low) > 0 or beyond(high) < 0:
            step *= 2
            low, high = near - step, near + step
            if step * size > 3000:
                return None
        for _ in range(140):
            between = (low + high) / 2
            low, high = (between, high) if beyond(between) < 0 else (low, between)
        return (low + high) / 2


def as_likely(values, results, method, standardize):
    """Whether the results are, every one, the transform by a lambda that is no less likely than scikit-learn's."""
    values, results = np.asarray(values, float), np.asarray(results, float)
    present = np.isfinite(values)
    if not np.array_equal(np.isnan(values), np.isnan(results)):
        return False
    if not np.isfinite(results[present]).all() or not present.any():
        return False
    column = Column(values[present], method)
    theirs = PowerTransformer(method=method, standardize=False).fit(values.reshape(-1, 1)).lambdas_[0]
    if not np.isfinite(theirs):
        return False
    with mp.workdps(DIGITS):
        theirs = mpmath.mpf(float(theirs))
        if column.shows(theirs, results[present], standardize):
            return True
        ours = column.lambda_of(results[present], standardize, theirs)
        if ours is None or not column.shows(ours, results[present], standardize):
            return False
        bar = column.likelihood(theirs) - SAME
        if mpmath.isinf(bar):
            # Of equal values every lambda is as likely: SciPy's search ends where rounding leads it, ours at its bound.
            return method != "box-cox" and abs(ours / search_bound(values[present]) - 1) < AT_BOUND
        return column.likelihood(ours) >= bar


def search_bound(values):
    """Where SciPy's search for Yeo-Johnson's lambda ends at most."""
    limits, largest = np.finfo(float), np.log1p(20 * np.abs(values).max())
    low, high = np.log(limits.tiny / limits.eps) / 2 / largest, np.log(limits.max * limits.eps) / 2 / largest
    return 2 - low if (values < 0).all() else high
