//! Order statistics: sorting, medians and quantiles with NumPy's arithmetic.

use std::hint::select_unpredictable;

use super::select::next_missing;
use crate::pool::Scratch;

/// Maps an f64 to an integer of the same order; NaN is not allowed.
#[inline(always)]
pub(super) fn key(x: f64) -> i64 {
    let bits = x.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

fn value(key: i64) -> f64 {
    f64::from_bits((key ^ (((key >> 63) as u64) >> 1) as i64) as u64)
}

/// The values present, in ascending order. Integers sort faster than floats.
pub fn sorted(values: &[f64]) -> Scratch<f64> {
    let mut keys = keys(values);
    keys.sort_unstable();
    keys.iter().map(|key| value(*key)).collect()
}

/// The keys of the values present.
fn keys(values: &[f64]) -> Scratch<i64> {
    let mut keys = Scratch::default();
    keys.reserve(values.len());
    // Up to the first missing value, none has to be checked.
    let (whole, rest) = values.split_at(next_missing(values, 0).unwrap_or(values.len()));
    keys.extend(whole.iter().map(|x| key(*x)));
    keys.extend(rest.iter().filter(|x| !x.is_nan()).map(|x| key(*x)));
    keys
}

/// The ranks that the `q`-quantile lies between, and how far from the first: NumPy's method `linear`.
fn position(count: usize, q: f64) -> (usize, usize, f64) {
    let last = count - 1;
    let place = last as f64 * q;
    // A cast rounds down without a call of `floor`.
    let below = (place as usize).min(last);
    (below, (below + 1).min(last), place - (place as usize) as f64)
}

/// NumPy's `_lerp`: from `a` to `b`, and from the nearer end.
#[inline(always)]
pub(super) fn lerp(a: f64, b: f64, t: f64) -> f64 {
    select_unpredictable(t >= 0.5, b - (b - a) * (1.0 - t), a + (b - a) * t)
}

/// The `q`-quantile (0 to 1) of sorted values without NaN; NaN if there are none.
pub fn quantile_sorted(sorted: &[f64], q: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    let (below, above, t) = position(sorted.len(), q);
    lerp(sorted[below], sorted[above], t)
}

/// The `q`-quantile of sorted values by NumPy's method `averaged_inverted_cdf`: a value of the data, or the mean of
/// two where the distribution function is flat at `q`; NaN if there are none.
pub fn averaged_quantile_sorted(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = sorted.len() as f64 * q - 1.0;
    if place < 0.0 {
        return sorted[0];
    }
    let below = (place.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let t = if place == place.floor() { 0.5 } else { 1.0 };
    lerp(sorted[below], sorted[above], t)
}

/// Answers a few quantiles of one column by selection, without a full sort.
pub struct Selector {
    keys: Scratch<i64>,
    /// Ranks whose keys are in their sorted position: smaller keys are left of them, larger ones right. Ascending; once
    /// full, no more are recorded.
    settled: [usize; 8],
    count: usize,
}

impl Selector {
    /// A selector over the values present.
    pub fn new(values: &[f64]) -> Selector {
        Selector { keys: keys(values), settled: [0; 8], count: 0 }
    }

    /// The values of rank `place` and the next rank (or `place` again, at the end).
    fn pair(&mut self, place: usize) -> (f64, f64) {
        let at = self.settle(place);
        let above = if place + 1 < self.keys.len() { self.settle(place + 1) } else { at };
        (value(at), value(above))
    }

    /// The key of a rank, selected between the nearest settled ranks.
    fn settle(&mut self, place: usize) -> i64 {
        let settled = &self.settled[..self.count];
        let after = settled.partition_point(|settled| *settled < place);
        if settled.get(after) == Some(&place) {
            return self.keys[place];
        }
        let start = after.checked_sub(1).map_or(0, |before| settled[before] + 1);
        let end = settled.get(after).copied().unwrap_or(self.keys.len());
        let (_, at, _) = self.keys[start..end].select_nth_unstable(place - start);
        let at = *at;
        if self.count < self.settled.len() {
            self.settled.copy_within(after..self.count, after + 1);
            self.settled[after] = place;
            self.count += 1;
        }
        at
    }

    /// The `q`-quantile, q from 0 to 1; NaN without a value.
    pub fn quantile(&mut self, q: f64) -> f64 {
        match self.keys[..] {
            [] => f64::NAN,
            [only] => value(only),
            _ => {
                let (below, above, t) = position(self.keys.len(), q);
                let (low, high) = self.pair(below);
                lerp(low, if above == below { low } else { high }, t)
            }
        }
    }

    /// The middle value, or the mean of the two middle ones; NaN without a value.
    pub fn median(&mut self) -> f64 {
        let count = self.keys.len();
        match self.keys[..] {
            [] => f64::NAN,
            [only] => value(only),
            _ if count % 2 == 1 => self.pair(count / 2).0,
            _ => {
                let (low, high) = self.pair(count / 2 - 1);
                (low + high) / 2.0
            }
        }
    }

    /// As `np.ma.median` finds it, half of the sum of two values: of an odd number the middle one twice, so that the sum
    /// overflows beyond half of the range. NaN without a value.
    pub fn masked_median(&mut self) -> f64 {
        let median = self.median();
        if self.keys.len() % 2 == 1 { (median + median) / 2.0 } else { median }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn selection_equals_sorting(values in proptest::collection::vec(-1e3..1e3f64, 1..50), q in 0.0..=1.0f64) {
            let sorted = sorted(&values);
            prop_assert!(sorted.is_sorted());
            let mut selector = Selector::new(&values);
            for q in [q, 0.5, q / 2.0, 1.0, 0.0, q, 0.25, 0.75, 0.1, q] {
                prop_assert_eq!(selector.quantile(q), quantile_sorted(&sorted, q));
            }
            let median = Selector::new(&values).median();
            prop_assert!((median - quantile_sorted(&sorted, 0.5)).abs() < 1e-9);
        }
    }

    #[test]
    fn order_holds_for_signs_and_infinities() {
        let values = [0.0, f64::INFINITY, -1.5, f64::NAN, f64::NEG_INFINITY, 2.0];
        assert_eq!(**sorted(&values), [f64::NEG_INFINITY, -1.5, 0.0, 2.0, f64::INFINITY]);
    }

    #[test]
    fn a_masked_median_overflows_as_numpys() {
        let median = |values: &[f64]| (Selector::new(values).median(), Selector::new(values).masked_median());
        assert_eq!(median(&[1e308, 1.5, 1.7e308]), (1e308, f64::INFINITY));
        assert_eq!(median(&[-8e307, f64::NAN]), (-8e307, -8e307));
        assert_eq!(median(&[1e308, 1.7e308]), (f64::INFINITY, f64::INFINITY));
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert!(quantile_sorted(&[], 0.5).is_nan());
        assert!(Selector::new(&[f64::NAN]).median().is_nan());
    }
}
