//! Yeo-Johnson's lambda of maximum likelihood, and Box-Cox's near one that was found.
//!
//! The log-likelihood is strictly concave (T. Marchand et al., SecureFedYJ, NeurIPS 2022), so Newton's method
//! finds what SciPy's search finds, in a fraction of the evaluations. Bounds and refusals are SciPy's.

use super::minimize::{self, Derivatives, Place};
use super::moments::{extent, moments, sum};
use super::power::transform;
use super::power_sums::{Jet, PowerSums};
use crate::pool::Scratch;

/// On which sides of zero the values lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signs {
    Up,
    Down,
    Both,
}

/// The log-likelihood of lambda for a column given by its [`signed_logs`](super::power::signed_logs).
///
/// Far from zero, values scaled by a constant have the same lambda: there the logs are taken from their mean, so
/// that a column such as a barometer's keeps its digits.
pub struct Likelihood {
    /// Those that have the first factor, then those that have the second.
    logs: Scratch<f64>,
    with_first: usize,
    /// Of the logs as they stand in `logs`.
    mean_log: f64,
    centre: f64,
    sides: Signs,
    bounds: (f64, f64),
    /// The largest |log|: lambda's natural unit is its inverse.
    reach: f64,
}

impl Likelihood {
    /// Above so many values, the search starts from the lambda of a sample.
    const SAMPLE: usize = 512;
    /// How far from the lambda that they were taken at the sums lead to another one, in lambda's natural unit.
    const NEAR: f64 = 0.05;

