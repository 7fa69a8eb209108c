//! Yeo-Johnson and Box-Cox: the transforms.
//!
//! Sources: I.-K. Yeo and R. A. Johnson, Biometrika 87 (2000); G. E. P. Box and D. R. Cox, J. R. Stat. Soc. B
//! 26 (1964).

use multiversion::multiversion;

use super::expm1::expm1;
use super::log1p::log1p;

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

/// The Box-Cox transform of `x` > 0, with the branches of `scipy.special.boxcox`.
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
}
