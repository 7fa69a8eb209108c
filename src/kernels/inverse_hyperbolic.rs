//! The inverse hyperbolic functions, to a few units of the last place: near 0 and 1, and where squares would overflow.

use std::f64::consts::LN_2;

/// From here on, `x * x + 1` is `x * x`.
const LARGE: f64 = (1_u64 << 28) as f64;

/// The inverse of `sinh`.
pub fn arcsinh(x: f64) -> f64 {
    let size = x.abs();
    let result = if size > LARGE {
        size.ln() + LN_2
    } else {
        let square = size * size;
        (size + square / (1.0 + (square + 1.0).sqrt())).ln_1p()
    };
    result.copysign(x)
}

/// The inverse of `cosh`; NaN below 1.
pub fn arccosh(x: f64) -> f64 {
    if x > LARGE {
        return x.ln() + LN_2;
    }
    if x < 1.0 {
        return f64::NAN;
    }
    let above = x - 1.0;
    (above + (2.0 * above + above * above).sqrt()).ln_1p()
}

/// The inverse of `tanh`; infinite at 1, NaN beyond.
pub fn arctanh(x: f64) -> f64 {
    let size = x.abs();
    (0.5 * (2.0 * size / (1.0 - size)).ln_1p()).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(ours: f64, theirs: f64) {
        assert!((ours - theirs).abs() <= 4.0 * f64::EPSILON * theirs.abs(), "{ours} {theirs}");
    }

    /// What mpmath says with 50 digits.
    #[test]
    fn near_the_edges_as_in_the_middle() {
        near(arcsinh(1e-10), 1e-10);
        near(arcsinh(-2.0), -1.4436354751788103);
        near(arcsinh(1e300), 691.4686750787736);
        near(arccosh(2.0), 1.3169578969248167);
        near(arccosh(1e300), 691.4686750787736);
        near(arctanh(0.5), 0.5493061443340549);
        near(arctanh(-1e-300), -1e-300);
        assert_eq!((arccosh(1.0), arctanh(1.0), arcsinh(f64::INFINITY)), (0.0, f64::INFINITY, f64::INFINITY));
        assert_eq!(arccosh(f64::INFINITY), f64::INFINITY);
        assert!(arccosh(0.5).is_nan() && arccosh(-1e300).is_nan() && arccosh(f64::NEG_INFINITY).is_nan());
        assert!(arctanh(1.5).is_nan());
        assert!(arcsinh(-0.0).is_sign_negative() && arctanh(-0.0).is_sign_negative());
        for above in [1e-15_f64, 1e-9, 1e-4] {
            let x = 1.0 + above;
            // The inverse: cosh(y) - 1 = 2 sinh(y / 2)^2.
            near(2.0 * (arccosh(x) / 2.0).sinh().powi(2), x - 1.0);
        }
    }
}