    /// The likelihood for logs, at least one; those of missing values are ignored.
    ///
    /// # Errors
    /// Where SciPy raises: values so large or so small that lambda has no bounds.
    pub fn new(logs: &[f64]) -> Result<Likelihood, &'static str> {
        let (least, most) = extent(logs);
        let sides = match (least < 0.0, most < 0.0) {
            (false, _) => Signs::Up,
            (true, true) => Signs::Down,
            (true, false) => Signs::Both,
        };
        let far = least > 0.5 * most || most < 0.5 * least;
        let bounds = bounds(most.abs().max(least.abs()), sides);
        if !(bounds.0.is_finite() && bounds.1.is_finite()) && (least, most) != (0.0, 0.0) {
            return Err("Optimization bounds must be finite scalars.");
        }
        if bounds.0 > bounds.1 {
            return Err("The lower bound exceeds the upper bound.");
        }
        let (mut logs, mut with_first) = by_sign(logs);
        let mut centre = 0.0;
        if far {
            centre = sum(&logs) / logs.len() as f64;
            logs.iter_mut().for_each(|log| *log -= centre);
            with_first = logs.len();
        }
        let reach = (most - centre).max(centre - least).abs();
        let mean_log = sum(&logs) / logs.len() as f64;
        Ok(Likelihood { logs, with_first, mean_log, centre, sides, bounds, reach })
    }

    /// The likelihood of Box-Cox's lambda by the logs of values in any unit, which lambda does not depend on; bounded
    /// around `found`.
    pub(super) fn of_ratios(mut logs: Scratch<f64>, found: f64) -> Likelihood {
        const FURTHEST: f64 = 8.0;
        let n = logs.len() as f64;
        let centre = sum(&logs) / n;
        logs.iter_mut().for_each(|log| *log -= centre);
        let (least, most) = extent(&logs);
        let reach = most.max(-least);
        let bounds = (found - FURTHEST / reach, found + FURTHEST / reach);
        let (with_first, mean_log) = (logs.len(), sum(&logs) / n);
        Likelihood { logs, with_first, mean_log, centre, sides: Signs::Up, bounds, reach }
    }

    /// The lambda of maximum likelihood, if Newton's method finds it from `start`.
    pub(super) fn top_near(&self, start: f64) -> Option<f64> {
        // From so near, the second search needs a tiny step only, for which the series has no error.
        self.climb(start).and_then(|near| self.climb(near))
    }

    /// The likelihood for some of the values, in equal distances.
    fn sample(&self) -> Likelihood {
        let step = self.logs.len() / Self::SAMPLE;
        let (first, second) = self.logs.split_at(self.with_first);
        let some = first.iter().step_by(step).chain(second.iter().step_by(step));
        let logs: Scratch<f64> = some.copied().collect();
        let mean_log = sum(&logs) / logs.len() as f64;
        Likelihood { logs, with_first: first.len().div_ceil(step), mean_log, ..*self }
    }

    /// The lambda of maximum likelihood: 1 where all values are zero, the upper bound where they are otherwise
    /// equal, as SciPy's search ends.
    pub fn lambda(&self) -> f64 {
        if self.reach == 0.0 && self.centre == 0.0 {
            return 1.0;
        }
        self.by_newton().unwrap_or_else(|| self.by_search())
    }

    /// Whether the values lie so far from zero that a strong lambda rounds them away.
    pub fn is_far(&self) -> bool {
        self.centre != 0.0
    }

    /// What standardises to the same as Yeo-Johnson's transform, without the rounding of a strong lambda far from
    /// zero. NaN stays NaN.
    pub fn transform_from_centre(&self, logs: &[f64], lambda: f64, to: &mut [f64]) {
        let centred: Scratch<f64> = logs.iter().map(|log| log - self.centre).collect();
        transform(&centred, self.factors(lambda), to);
    }

    /// What a log is multiplied by, from 0 upwards and below; logs relative to a centre all count as one side.
    fn factors(&self, lambda: f64) -> [f64; 2] {
        match self.sides {
            Signs::Up => [lambda; 2],
            Signs::Down => [lambda - 2.0; 2],
            Signs::Both => [lambda, lambda - 2.0],
        }
    }

    fn by_newton(&self) -> Option<f64> {
        let start = if self.logs.len() > 2 * Self::SAMPLE { self.sample().climb(1.0) } else { None };
        self.climb(start.unwrap_or(1.0))
    }

    fn climb(&self, start: f64) -> Option<f64> {
        if self.reach < f64::MIN_POSITIVE {
            return None;
        }
        let start = start.clamp(self.bounds.0, self.bounds.1);
        let bounds = (self.bounds.0 * self.reach, self.bounds.1 * self.reach);
        let mut sums = PowerSums::default();
        let derivatives = |place| {
            let step = match place {
                Place::Point(lambda) => {
                    self.sum_up(lambda, &mut sums);
                    0.0
                }
                Place::Step(step) => step,
            };
            self.derivatives(sums.at(step))
        };
        let root = minimize::root_of_falling(derivatives, start * self.reach, bounds, Self::NEAR)?;
        Some(root / self.reach)
    }

    /// The sums of which the derivatives near `lambda` are, in lambda's natural unit.
    fn sum_up(&self, lambda: f64, sums: &mut PowerSums) {
        let (first, second) = self.logs.split_at(self.with_first);
        let factors = self.factors(lambda / self.reach).map(|factor| factor * self.reach);
        sums.take([first, second], self.reach.recip(), factors);
    }

    /// First and second derivative of the log-likelihood a row, all in lambda's natural unit; `None` where the values are
    /// equal to within rounding, or beyond the range.
    fn derivatives(&self, sums: [Jet; 2]) -> Option<Derivatives> {
        let n = self.logs.len() as f64;
        let mean_log = self.mean_log / self.reach;
        let [mean, square] = sums.map(|sums| sums.map(|sum| sum / n));
        let variance = square[0] - mean[0] * mean[0];
        let slope = square[1] - 2.0 * mean[0] * mean[1];
        let bend = square[2] - 2.0 * (mean[1] * mean[1] + mean[0] * mean[2]);
        let relative = 0.5 * slope / variance;
        let (first, second) = (mean_log - relative, 2.0 * relative * relative - 0.5 * bend / variance);
        let above_rounding = variance > 1e-9 * square[0];
        (above_rounding && first.is_finite() && second.is_finite()).then_some(Derivatives { first, second })
    }

    /// As SciPy's `yeojohnson_normmax` searches.
    fn by_search(&self) -> f64 {
        let n = self.logs.len() as f64;
        let mut transformed: Scratch<f64> = self.logs.iter().copied().collect();
        let cost = |lambda: f64| {
            transform(&self.logs, self.factors(lambda), &mut transformed);
            let variance = moments(&transformed).variance;
            // A variance that is not a normal number is rounding, not information.
            if variance < f64::MIN_POSITIVE {
                return f64::INFINITY;
            }
            let cost = n / 2.0 * variance.ln() - (lambda - 1.0) * self.mean_log * n;
            if cost.is_infinite() { f64::INFINITY } else { cost }
        };
        minimize::bounded(cost, self.bounds.0, self.bounds.1, 1.48e-8)
    }
}

