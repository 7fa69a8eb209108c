//! Yeo-Johnson's lambda of maximum likelihood.
//!
//! The log-likelihood is strictly concave (T. Marchand et al., SecureFedYJ, NeurIPS 2022), so Newton's method
//! finds what SciPy's search finds, in a fraction of the evaluations. Bounds and refusals are SciPy's.

use multiversion::multiversion;

use super::expm1::expm1;
use super::minimize;
use super::moments::{LANES, extent, moments, sum};
use super::power::transform;
use crate::data::Scratch;

/// On which sides of zero the values stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sides {
    Up,
    Down,
    Both,
}

/// The log-likelihood of lambda for a column given by its [`signed_logs`](super::power::signed_logs).
///
/// Far from zero, values scaled by a constant have the same lambda: there the logs are taken from their mean, so
/// that a column such as a barometer's keeps its digits.
pub struct Likelihood {
    logs: Scratch<f64>,
    /// Of the logs as they stand in `logs`.
    mean_log: f64,
    centre: f64,
    sides: Sides,
    bounds: (f64, f64),
    /// The largest |log|: lambda's natural unit is its inverse.
    reach: f64,
}

impl Likelihood {
    /// Above so many values, the search starts from the lambda of a sample.
    const SAMPLE: usize = 512;
    /// The last step, in lambda's natural unit: what is left after it is its square.
    const PRECISION: f64 = 1e-5;
    const SAMPLE_PRECISION: f64 = 1e-2;
    /// Nearer to 0 or 2, in the natural unit, the derivatives cancel.
    const CLEARANCE: f64 = 1e-6;

