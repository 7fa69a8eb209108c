//! The error function, bit for bit as glibc has it, which is Python's.
//!
//! Source: `s_erf.c` of Sun Microsystems (FreeBSD msun), its polynomials summed in pairs as glibc 2.36 does.

use std::f64::consts::SQRT_2;

/// erf(1), its first digits.
const AT_ONE: f64 = 0.845_062_911_510_467_5;
/// The numerator below 0.84375, in the square of x.
const SMALL: [f64; 5] = [
    0.128_379_167_095_512_56,
    -0.325_042_107_247_001_5,
    -0.028_481_749_575_598_51,
    -0.005_770_270_296_489_442,
    -2.376_301_665_665_016_3e-5,
];
/// The denominator.
const SMALL_BELOW: [f64; 6] = [
    1.0,
    0.397_917_223_959_155_35,
    0.065_022_249_988_767_3,
    0.005_081_306_281_875_766,
    0.000_132_494_738_004_321_64,
    -3.960_228_278_775_368e-6,
];
/// The numerator from there to 1.25, in |x| - 1.
const NEAR_ONE: [f64; 7] = [
    -0.002_362_118_560_752_659_4,
    0.414_856_118_683_748_33,
    -0.372_207_876_035_701_3,
    0.318_346_619_901_161_75,
    -0.110_894_694_282_396_68,
    0.035_478_304_325_618_236,
    -0.002_166_375_594_868_791,
];
/// The denominator.
const NEAR_ONE_BELOW: [f64; 7] = [
    1.0,
    0.106_420_880_400_844_23,
    0.540_397_917_702_171,
    0.071_828_654_414_196_27,
    0.126_171_219_808_761_64,
    0.013_637_083_912_029_05,
    0.011_984_499_846_799_107,
];
/// The numerator from there to 1 / 0.35, in 1 / x^2.
const LARGE: [f64; 8] = [
    -0.009_864_944_034_847_148,
    -0.693_858_572_707_181_8,
    -10.558_626_225_323_291,
    -62.375_332_450_326_006,
    -162.396_669_462_573_47,
    -184.605_092_906_711_04,
    -81.287_435_506_306_6,
    -9.814_329_344_169_145,
];
/// The denominator.
const LARGE_BELOW: [f64; 9] = [
    1.0,
    19.651_271_667_439_257,
    137.657_754_143_519_04,
    434.565_877_475_229_23,
    645.387_271_733_267_9,
    429.008_140_027_567_83,
    108.635_005_541_779_44,
    6.570_249_770_319_282,
    -0.060_424_415_214_858_1,
];
/// The numerator from there to 6.
const LARGER: [f64; 7] = [
    -0.009_864_942_924_700_1,
    -0.799_283_237_680_523,
    -17.757_954_917_754_752,
    -160.636_384_855_821_92,
    -637.566_443_368_389_6,
    -1_025.095_131_611_077_2,
    -483.519_191_608_651_4,
];
/// The denominator.
const LARGER_BELOW: [f64; 8] = [
    1.0,
    30.338_060_743_482_46,
    325.792_512_996_573_9,
    1_536.729_586_084_437,
    3_199.858_219_508_595_5,
    2_553.050_406_433_164_4,
    474.528_541_206_955_37,
    -22.440_952_446_585_82,
];

/// The power of two below which the first term of the series is all.
const TINY: f64 = 1.0 / (1 << 28) as f64;
/// The highest 32 bits of 1 / 0.35, by which glibc tells the sides apart.
const TURN: u64 = 0x4006_db6e;

/// A polynomial, two terms at a time.
fn pairs(factors: &[f64], x: f64) -> f64 {
    let square = x * x;
    let fourth = square * square;
    let powers = [1.0, square, fourth, fourth * square, fourth * fourth];
    let pair = |pair: &[f64]| pair.get(1).map_or(pair[0], |second| pair[0] + x * second);
    factors.chunks(2).map(pair).zip(powers).fold(0.0, |sum, (value, power)| sum + power * value)
}

/// The error function of a number; NaN of NaN.
pub fn erf(x: f64) -> f64 {
    let size = x.abs();
    let value = match size {
        _ if x.is_nan() => return x,
        size if size < TINY => return x + SMALL[0] * x,
        size if size < 0.84375 => {
            let square = x * x;
            return x + x * (pairs(&SMALL, square) / pairs(&SMALL_BELOW, square));
        }
        size if size < 1.25 => {
            let apart = size - 1.0;
            AT_ONE + pairs(&NEAR_ONE, apart) / pairs(&NEAR_ONE_BELOW, apart)
        }
        size if size >= 6.0 => 1.0,
        size => {
            let inverse = 1.0 / (size * size);
            let ratio = if size.to_bits() >> 32 < TURN {
                pairs(&LARGE, inverse) / pairs(&LARGE_BELOW, inverse)
            } else {
                pairs(&LARGER, inverse) / pairs(&LARGER_BELOW, inverse)
            };
            let head = f64::from_bits(size.to_bits() & !0xffff_ffff);
            1.0 - (-head * head - 0.5625).exp() * ((head - size) * (head + size) + ratio).exp() / size
        }
    };
    value.copysign(x)
}

/// The share of a standard normal distribution up to x, as river computes it.
pub fn normal_share(x: f64) -> f64 {
    0.5 * (1.0 + erf(x / SQRT_2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `math.erf` of Python 3.11 on glibc 2.36.
    #[test]
    fn it_is_that_of_python() {
        for (x, expected) in [
            (0.0, 0.0),
            (1e-10, 1.1283791670955126e-10),
            (-1e-300, -1.1283791670955126e-300),
            (0.3, 0.3286267594591274),
            (-0.84, -0.7651427114549946),
            (0.84375, 0.7672256612323416),
            (1.0, 0.8427007929497149),
            (-1.2, -0.9103139782296353),
            (1.25, 0.9229001282564582),
            (-2.0, -0.9953222650189527),
            (2.857142, 0.9999466874130313),
            (2.857143, 0.9999466877345417),
            (2.86, 0.9999475988269556),
            (3.5, 0.9999992569016276),
            (5.9, 0.9999999999999999),
            (-6.0, -1.0),
            (f64::INFINITY, 1.0),
        ] {
            let own = erf(x);
            assert!((own - expected).abs() <= f64::EPSILON * expected.abs() / 2.0, "{x}: {own}");
        }
        assert!(erf(f64::NAN).is_nan());
    }
}
