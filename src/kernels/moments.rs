//! Mean and variance of the values present, as scikit-learn computes them.

use multiversion::multiversion;
use serde::{Deserialize, Serialize};

/// Independent partial sums: the compiler puts them into vector registers, and the order of the additions
/// is the same on every machine.
pub(super) const LANES: usize = 8;

/// Count, mean and population variance of the values that are not NaN.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// How many values there are.
    pub count: usize,
    /// NaN without a value.
    pub mean: f64,
    /// NaN without a value.
    pub variance: f64,
}

/// Sums of `map(x)` over the values that are not NaN, of no more values than lanes: the same, without the lanes.
#[inline(always)]
fn short_sums<const N: usize>(values: &[f64], map: impl Fn(f64) -> [f64; N]) -> [f64; N] {
    let mut sums = [0.0; N];
    for x in values {
        for (sum, term) in sums.iter_mut().zip(map(*x)) {
            *sum += if x.is_nan() { 0.0 } else { term };
        }
    }
    sums
}

/// Sums of `map(x)` over the values that are not NaN.
#[inline(always)]
fn lane_sums<const N: usize>(values: &[f64], map: impl Fn(f64) -> [f64; N]) -> [f64; N] {
    let mut lanes = [[0.0; LANES]; N];
    let mut add = |lane: usize, x: f64| {
        for (sums, term) in lanes.iter_mut().zip(map(x)) {
            sums[lane] += if x.is_nan() { 0.0 } else { term };
        }
    };
    // Chunks of a known length: the compiler sees vectors in them.
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        (0..LANES).for_each(|lane| add(lane, chunk[lane]));
    }
    rest.iter().enumerate().for_each(|(lane, x)| add(lane, *x));
    lanes.map(|sums| sums.iter().sum())
}

/// The sum of the values that are not NaN.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
pub fn sum(values: &[f64]) -> f64 {
    let [sum] = lane_sums(values, |x| [x]);
    sum
}

/// How many values are not NaN, and their sum.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn count_and_sum(values: &[f64]) -> [f64; 2] {
    lane_sums(values, |x| [1.0, x])
}

/// Least and greatest value present; infinity and its negative without one.
pub fn extent(values: &[f64]) -> (f64, f64) {
    if values.len() > LANES {
        return wide_extent(values);
    }
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for x in values {
        least = if *x < least { *x } else { least };
        most = if *x > most { *x } else { most };
    }
    (least, most)
}

/// Least and greatest value present; NaN if there is none.
pub fn extremes(values: &[f64]) -> (f64, f64) {
    let (least, most) = extent(values);
    if least <= most { (least, most) } else { (f64::NAN, f64::NAN) }
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn wide_extent(values: &[f64]) -> (f64, f64) {
    let (mut least, mut most) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
    let mut take = |lane: usize, x: f64| {
        // Comparisons with NaN are false: it changes nothing.
        least[lane] = if x < least[lane] { x } else { least[lane] };
        most[lane] = if x > most[lane] { x } else { most[lane] };
    };
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        (0..LANES).for_each(|lane| take(lane, chunk[lane]));
    }
    rest.iter().enumerate().for_each(|(lane, x)| take(lane, *x));
    let least = least.into_iter().fold(f64::INFINITY, f64::min);
    (least, most.into_iter().fold(f64::NEG_INFINITY, f64::max))
}

/// Whether values lie so far apart that rounding cannot hide it: no such column [is constant](Moments::is_constant).
///
/// The two ends alone give n values a variance of range^2 / 2n.
pub fn surely_vary(values: &[f64]) -> bool {
    let (least, most) = extent(values);
    let (n, range) = (values.len() as f64, most - least);
    let error = n * most.abs().max(least.abs()) * f64::EPSILON;
    n * f64::EPSILON < 0.5
        && range > 0.0
        // No sum of squares overflows.
        && (n * range * range).is_finite()
        && range * range / (2.0 * n) > 4.0 * error * error
}

/// The sum of the distances to `centre`, and of their squares.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn deviations(values: &[f64], centre: f64) -> [f64; 2] {
    lane_sums(values, from(centre))
}

