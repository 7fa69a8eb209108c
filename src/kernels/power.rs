//! Yeo-Johnson and Box-Cox: the transforms, and their lambda of maximum likelihood.
//!
//! Sources: I.-K. Yeo and R. A. Johnson, Biometrika 87 (2000); G. E. P. Box and D. R. Cox, J. R. Stat. Soc. B
//! 26 (1964). Bounds, tolerances and refusals are those of SciPy's `yeojohnson` and `boxcox`.

use multiversion::multiversion;

use super::expm1::expm1;
use super::minimize;
use super::moments::{moments, sum};

/// `sign(x) log1p|x|` of every value: all that Yeo-Johnson needs of it.
pub fn signed_logs(values: &[f64]) -> Vec<f64> {
    values.iter().map(|x| x.abs().ln_1p().copysign(*x)).collect()
}

#[multiversion(targets("x86_64+avx2", "x86_64+sse4.2"))]
fn yeo_johnson_generic(logs: &[f64], lambda: f64, to: &mut [f64]) {
    let (positive, negative) = (lambda, lambda - 2.0);
    let (positive_scale, negative_scale) = (1.0 / positive, 1.0 / negative);
    for (to, log) in to.iter_mut().zip(logs) {
        let up = *log >= 0.0;
        let factor = if up { positive } else { negative };
        let scale = if up { positive_scale } else { negative_scale };
        *to = scale * expm1(factor * *log);
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
pub fn yeo_johnson_lambda(logs: &[f64]) -> f64 {
    if logs.iter().all(|log| *log == 0.0) {
        return 1.0;
    }
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

#[multiversion(targets("x86_64+avx2", "x86_64+sse4.2"))]
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

    #[test]
    fn yeo_johnson_is_the_identity_at_one() {
        let values = [-3.0, -0.5, 0.0, 2.0, 1e6];
        let mut out = [0.0; 5];
        yeo_johnson(&signed_logs(&values), 1.0, &mut out);
        for (out, x) in out.iter().zip(values) {
            assert!((out - x).abs() <= 1e-14 * x.abs(), "{out} {x}");
        }
    }

    #[test]
    fn logarithms_stand_at_zero_and_two() {
        let logs = signed_logs(&[1.0, -1.0]);
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
