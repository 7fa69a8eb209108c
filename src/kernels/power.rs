//! Yeo-Johnson and Box-Cox: the transforms, and their lambda of maximum likelihood.
//!
//! Sources: I.-K. Yeo and R. A. Johnson, Biometrika 87 (2000); G. E. P. Box and D. R. Cox, J. R. Stat. Soc. B
//! 26 (1964). Bounds, tolerances and refusals are those of SciPy's `yeojohnson` and `boxcox`.

use multiversion::multiversion;

use super::expm1::expm1;
use super::log1p::log1p;
use super::minimize;
use super::moments::{LANES, moments, sum};

/// `sign(x) log1p|x|` of every value: all that Yeo-Johnson needs of it.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
pub fn signed_logs(values: &[f64], to: &mut Vec<f64>) {
    to.clear();
    to.extend(values.iter().map(|x| log1p(x.abs()).copysign(*x)));
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn yeo_johnson_generic(logs: &[f64], lambda: f64, to: &mut [f64]) {
    for (to, log) in to.iter_mut().zip(logs) {
        let factor = if *log >= 0.0 { lambda } else { lambda - 2.0 };
        // Divided, not multiplied by the reciprocal: a strong lambda leaves neighbours one ulp apart.
        *to = expm1(factor * *log) / factor;
    }
}

/// The Yeo-Johnson transform of values given by their [`signed_logs`]; NaN stays NaN.
pub fn yeo_johnson(logs: &[f64], lambda: f64, to: &mut [f64]) {
    let straight_up = lambda.abs() < f64::EPSILON;
    let straight_down = (lambda - 2.0).abs() <= f64::EPSILON;
    if !straight_up && !straight_down {
        return yeo_johnson_generic(logs, lambda, to);
    }
    for (to, log) in to.iter_mut().zip(logs) {
        let straight = if *log >= 0.0 { straight_up } else { straight_down };
        let factor = if *log >= 0.0 { lambda } else { lambda - 2.0 };
        *to = if straight { *log } else { expm1(factor * *log) / factor };
    }
}

/// The lambda of maximum likelihood for values (all present) given by their [`signed_logs`].
///
/// The log-likelihood is strictly concave (T. Marchand et al., SecureFedYJ, NeurIPS 2022), so Newton's method
/// finds what SciPy's search finds, in a fraction of the evaluations. Where rounding hides the slope, it is
/// SciPy's search.
pub fn yeo_johnson_lambda(logs: &[f64]) -> f64 {
    let Some(likelihood) = Likelihood::new(logs) else { return 1.0 };
    likelihood.lambda().unwrap_or_else(|| yeo_johnson_lambda_by_search(logs))
}

/// As SciPy's `yeojohnson_normmax` searches.
fn yeo_johnson_lambda_by_search(logs: &[f64]) -> f64 {
    let n = logs.len() as f64;
    let logs_sum = sum(logs);
    let mut transformed = vec![0.0; logs.len()];
    let cost = |lambda: f64| {
        yeo_johnson(logs, lambda, &mut transformed);
        let variance = moments(&transformed).variance;
        // A variance that is not a normal number is rounding, not information.
        if variance < f64::MIN_POSITIVE {
            return f64::INFINITY;
        }
        let cost = n / 2.0 * variance.ln() - (lambda - 1.0) * logs_sum;
        if cost.is_infinite() { f64::INFINITY } else { cost }
    };
    let (low, high) = yeo_johnson_bounds(logs);
    minimize::bounded(cost, low, high, 1.48e-8)
}

/// The log-likelihood of lambda for a column given by its logs.
struct Likelihood<'a> {
    logs: &'a [f64],
    mean_log: f64,
    /// The largest |log|: lambda's natural unit is its inverse.
    reach: f64,
}

