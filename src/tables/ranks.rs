//! How many rows of two kinds there are of each value, in bounded memory: the area under a ROC curve.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The counts of the values of two kinds of rows: exact up to [`Ranks::MOST`] different values; of more, those that begin
/// with the same bits are one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ranks {
    /// How many of a value's last bits are dropped: as few as there is room for, whatever order values come in.
    dropped: u32,
    /// Of each value, as a number of the same order: how many rows are positive, and how many are not.
    counts: BTreeMap<u64, (u64, u64)>,
}

/// A number in the order of the values; both zeros are one.
fn place(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

fn cut(place: u64, dropped: u32) -> u64 {
    place.checked_shr(dropped).unwrap_or(0)
}

impl Ranks {
    /// The most different values that are kept apart: 65,536, in tests fewer.
    pub const MOST: usize = if cfg!(test) { 1 << 10 } else { 1 << 16 };

    /// Counts a row.
    pub fn add(&mut self, value: f64, is_positive: bool) {
        let (positives, others) = self.counts.entry(cut(place(value), self.dropped)).or_default();
        *if is_positive { positives } else { others } += 1;
        self.make_room();
    }

    /// Adds the counts of another one.
    pub fn merge(&mut self, other: &Ranks) {
        self.drop_bits(other.dropped);
        for (place, counts) in &other.counts {
            self.count(cut(*place, self.dropped - other.dropped), *counts);
        }
        self.make_room();
    }

    /// The area under the ROC curve: pairs that are right, and half of those that are equal; NaN without a pair.
    pub fn area(&self) -> f64 {
        let (mut below, mut twice, mut positives) = (0_u128, 0_u128, 0_u128);
        for (is, is_not) in self.counts.values().map(|(is, is_not)| (u128::from(*is), u128::from(*is_not))) {
            twice += is * (2 * below + is_not);
            (positives, below) = (positives + is, below + is_not);
        }
        if positives == 0 || below == 0 { f64::NAN } else { twice as f64 / (2 * positives * below) as f64 }
    }

    fn count(&mut self, place: u64, (positives, others): (u64, u64)) {
        let own = self.counts.entry(place).or_default();
        *own = (own.0 + positives, own.1 + others);
    }

    fn make_room(&mut self) {
        if self.counts.len() <= Ranks::MOST {
            return;
        }
        // How many neighbours differ in each bit, and in none above it: they are one when it is gone.
        let mut differ = [0; 64];
        for (one, other) in self.counts.keys().zip(self.counts.keys().skip(1)) {
            differ[63 - (one ^ other).leading_zeros() as usize] += 1;
        }
        let (mut apart, mut bits) = (1, 64);
        while bits > 0 && apart + differ[bits - 1] <= Ranks::MOST {
            bits -= 1;
            apart += differ[bits];
        }
        self.drop_bits(self.dropped + bits as u32);
    }

    /// Drops bits until so many are gone.
    fn drop_bits(&mut self, dropped: u32) {
        if dropped <= self.dropped {
            return;
        }
        let more = dropped - self.dropped;
        self.dropped = dropped;
        for (place, counts) in std::mem::take(&mut self.counts) {
            self.count(cut(place, more), counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(rows: &[(f64, bool)]) -> Ranks {
        let mut ranks = Ranks::default();
        rows.iter().for_each(|(value, is_positive)| ranks.add(*value, *is_positive));
        ranks
    }

    /// The area over all pairs.
    fn by_pairs(rows: &[(f64, bool)]) -> f64 {
        let (mut right, mut pairs) = (0.0, 0.0);
        for (positive, _) in rows.iter().filter(|(_, is)| *is) {
            for (other, _) in rows.iter().filter(|(_, is)| !*is) {
                pairs += 1.0;
                right += if positive > other { 1.0 } else { f64::from(u8::from(positive == other)) / 2.0 };
            }
        }
        right / pairs
    }

    proptest! {
        #[test]
        fn areas_are_those_of_all_pairs(rows in prop::collection::vec((-4..4i32, prop::bool::ANY), 2..40)) {
            let rows: Vec<(f64, bool)> = rows.iter().map(|(x, is)| (f64::from(*x) / 4.0, *is)).collect();
            let (area, expected) = (of(&rows).area(), by_pairs(&rows));
            prop_assert!((area - expected).abs() < 1e-12 || area.is_nan() && expected.is_nan());
        }
    }

    /// Values of a fixed sequence over [0, 1), of which the larger ones are positive more often.
    fn many(count: u32) -> Vec<(f64, bool)> {
        let mut state = 1_u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        (0..count).map(|_| next()).map(|value| (value, value * 7919.0 % 1.0 < value)).collect()
    }

    #[test]
    fn values_are_exact_up_to_the_most_and_share_their_first_bits_beyond() {
        let rows = many(5_000);
        let few = of(&rows[..Ranks::MOST]);
        assert_eq!((few.dropped, few.counts.len()), (0, Ranks::MOST));
        let all = of(&rows);
        assert!(all.dropped > 0 && all.counts.len() <= Ranks::MOST);
        let mut sorted = rows.clone();
        sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (mut below, mut right, mut positives) = (0.0, 0.0, 0.0);
        for (_, is_positive) in &sorted {
            right += if *is_positive { below } else { 0.0 };
            *if *is_positive { &mut positives } else { &mut below } += 1.0;
        }
        let exact = right / (positives * below);
        assert!((all.area() - exact).abs() < 1e-4, "{} {exact}", all.area());
    }

    #[test]
    fn parts_that_were_cut_add_up_in_any_order() {
        let rows = many(3_000);
        let whole = of(&rows);
        for cut in [10, 1_200, 2_900] {
            let mut parts = of(&rows[cut..]);
            parts.merge(&of(&rows[..cut]));
            assert!(parts == whole, "{cut}");
            let mut parts = of(&rows[..cut]);
            parts.merge(&of(&rows[cut..]));
            assert!(parts == whole, "{cut}");
        }
    }
}
