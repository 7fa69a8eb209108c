//! `exp(x) - 1`, written without a branch so that the compiler vectorises the loop around it.

const INV_LN2: f64 = std::f64::consts::LOG2_E;
/// ln 2 in two parts: the high one has trailing zeros, so that `k * LN2_HIGH` is exact.
const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// 1.5 * 2^52: adding it rounds to an integer that stands in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// Above it, exp overflows.
const LIMIT: f64 = 709.782_712_893_384;
/// Below it, expm1 is -1 to the last bit, and 2^k is still a normal number.
const FLOOR: f64 = -700.0;

/// `1 / n!` for n = 2 to 13: the Taylor series of expm1 ends below half an ulp on |r| <= ln 2 / 2.
const TAYLOR: [f64; 12] = [
    1.0 / 2.0,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5_040.0,
    1.0 / 40_320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
    1.0 / 479_001_600.0,
    1.0 / 6_227_020_800.0,
];

/// `exp(x) - 1`, right to a few ulps for every finite x; infinity above ln(f64::MAX).
///
/// With x = k ln 2 + r: expm1(x) = 2^k expm1(r) + (2^k - 1), which does not cancel near zero.
#[inline(always)]
pub fn expm1(x: f64) -> f64 {
    let bounded = x.clamp(FLOOR, LIMIT);
    let shifted = bounded * INV_LN2 + ROUND;
    let k = shifted - ROUND;
    let r = (bounded - k * LN2_HIGH) - k * LN2_LOW;
    let series = TAYLOR.iter().rev().fold(0.0, |sum, factor| sum * r + factor);
    let small = r + r * r * series;
    // Half of 2^k, doubled at the end: 2^1024 is not a number.
    let half = f64::from_bits((shifted.to_bits() << 52).wrapping_add(1022 << 52));
    let result = 2.0 * (half * small + (half - 0.5));
    if x > LIMIT { f64::INFINITY } else { result }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(x in -800.0..709.7f64, tiny in -1e-3..1e-3f64) {
            for x in [x, tiny, tiny * 1e-9] {
                let exact = x.exp_m1();
                prop_assert!((expm1(x) - exact).abs() <= 4.0 * f64::EPSILON * exact.abs(), "{x}");
            }
        }
    }

    #[test]
    fn ends_of_the_range() {
        assert_eq!(expm1(710.0), f64::INFINITY);
        assert!(expm1(709.78).is_finite());
        assert_eq!(expm1(-1e308), -1.0);
        assert_eq!(expm1(0.0), 0.0);
    }
}
