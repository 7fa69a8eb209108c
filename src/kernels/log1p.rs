//! `ln(1 + x)`, written without a branch so that the compiler vectorises the loop around it.

/// ln 2 in two parts: the high one has trailing zeros, so that `k * LN2_HIGH` is exact.
const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// The mantissa of sqrt(1/2): what is above it is halved once less.
const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
const ONE: u64 = 0x3ff0_0000_0000_0000;
const MANTISSA: u64 = 0x000f_ffff_ffff_ffff;

/// `ln(1 + x)` for x >= 0, right to about one ulp; NaN stays NaN, infinity stays infinity.
///
/// 1 + x = 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2); the rounding of 1 + x is put back as c.
/// ln(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)), s = f / (2 + f): the series of K. C. Ng's `log1p` (FreeBSD msun).
#[inline(always)]
pub fn log1p(x: f64) -> f64 {
    let u = 1.0 + x;
    let correction = (x - (u - 1.0)) / u;
    let shifted = u.to_bits().wrapping_add(ONE - SQRT_HALF);
    let k = biased(shifted >> 52) - 1023.0;
    let f = f64::from_bits((shifted & MANTISSA).wrapping_add(SQRT_HALF)) - 1.0;
    let half_square = 0.5 * f * f;
    let s = f / (2.0 + f);
    let z = s * s;
    let series = z * SERIES.iter().rev().fold(0.0, |sum, factor| sum * z + factor);
    let result = k * LN2_HIGH - ((half_square - (s * (half_square + series) + (k * LN2_LOW + correction))) - f);
    if x < f64::INFINITY { result } else { x }
}

/// `2 / (2n + 1)` fitted so that the polynomial of degree 7 is right to 2^-58 (FreeBSD msun, `s_log1p.c`).
const SERIES: [f64; 7] = [
    6.666_666_666_666_735e-1,
    3.999_999_999_940_942e-1,
    2.857_142_874_366_239e-1,
    2.222_219_843_214_978_4e-1,
    1.818_357_216_161_805e-1,
    1.531_383_769_920_937_3e-1,
    1.479_819_860_511_658_6e-1,
];

/// A small integer as a float, by way of the mantissa: AVX2 has no conversion of 64-bit integers.
#[inline(always)]
fn biased(integer: u64) -> f64 {
    const MAGIC: u64 = 0x4330_0000_0000_0000;
    f64::from_bits(integer | MAGIC) - f64::from_bits(MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(exponent in -320.0..308.0f64) {
            let x = 10f64.powf(exponent);
            let exact = x.ln_1p();
            prop_assert!((log1p(x) - exact).abs() <= 1.5 * f64::EPSILON * exact.abs(), "{x}: {} {exact}", log1p(x));
        }
    }

    #[test]
    fn ends_of_the_range() {
        assert_eq!((log1p(0.0), log1p(f64::INFINITY)), (0.0, f64::INFINITY));
        assert!(log1p(f64::NAN).is_nan());
        assert_eq!(log1p(f64::MAX), f64::MAX.ln());
    }
}
