//! Box-Cox's lambda of maximum likelihood.
//!
//! Refuses what SciPy's search refuses. The lambda that the search finds is where Newton's method starts: where the
//! likelihood is flat, rounding decides where the search ends.

use multiversion::multiversion;

use super::expm1::expm1;
use super::likelihood::Likelihood;
use super::log1p::log1p;
use super::minimize;
use super::moments::{moments, sum};
use super::power::{box_cox, transform};
use crate::pool::Scratch;

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
    let found = minimize::brent(cost)?;
    let lambda = Likelihood::of_ratios(ratio_logs(values), found).top_near(found).unwrap_or(found);
    Ok(within_range(lambda, least.exp(), most.exp()))
}

/// The logs of the ratios of values to the first one: the logs of close values differ in their last digits only.
fn ratio_logs(values: &[f64]) -> Scratch<f64> {
    let first = values.iter().copied().find(|x| !x.is_nan()).unwrap_or(f64::NAN);
    let log = |x: f64| {
        let is_close = 0.5 * first <= x && x <= 2.0 * first;
        // Such a difference is exact.
        if is_close { log1p((x - first) / first) } else { x.ln() - first.ln() }
    };
    values.iter().map(|x| log(*x)).collect()
}

/// Replaces values by what standardises to the same as their transform, without its rounding: a strong lambda leaves
/// nothing of values but `-1 / lambda`, or takes them beyond the range. NaN stays NaN.
pub fn transform_from_centre(values: &mut [f64], lambda: f64) {
    let mut logs = ratio_logs(values);
    let centre = moments(&logs).mean;
    logs.iter_mut().for_each(|log| *log -= centre);
    transform(&logs, [lambda; 2], values);
}

/// Moves lambda to where the most extreme value no longer overflows.
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
    fn box_cox_of_a_constant_is_refused() {
        assert!(box_cox_lambda(&[2.0, 2.0]).is_err());
    }

    #[test]
    fn box_cox_of_a_lognormal_sample_is_near_zero() {
        let values: Vec<f64> = (1..200).map(|i| super::super::normal::quantile(f64::from(i) / 200.0).exp()).collect();
        assert!(box_cox_lambda(&values).unwrap().abs() < 1e-3);
    }

    #[test]
    fn values_that_a_strong_lambda_rounds_away_keep_their_digits() {
        let mut values = [29.6, f64::NAN, 30.8, 30.1];
        transform_from_centre(&mut values, -9.513_031_660_407_446);
        let moments = moments(&values);
        let standardised = values.map(|y| (y - moments.mean) / moments.variance.sqrt());
        // mpmath, 50 digits.
        for (ours, exact) in
            [0, 2, 3].map(|at| standardised[at]).iter().zip([-1.197_729_328_88, 1.250_081_480_14, -0.052_352_151_26])
        {
            assert!((ours - exact).abs() < 1e-10, "{ours}, not {exact}");
        }
        assert!(standardised[1].is_nan());
    }

    #[test]
    fn lambda_is_that_of_fifty_digits() {
        // mpmath: where the slope of the log-likelihood is zero.
        let far = [
            1000000.4121623882,
            999999.9209172117,
            1000000.7804791458,
            1000000.0583442352,
            999999.3114715676,
            999999.6169644424,
            999999.4676440848,
            999999.9589093515,
            1000000.987023015,
            1000000.7227574507,
            999999.4568871622,
            1000000.2267658396,
            999999.1646139489,
            999999.8339337315,
            999999.4118565442,
            1000001.8663870088,
            999999.818933653,
        ];
        let cases: [(&[f64], f64); 6] = [
            (&far, -642_683.003_878_724_1),
            (&[23.9, 24.5, 25.6], -9.823_353_515_301_162),
            (&[59.0, 59.2, 58.2], 88.289_831_599_648_33),
            (&[7.6, 7.8, 8.5], -11.884_255_328_254_867),
            (&[54.2, 53.0, 54.2], 95.990_276_032_133_97),
            (&[34.7, 34.7, 34.2], 148.072_168_247_387_58),
        ];
        for (values, lambda) in cases {
            let ours = box_cox_lambda(values).unwrap();
            assert!((ours / lambda - 1.0).abs() < 1e-10, "{ours}, not {lambda}");
        }
    }
}