/// The values from 0 upwards, then those below, and how many the first are; without what is missing.
fn by_sign(values: &[f64]) -> (Scratch<f64>, usize) {
    let mut apart = Scratch::default();
    apart.resize(values.len(), 0.0);
    let (mut up, mut down) = (0, values.len());
    for x in values {
        // Written to both ends, and kept at one: no branch to predict.
        (apart[up], apart[down - 1]) = (*x, *x);
        up += usize::from(*x >= 0.0);
        down -= usize::from(*x < 0.0);
    }
    apart.drain(up..down);
    (apart, up)
}

/// The lambdas for which 20 times the largest value is transformed within half the exponent range.
fn bounds(largest_log: f64, sides: Signs) -> (f64, f64) {
    let log_max = (20.0 * largest_log.exp_m1()).ln_1p();
    let low = (f64::MIN_POSITIVE.ln() - f64::EPSILON.ln()) / 2.0 / log_max;
    let high = (f64::MAX.ln() + f64::EPSILON.ln()) / 2.0 / log_max;
    match sides {
        Signs::Up => (low, high),
        Signs::Down => (2.0 - high, 2.0 - low),
        Signs::Both => ((2.0 - high).max(low), (2.0 - low).min(high)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{normal, power::signed_logs};
    use super::*;
    use proptest::prelude::*;

    fn likelihood(values: &[f64]) -> Result<Likelihood, &'static str> {
        let mut logs = Scratch::default();
        signed_logs(values, &mut logs);
        Likelihood::new(&logs)
    }

    proptest! {
        #[test]
        fn newton_finds_what_the_search_finds(
            values in proptest::collection::vec(-1.0..1.0f64, 3..200),
            exponent in -3.0..3.0f64,
            shift in -2.0..2.0f64,
        ) {
            let values: Vec<f64> = values.iter().map(|x| (x + shift) * 10f64.powf(exponent)).collect();
            let likelihood = likelihood(&values).unwrap();
            // Where rounding hides the slope, or at a bound, there is nothing to compare.
            let Some(newton) = likelihood.by_newton() else { return Ok(()) };
            let search = likelihood.by_search();
            prop_assert!((newton - search).abs() * likelihood.reach < 1e-5 * (1.0 + search.abs()), "{newton} {search}");
        }
    }

    #[test]
    fn a_sample_leads_to_the_same_lambda() {
        let values: Vec<f64> = (1..5000).map(|i| normal::quantile(f64::from(i) / 5000.0).exp()).collect();
        let likelihood = likelihood(&values).unwrap();
        let (newton, search) = (likelihood.by_newton().unwrap(), likelihood.by_search());
        assert!((newton - search).abs() < 1e-6, "{newton} {search}");
    }

    #[test]
    fn values_beyond_the_range_of_lambda_are_refused() {
        let refused = |values: &[f64]| likelihood(values).err();
        assert_eq!(refused(&[-1e300, 1e300]), Some("The lower bound exceeds the upper bound."));
        assert_eq!(refused(&[5e-324, 0.0]), Some("Optimization bounds must be finite scalars."));
        assert_eq!(refused(&[-1e-310]), Some("Optimization bounds must be finite scalars."));
        assert_eq!(refused(&[1e300, 1e308]), None);
        assert_eq!(likelihood(&[0.0, -0.0]).unwrap().lambda(), 1.0);
        let constant = likelihood(&[1.0, 1.0]).unwrap();
        assert!((constant.lambda() - constant.bounds.1).abs() < 1e-4);
    }

    #[test]
    fn a_column_far_from_zero_keeps_its_digits() {
        let values: Vec<f64> = (0..300).map(|i| 29.9 + 0.01 * normal::quantile((f64::from(i) + 0.5) / 300.0)).collect();
        let likelihood = likelihood(&values).unwrap();
        let mut logs = Vec::new();
        signed_logs(&values, &mut logs);
        let mut out = vec![0.0; 300];
        likelihood.transform_from_centre(&logs, -50.0, &mut out);
        assert!(out.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