/// The distance of a value to `centre`, and its square.
#[inline(always)]
fn from(centre: f64) -> impl Fn(f64) -> [f64; 2] {
    move |x| [x - centre, (x - centre) * (x - centre)]
}

/// Whether any value is infinite.
pub fn any_infinite(values: &[f64]) -> bool {
    if values.len() > LANES { wide_any_infinite(values) } else { values.iter().any(|x| x.is_infinite()) }
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn wide_any_infinite(values: &[f64]) -> bool {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut largest = [0.0; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            let size = chunk[lane].abs();
            largest[lane] = if size > largest[lane] { size } else { largest[lane] };
        }
    }
    largest.iter().chain(rest).any(|x| x.is_infinite())
}

/// Two passes with a correction for the rounding of the mean: Chan, Golub and LeVeque, Algorithms for
/// Computing the Sample Variance (1983), as in scikit-learn's `_incremental_mean_and_var`.
pub fn moments(values: &[f64]) -> Moments {
    moments_and_sum(values).0
}

/// The moments, and the sum of the values present as it was before it was divided.
fn moments_and_sum(values: &[f64]) -> (Moments, f64) {
    let short = values.len() <= LANES;
    let [n, sum] = if short { short_sums(values, |x| [1.0, x]) } else { count_and_sum(values) };
    let mean = sum / n;
    let [linear, squares] = if short { short_sums(values, from(mean)) } else { deviations(values, mean) };
    let moments = Moments { count: n as usize, mean, variance: (squares - linear * linear / n) / n };
    if moments.variance.is_finite() || n == 0.0 { (moments, sum) } else { in_numpys_order(values, n) }
}

/// The moments of values whose squares overflow: whether such a sum ends at infinity or NaN depends on the order of the
/// additions, so it is NumPy's.
#[cold]
fn in_numpys_order(values: &[f64], n: f64) -> (Moments, f64) {
    let sum = pairwise(values, &|x| x);
    let mean = sum / n;
    let linear = pairwise(values, &|x| x - mean);
    let squares = pairwise(values, &|x| (x - mean) * (x - mean));
    (Moments { count: n as usize, mean, variance: (squares - linear * linear / n) / n }, sum)
}

/// The sum of `map(x)` over the values that are not NaN, in the order of NumPy's pairwise summation.
fn pairwise(values: &[f64], map: &impl Fn(f64) -> f64) -> f64 {
    const BLOCK: usize = 128;
    let term = |x: &f64| if x.is_nan() { 0.0 } else { map(*x) };
    if values.len() > BLOCK {
        let half = values.len() / 2;
        let (first, second) = values.split_at(half - half % LANES);
        return pairwise(first, map) + pairwise(second, map);
    }
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += term(x));
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, x| sum + term(x))
}

impl Moments {
    /// The moments of these values and more of them, without cancellation: Chan, Golub and LeVeque (1979), as
    /// in scikit-learn's `_incremental_mean_and_var`.
    pub fn and(self, more: &[f64]) -> Moments {
        let (other, other_sum) = moments_and_sum(more);
        if self.count == 0 || other.count == 0 {
            return if self.count == 0 { other } else { self };
        }
        let (n, m) = (self.count as f64, other.count as f64);
        let sum = self.mean * n;
        let ratio = n / m;
        let between = ratio / (n + m) * (sum / ratio - other_sum) * (sum / ratio - other_sum);
        let squares = self.variance * n + other.variance * m + between;
        Moments { count: self.count + other.count, mean: (sum + other_sum) / (n + m), variance: squares / (n + m) }
    }