impl Likelihood<'_> {
    /// Above so many values, the search starts from the lambda of a sample.
    const SAMPLE: usize = 512;
    /// The last step, in lambda's natural unit: what is left after it is its square.
    const PRECISION: f64 = 1e-5;
    const SAMPLE_PRECISION: f64 = 1e-2;
    /// Nearer to 0 or 2, in the natural unit, the derivatives cancel.
    const CLEARANCE: f64 = 1e-6;

    /// `None` if all values are zero.
    fn new(logs: &[f64]) -> Option<Likelihood<'_>> {
        let reach = logs.iter().fold(0.0_f64, |most, log| most.max(log.abs()));
        (reach > 0.0).then(|| Likelihood { logs, mean_log: sum(logs) / logs.len() as f64, reach })
    }

    fn lambda(&self) -> Option<f64> {
        let bounds = yeo_johnson_bounds(self.logs);
        let mut start = 1.0;
        if self.logs.len() > 2 * Self::SAMPLE {
            let step = self.logs.len() / Self::SAMPLE;
            let sample: Vec<f64> = self.logs.iter().copied().step_by(step).collect();
            let known = Likelihood::new(&sample).and_then(|sample| sample.climb(start, bounds, Self::SAMPLE_PRECISION));
            start = known.unwrap_or(start);
        }
        self.climb(start, bounds, Self::PRECISION)
    }

    fn climb(&self, start: f64, bounds: (f64, f64), precision: f64) -> Option<f64> {
        let clearance = Self::CLEARANCE / self.reach;
        let slope = |lambda: f64| self.slope(clear_of(0.0, clear_of(2.0, lambda, clearance), clearance));
        minimize::root_of_falling(slope, start.clamp(bounds.0, bounds.1), bounds, precision / self.reach)
    }

    /// Where it was taken, and there first and second derivative of the log-likelihood a row; `None` where the
    /// values are equal to within rounding, or beyond the range.
    fn slope(&self, lambda: f64) -> Option<minimize::Slope> {
        let n = self.logs.len() as f64;
        let pivot = derivatives(self.mean_log, lambda);
        let [y, yy, d, yd, dd, h, yh] = derivative_sums(self.logs, lambda, pivot).map(|sum| sum / n);
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
}

/// `lambda`, or the nearest value that is not too near to `point`.
fn clear_of(point: f64, lambda: f64, clearance: f64) -> f64 {
    if (lambda - point).abs() < clearance { point + clearance } else { lambda }
}

/// The transform of one value given by its log, and its first and second derivative by lambda.
///
/// With e = expm1(f log): y = e / f, y' = ((e + 1) log - y) / f, y'' = ((e + 1) log^2 - 2 y') / f.
#[inline(always)]
fn derivatives(log: f64, lambda: f64) -> [f64; 3] {
    let factor = if log >= 0.0 { lambda } else { lambda - 2.0 };
    let scale = if log >= 0.0 { 1.0 / lambda } else { 1.0 / (lambda - 2.0) };
    let e = expm1(factor * log);
    let slope = (e + 1.0) * log;
    let y = scale * e;
    let first = scale * (slope - y);
    [y, first, scale * (slope * log - 2.0 * first)]
}

/// Sums over all values of y, y^2, y', y y', y'^2, y'', y y'', each y, y' and y'' less its pivot: so squares
/// do not cancel.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn derivative_sums(logs: &[f64], lambda: f64, pivot: [f64; 3]) -> [f64; 7] {
    let mut lanes = [[0.0; LANES]; 7];
    let mut add = |lane: usize, log: f64| {
        let at = derivatives(log, lambda);
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
fn yeo_johnson_bounds(logs: &[f64]) -> (f64, f64) {
    let largest = logs.iter().fold(0.0_f64, |most, log| most.max(log.abs())).exp_m1();
    let log_max = (20.0 * largest).ln_1p();
    let low = (f64::MIN_POSITIVE.ln() - f64::EPSILON.ln()) / 2.0 / log_max;
    let high = (f64::MAX.ln() + f64::EPSILON.ln()) / 2.0 / log_max;
    if logs.iter().all(|log| *log < 0.0) {
        (2.0 - high, 2.0 - low)
    } else if logs.iter().any(|log| *log < 0.0) {
        ((2.0 - high).max(low), (2.0 - low).min(high))
    } else {
        (low, high)
    }
}

/// The Box-Cox transform of `x` > 0, with the care of `scipy.special.boxcox`.
pub fn box_cox(x: f64, lambda: f64) -> f64 {
    let log = x.ln();
    if lambda.abs() < 1e-19 {
        log
    } else if lambda * log < 709.78 {
        (lambda * log).exp_m1() / lambda
    } else {
        lambda.signum() * (lambda * log - lambda.abs().ln()).exp() - 1.0 / lambda
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn expm1_from(logs: &[f64], origin: f64, factor: f64, to: &mut [f64]) {
    for (to, log) in to.iter_mut().zip(logs) {
        *to = expm1(factor * (*log - origin));
    }
}

/// The lambda of maximum likelihood for `values` (all present, finite and positive).
///
/// # Errors
/// Where SciPy raises: constant values, or no optimum that can be bracketed.
pub fn box_cox_lambda(values: &[f64]) -> Result<f64, &'static str> {
    if values.iter().all(|x| *x == values[0]) {
        return Err("Data must not be constant.");
    }
    let logs: Vec<f64> = values.iter().map(|x| x.ln()).collect();
    let (least, most) = logs.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(*x), b.max(*x)));
    let n = logs.len() as f64;
    let logs_sum = sum(&logs);
    let mut powers = vec![0.0; logs.len()];
    let cost = |lambda: f64| {
        let log_variance = if lambda == 0.0 {
            moments(&logs).variance.ln()
        } else {
            // Powers relative to the largest one: nothing overflows, and the variance keeps its digits.
            let origin = if lambda > 0.0 { most } else { least };
            expm1_from(&logs, origin, lambda, &mut powers);
            2.0 * lambda * origin + moments(&powers).variance.ln() - 2.0 * lambda.abs().ln()
        };
        n / 2.0 * log_variance - (lambda - 1.0) * logs_sum
    };
    let lambda = minimize::brent(cost)?;
    Ok(within_range(lambda, least.exp(), most.exp()))
}

