//! Floored division of two numbers and its remainder, as Python and NumPy define them.

/// `a // b`: towards minus infinity; of zero, what `/` gives.
pub fn floor_divide(a: f64, b: f64) -> f64 {
    if b == 0.0 {
        return a / b;
    }
    let rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest != 0.0 && (b < 0.0) != (rest < 0.0) {
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return 0.0_f64.copysign(a / b);
    }
    let floored = quotient.floor();
    // The quotient of two numbers that divide may have rounded to just below.
    if quotient - floored > 0.5 { floored + 1.0 } else { floored }
}

/// `a % b`: what is left of `a`, with the sign of `b`.
pub fn floor_remainder(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest == 0.0 {
        0.0_f64.copysign(b)
    } else if (b < 0.0) != (rest < 0.0) {
        rest + b
    } else {
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_python_divides() {
        for (a, b, quotient, rest) in [
            (7.0, 2.0, 3.0, 1.0),
            (-7.0, 2.0, -4.0, 1.0),
            (7.0, -2.0, -4.0, -1.0),
            (-7.0, -2.0, 3.0, -1.0),
            (6.0, 3.0, 2.0, 0.0),
            (0.7, 0.1, 6.0, 0.09999999999999992),
            (1.0, f64::INFINITY, 0.0, 1.0),
            (-1.0, f64::INFINITY, -1.0, f64::INFINITY),
        ] {
            assert_eq!((floor_divide(a, b), floor_remainder(a, b)), (quotient, rest), "{a} {b}");
        }
        assert_eq!((floor_divide(1.0, 0.0), floor_divide(-1.0, 0.0)), (f64::INFINITY, f64::NEG_INFINITY));
        assert!(floor_divide(0.0, 0.0).is_nan() && floor_remainder(1.0, 0.0).is_nan());
        assert!(floor_divide(f64::INFINITY, 2.0).is_nan() && floor_divide(f64::NAN, 2.0).is_nan());
        assert!(floor_remainder(6.0, -3.0).is_sign_negative());
    }
}
