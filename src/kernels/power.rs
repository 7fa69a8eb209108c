//! Yeo-Johnson and Box-Cox: the transforms, and Box-Cox's lambda of maximum likelihood.
//!
//! Sources: I.-K. Yeo and R. A. Johnson, Biometrika 87 (2000); G. E. P. Box and D. R. Cox, J. R. Stat. Soc. B
//! 26 (1964). Tolerances and refusals are those of SciPy's `boxcox`.

use multiversion::multiversion;

use super::expm1::expm1;
use super::log1p::log1p;
use super::minimize;
use super::moments::{moments, sum};
use crate::pool::Scratch;

/// `sign(x) log1p|x|` of every value: all that Yeo-Johnson needs of it.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
pub fn signed_logs(values: &[f64], to: &mut Vec<f64>) {
    // An iterator's own loop would not have the vector instructions of this function.
    to.resize(values.len(), 0.0);
    to.iter_mut().zip(values).for_each(|(to, x)| *to = log1p(x.abs()).copysign(*x));
}

/// The Yeo-Johnson transform of values given by their [`signed_logs`]; NaN stays NaN.
pub fn yeo_johnson(logs: &[f64], lambda: f64, to: &mut [f64]) {
    transform(logs, [lambda, lambda - 2.0], to);
}

/// `expm1(factor * log) / factor`, with one factor for logs from 0 upwards and one for those below.
pub(super) fn transform(logs: &[f64], factors: [f64; 2], to: &mut [f64]) {
    let straight = factors.map(|factor| factor.abs() <= f64::EPSILON);
    if straight == [false, false] {
        return transform_curved(logs, factors, to);
    }
    for (to, log) in to.iter_mut().zip(logs) {
        let side = usize::from(*log < 0.0);
        *to = if straight[side] { *log } else { expm1(factors[side] * *log) / factors[side] };
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn transform_curved(logs: &[f64], factors: [f64; 2], to: &mut [f64]) {
    for (to, log) in to.iter_mut().zip(logs) {
        let factor = if *log >= 0.0 { factors[0] } else { factors[1] };
        // Divided, not multiplied by the reciprocal: a strong lambda leaves neighbours one ulp apart.
        *to = expm1(factor * *log) / factor;
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
    let logs: Scratch<f64> = values.iter().map(|x| x.ln()).collect();
    let (least, most) = logs.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(*x), b.max(*x)));
    let n = logs.len() as f64;
    let logs_sum = sum(&logs);
    let mut powers: Scratch<f64> = logs.iter().copied().collect();
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

    fn logs_of(values: &[f64]) -> Vec<f64> {
        let mut logs = Vec::new();
        signed_logs(values, &mut logs);
        logs
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