/// Pulls lambda to where the most extreme value no longer overflows.
fn within_range(lambda: f64, least: f64, most: f64) -> f64 {
    const LARGEST: f64 = f64::MAX / 10_000.0;
    let extreme = if least >= 1.0 {
        most
    } else if most <= 1.0 || box_cox(most, lambda) <= box_cox(least, lambda).abs() {
        least
    } else {
        most
    };
    if box_cox(extreme, lambda).abs() <= LARGEST {
        return lambda;
    }
    let (mut safe, mut unsafe_) = (0.0, lambda);
    for _ in 0..200 {
        let middle = 0.5 * (safe + unsafe_);
        let fits = box_cox(extreme, middle).abs() <= LARGEST;
        *(if fits { &mut safe } else { &mut unsafe_ }) = middle;
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn logs_of(values: &[f64]) -> Vec<f64> {
        let mut logs = Vec::new();
        signed_logs(values, &mut logs);
        logs
    }

    proptest! {
        #[test]
        fn newton_finds_what_the_search_finds(
            values in proptest::collection::vec(-1.0..1.0f64, 3..200),
            exponent in -3.0..3.0f64,
            shift in -1.0..1.0f64,
        ) {
            let values: Vec<f64> = values.iter().map(|x| (x + shift) * 10f64.powf(exponent)).collect();
            let logs = logs_of(&values);
            let likelihood = Likelihood::new(&logs).unwrap();
            let (newton, search) = (likelihood.lambda().unwrap(), yeo_johnson_lambda_by_search(&logs));
            prop_assert!((newton - search).abs() * likelihood.reach < 1e-5 * (1.0 + search.abs()), "{newton} {search}");
        }
    }

    #[test]
    fn a_sample_leads_to_the_same_lambda() {
        let values: Vec<f64> = (1..5000).map(|i| super::super::normal::quantile(f64::from(i) / 5000.0).exp()).collect();
        let logs = logs_of(&values);
        let (newton, search) = (Likelihood::new(&logs).unwrap().lambda().unwrap(), yeo_johnson_lambda_by_search(&logs));
        assert!((newton - search).abs() < 1e-6, "{newton} {search}");
    }

    #[test]
    fn yeo_johnson_is_the_identity_at_one() {
        let values = [-3.0, -0.5, 0.0, 2.0, 1e6];
        let mut out = [0.0; 5];
        yeo_johnson(&logs_of(&values), 1.0, &mut out);
        for (out, x) in out.iter().zip(values) {
            assert!((out - x).abs() <= 1e-14 * x.abs(), "{out} {x}");
        }
    }

    #[test]
    fn logarithms_stand_at_zero_and_two() {
        let logs = logs_of(&[1.0, -1.0]);
        let mut out = [0.0; 2];
        yeo_johnson(&logs, 0.0, &mut out);
        assert!((out[0] - 2f64.ln()).abs() < 1e-15 && (out[1] + 1.5).abs() < 1e-14);
        yeo_johnson(&logs, 2.0, &mut out);
        assert!((out[1] + 2f64.ln()).abs() < 1e-15 && (out[0] - 1.5).abs() < 1e-14);
    }

    #[test]
    fn box_cox_of_a_constant_is_refused() {
        assert!(box_cox_lambda(&[2.0, 2.0]).is_err());
    }

    #[test]
    fn box_cox_of_a_lognormal_sample_is_near_zero() {
        let values: Vec<f64> = (1..200).map(|i| super::super::normal::quantile(f64::from(i) / 200.0).exp()).collect();
        assert!(box_cox_lambda(&values).unwrap().abs() < 1e-3);
    }
}