    /// Takes in logs, all present, at least one.
    ///
    /// # Errors
    /// Where SciPy raises: values so large or so small that lambda has no bounds.
    pub fn new(mut logs: Scratch<f64>) -> Result<Likelihood, &'static str> {
        let (least, most) = extent(&logs);
        let sides = match (least < 0.0, most < 0.0) {
            (false, _) => Sides::Up,
            (true, true) => Sides::Down,
            (true, false) => Sides::Both,
        };
        let far = least > 0.5 * most || most < 0.5 * least;
        let bounds = bounds(most.abs().max(least.abs()), sides);
        if !(bounds.0.is_finite() && bounds.1.is_finite()) && least < most {
            return Err("Optimization bounds must be finite scalars.");
        }
        if bounds.0 > bounds.1 {
            return Err("The lower bound exceeds the upper bound.");
        }
        let centre = if far { sum(&logs) / logs.len() as f64 } else { 0.0 };
        if far {
            logs.iter_mut().for_each(|log| *log -= centre);
        }
        Ok(Likelihood::centred(logs, centre, sides, bounds))
    }

    fn centred(logs: Scratch<f64>, centre: f64, sides: Sides, bounds: (f64, f64)) -> Likelihood {
        let (least, most) = extent(&logs);
        let reach = most.max(-least).abs();
        let mean_log = sum(&logs) / logs.len() as f64;
        Likelihood { logs, mean_log, centre, sides, bounds, reach }
    }

    /// The lambda of maximum likelihood: 1 where all values are zero, the upper bound where they are otherwise
    /// equal, as SciPy's search ends.
    pub fn lambda(&self) -> f64 {
        if self.reach == 0.0 && self.centre == 0.0 {
            return 1.0;
        }
        self.by_newton().unwrap_or_else(|| self.by_search())
    }

    /// Whether the values stand so far from zero that a strong lambda rounds them away.
    pub fn is_far(&self) -> bool {
        self.centre != 0.0
    }

    /// What standardises to the same as Yeo-Johnson's transform, without the rounding of a strong lambda far from
    /// zero. NaN stays NaN.
    pub fn transform_from_centre(&self, logs: &[f64], lambda: f64, to: &mut [f64]) {
        let centred: Scratch<f64> = logs.iter().map(|log| log - self.centre).collect();
        transform(&centred, self.factors(lambda), to);
    }

    /// What a log is multiplied by, from 0 upwards and below; taken from a centre, all stand on one side.
    fn factors(&self, lambda: f64) -> [f64; 2] {
        match self.sides {
            Sides::Up => [lambda; 2],
            Sides::Down => [lambda - 2.0; 2],
            Sides::Both => [lambda, lambda - 2.0],
        }
    }

    fn by_newton(&self) -> Option<f64> {
        if self.reach == 0.0 {
            return None;
        }
        let mut start = 1.0;
        if self.logs.len() > 2 * Self::SAMPLE {
            let step = self.logs.len() / Self::SAMPLE;
            let sample = self.logs.iter().copied().step_by(step).collect();
            let sample = Likelihood::centred(sample, self.centre, self.sides, self.bounds);
            start = sample.climb(start, Self::SAMPLE_PRECISION).unwrap_or(start);
        }
        self.climb(start, Self::PRECISION)
    }

    fn climb(&self, start: f64, precision: f64) -> Option<f64> {
        let clearance = Self::CLEARANCE / self.reach;
        let slope = |lambda: f64| self.slope(clear_of(0.0, clear_of(2.0, lambda, clearance), clearance));
        let start = start.clamp(self.bounds.0, self.bounds.1);
        minimize::root_of_falling(slope, start, self.bounds, precision / self.reach)
    }

    /// Where it was taken, and there first and second derivative of the log-likelihood a row; `None` where the
    /// values are equal to within rounding, or beyond the range.
    fn slope(&self, lambda: f64) -> Option<minimize::Slope> {
        let n = self.logs.len() as f64;
        let factors = self.factors(lambda);
        let pivot = derivatives(self.mean_log, factors, factors.map(f64::recip));
        let [y, yy, d, yd, dd, h, yh] = derivative_sums(&self.logs, factors, pivot).map(|sum| sum / n);
        let variance = yy - y * y;
        let (cov_d, var_d, cov_h) = (yd - y * d, dd - d * d, yh - y * h);
        let first = self.mean_log - cov_d / variance;
        let second = 2.0 * (cov_d / variance).powi(2) - (var_d + cov_h) / variance;
        let above_rounding = variance > 1e-18 * (pivot[0] + y).powi(2);
        (above_rounding && first.is_finite() && second.is_finite()).then_some(minimize::Slope {
            at: lambda,
            first,
            second,
        })
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

/// `lambda`, or the nearest value that is not too near to `point`.
fn clear_of(point: f64, lambda: f64, clearance: f64) -> f64 {
    if (lambda - point).abs() < clearance { point + clearance } else { lambda }
}

/// The transform of one value given by its log, and its first and second derivative by lambda.
///
/// With e = expm1(f log): y = e / f, y' = ((e + 1) log - y) / f, y'' = ((e + 1) log^2 - 2 y') / f.
#[inline(always)]
fn derivatives(log: f64, factors: [f64; 2], scales: [f64; 2]) -> [f64; 3] {
    let factor = if log >= 0.0 { factors[0] } else { factors[1] };
    let scale = if log >= 0.0 { scales[0] } else { scales[1] };
    let e = expm1(factor * log);
    let slope = (e + 1.0) * log;
    let y = scale * e;
    let first = scale * (slope - y);
    [y, first, scale * (slope * log - 2.0 * first)]
}

/// Sums over all values of y, y^2, y', y y', y'^2, y'', y y'', each y, y' and y'' less its pivot: so squares
/// do not cancel.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn derivative_sums(logs: &[f64], factors: [f64; 2], pivot: [f64; 3]) -> [f64; 7] {
    let scales = factors.map(f64::recip);
    let mut lanes = [[0.0; LANES]; 7];
    let mut add = |lane: usize, log: f64| {
        let at = derivatives(log, factors, scales);
        let [y, d, h] = [at[0] - pivot[0], at[1] - pivot[1], at[2] - pivot[2]];
        for (sum, term) in lanes.iter_mut().zip([y, y * y, d, y * d, d * d, h, y * h]) {
            sum[lane] += term;
        }
    };
    let chunks = logs.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, log) in chunk.iter().enumerate() {
            add(lane, *log);
        }
    }
    for (lane, log) in rest.iter().enumerate() {
        add(lane, *log);
    }
    lanes.map(|sums| sums.iter().sum())
}

/// The lambdas for which 20 times the largest value is transformed within half the exponent range.
fn bounds(largest_log: f64, sides: Sides) -> (f64, f64) {
    let log_max = (20.0 * largest_log.exp_m1()).ln_1p();
    let low = (f64::MIN_POSITIVE.ln() - f64::EPSILON.ln()) / 2.0 / log_max;
    let high = (f64::MAX.ln() + f64::EPSILON.ln()) / 2.0 / log_max;
    match sides {
        Sides::Up => (low, high),
        Sides::Down => (2.0 - high, 2.0 - low),
        Sides::Both => ((2.0 - high).max(low), (2.0 - low).min(high)),
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
        Likelihood::new(logs)
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