    /// Whether the variance is within the rounding error of a constant: scikit-learn's
    /// `_is_constant_feature`. `rows` counts what scikit-learn counts there.
    pub fn is_constant(&self, rows: usize) -> bool {
        let n = rows as f64;
        let error = n * self.mean * f64::EPSILON;
        self.variance <= n * f64::EPSILON * self.variance + error * error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn missing_values_do_not_count() {
        let moments = moments(&[1.0, f64::NAN, 3.0]);
        assert_eq!(moments, Moments { count: 2, mean: 2.0, variance: 1.0 });
    }

    #[test]
    fn moments_of_more_values_are_those_of_all() {
        let values: Vec<f64> = (0..100).map(|i| 1e6 + f64::from(i * i % 37)).collect();
        let (whole, merged) = (moments(&values), moments(&values[..30]).and(&values[30..]));
        assert_eq!(merged.count, 100);
        assert!((merged.mean - whole.mean).abs() < 1e-9 && (merged.variance - whole.variance).abs() < 1e-9);
        assert_eq!(moments(&[f64::NAN]).and(&[2.0]).mean, 2.0);
        // The sum of the others is not their rounded mean times their number: (1 + 1 + 2) / 3 of the smallest number.
        let smallest = f64::from_bits(1);
        assert_eq!(moments(&[smallest]).and(&[smallest, 2.0 * smallest]).mean, smallest);
    }

    #[test]
    fn few_values_have_the_same_moments_as_in_lanes() {
        let values: Vec<f64> = (0..8).map(|i| if i == 5 { f64::NAN } else { 0.1 * f64::from(i * i) - 1.0 }).collect();
        for length in 1..=LANES {
            let values = &values[..length];
            let [n, sum] = count_and_sum(values);
            let [linear, squares] = deviations(values, sum / n);
            let variance = (squares - linear * linear / n) / n;
            assert_eq!(moments(values), Moments { count: n as usize, mean: sum / n, variance });
            assert_eq!((extent(values), any_infinite(values)), (wide_extent(values), wide_any_infinite(values)));
        }
    }

    #[test]
    fn the_extent_leaves_out_what_is_missing() {
        let mut values = vec![f64::NAN; 19];
        assert_eq!(extent(&values), (f64::INFINITY, f64::NEG_INFINITY));
        (values[3], values[18]) = (-2.0, 5.0);
        assert_eq!(extent(&values), (-2.0, 5.0));
    }

    #[test]
    fn a_large_mean_does_not_cancel() {
        let values: Vec<f64> = (0..1000).map(|i| 1e9 + f64::from(i % 2)).collect();
        assert!((moments(&values).variance - 0.25).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn what_surely_varies_is_no_constant(
            values in proptest::collection::vec(-3..3i32, 1..40),
            shift in -1e9..1e9f64,
            exponent in -170.0..170.0f64,
        ) {
            let values: Vec<f64> = values.iter().map(|x| (f64::from(*x) + shift) * 10f64.powf(exponent)).collect();
            let moments = moments(&values);
            prop_assert!(!surely_vary(&values) || moments.variance.is_finite() && !moments.is_constant(values.len()));
        }
    }

    #[test]
    fn neither_a_single_value_nor_none_varies() {
        assert!(surely_vary(&[1.0, f64::NAN, 2.0]));
        for values in [&[][..], &[f64::NAN], &[0.3; 7], &[1e200, -1e200], &[1e15, 1e15 + 0.125]] {
            assert!(!surely_vary(values), "{values:?}");
        }
    }

    #[test]
    fn squares_beyond_the_range_end_where_numpys_do() {
        // np.var: the deviations of the first add up to nothing, those of the second do not.
        let balanced = moments(&[1e200, -1e200, 1e200, -1e200]);
        assert_eq!((balanced.mean, balanced.variance), (0.0, f64::INFINITY));
        assert!(moments(&[-1.7e308, 1e-300, 1e-300]).variance.is_nan());
        assert_eq!(moments(&[1e308, 1e308, f64::NAN]).mean, f64::INFINITY);
        let harmonic: Vec<f64> = (1..=300).map(|i| 1.0 / f64::from(i)).collect();
        assert_eq!(pairwise(&harmonic, &|x| x), 6.282663880299504);
    }

    #[test]
    fn constants_are_known_by_their_rounding_error() {
        let moments = moments(&[0.1; 100]);
        assert!(moments.is_constant(100));
        assert!(!super::moments(&[0.1, 0.2]).is_constant(2));
    }
}
