//! The levels of few values among themselves, where quantiles are as many: both are walked through in order.

use std::hint::select_unpredictable;

use multiversion::multiversion;

use super::order::{key, lerp};
use super::select::next_missing;
use crate::pool::Scratch;

/// Most values: an index fits in the low bits of a key.
const MOST: usize = 1024;

/// Replaces values by their levels among as many quantiles of themselves, which have the levels `places`: what a
/// [`QuantileMap`](super::quantile_map::QuantileMap) of these quantiles gives. Changes nothing and returns `false` if
/// there are too many values, one is missing, or they lie so far apart that their distance overflows.
pub fn levels_among_themselves(values: &mut [f64], places: &[f64]) -> bool {
    let count = values.len();
    if !(2..=MOST).contains(&count) || places.len() != count || next_missing(values, 0).is_some() {
        return false;
    }
    let mut order: Scratch<i64> = Scratch::default();
    order.resize(count, 0);
    mark(values, &mut order);
    order.sort_unstable();
    let mut buffer: Scratch<f64> = Scratch::default();
    buffer.resize(5 * (count + 2), 0.0);
    let (sorted, rest) = buffer.split_at_mut(count);
    sorted.iter_mut().zip(order.iter()).for_each(|(sorted, order)| *sorted = values[index(*order)]);
    repair(sorted, &mut order);
    if !(sorted[count - 1] - sorted[0]).is_finite() {
        return false;
    }
    // With one more at each end, so that each quantile has neighbours.
    let (quantiles, rest) = rest.split_at_mut(count + 2);
    let (levels, rest) = rest.split_at_mut(count + 2);
    let (equal, results) = rest.split_at_mut(count + 2);
    (quantiles[0], quantiles[count + 1]) = (f64::NEG_INFINITY, f64::INFINITY);
    levels[1..=count].copy_from_slice(places);
    interpolate(sorted, places, &mut quantiles[1..=count]);
    keep_ascending(&mut quantiles[1..=count]);
    level_runs(&quantiles[1..=count], places, &mut equal[1..=count]);
    look_up(sorted, quantiles, levels, equal, results);
    order.iter().zip(results).for_each(|(order, level)| values[index(*order)] = *level);
    true
}

/// Keys of values, with the index of each in place of the lowest bits.
fn mark(values: &[f64], order: &mut [i64]) {
    for (index, (order, x)) in order.iter_mut().zip(values).enumerate() {
        *order = key(*x) & !(MOST as i64 - 1) | index as i64;
    }
}

/// The index in the lowest bits of a key.
#[inline(always)]
fn index(order: i64) -> usize {
    order as usize & (MOST - 1)
}

/// Sorts the few values that differ in the lowest bits alone, by insertion.
fn repair(sorted: &mut [f64], order: &mut [i64]) {
    if sorted.is_sorted() {
        return;
    }
    for from in 1..sorted.len() {
        let mut place = from;
        while place > 0 && sorted[place] < sorted[place - 1] {
            sorted.swap(place, place - 1);
            order.swap(place, place - 1);
            place -= 1;
        }
    }
}

/// The quantiles at places that are as many as the values, so that each lies at a value or, by rounding, next to it.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn interpolate(sorted: &[f64], places: &[f64], quantiles: &mut [f64]) {
    let count = quantiles.len();
    let last = count - 1;
    quantiles[0] = lerp(sorted[0], sorted[1], 0.0);
    quantiles[last] = lerp(sorted[last], sorted[last], 0.0);
    let (before, at, behind) = (&sorted[..last - 1], &sorted[1..last], &sorted[2..=last]);
    let places = &places[1..last];
    for (i, quantile) in quantiles[1..last].iter_mut().enumerate() {
        // scikit-learn calls NumPy's percentile: times 100 and back rounds.
        let place = last as f64 * (places[i] * 100.0 / 100.0);
        let rank = f64::from(1 + i as u32);
        let is_before = place < rank;
        let (low, high) = if is_before { (before[i], at[i]) } else { (at[i], behind[i]) };
        *quantile = lerp(low, high, place - if is_before { rank - 1.0 } else { rank });
    }
}

/// Quantiles must ascend despite their rounding.
fn keep_ascending(quantiles: &mut [f64]) {
    if quantiles.is_sorted() {
        return;
    }
    let mut most = f64::NEG_INFINITY;
    for quantile in quantiles {
        most = quantile.max(most);
        *quantile = most;
    }
}

/// The level of a value that equals a quantile: the middle of the first and the last place of those that are equal.
fn level_runs(quantiles: &[f64], places: &[f64], levels: &mut [f64]) {
    levels.copy_from_slice(places);
    if quantiles.is_sorted_by(|a, b| a < b) {
        return;
    }
    for place in 1..quantiles.len() {
        levels[place] =
            select_unpredictable(quantiles[place] == quantiles[place - 1], levels[place - 1], places[place]);
    }
    let mut last = places[quantiles.len() - 1];
    for place in (0..quantiles.len()).rev() {
        let ends = quantiles.get(place + 1) != Some(&quantiles[place]);
        last = select_unpredictable(ends, places[place], last);
        levels[place] = 0.5 * (last + levels[place]);
    }
}

/// The levels of ascending values, by those of the quantiles, and of values that equal one. A value lies between the
/// quantiles before and behind that of its own rank, or equals one of the three: how they are made, the one before is not
/// above it and the one behind is not below.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn look_up(values: &[f64], quantiles: &[f64], levels: &[f64], equal: &[f64], to: &mut [f64]) {
    let count = values.len();
    let (least, most, end) = (quantiles[1], quantiles[count], levels[count]);
    let [before, at, behind] = three(quantiles, count);
    let [level_before, level_at, level_behind] = three(levels, count);
    let [equal_before, equal_at, equal_behind] = three(equal, count);
    let to = &mut to[..count];
    for i in 0..count {
        let (x, is_above) = (values[i], at[i] <= values[i]);
        let (low, high) = if is_above { (at[i], behind[i]) } else { (before[i], at[i]) };
        let (from, up_to) = if is_above { (level_at[i], level_behind[i]) } else { (level_before[i], level_at[i]) };
        let slope = (up_to - from) / (high - low);
        let (upwards, downwards) = (slope * (x - low) + from, slope * (high - x) - up_to);
        let level = 0.5 * (upwards - downwards);
        let level = if before[i] == x { equal_before[i] } else { level };
        let level = if behind[i] == x { equal_behind[i] } else { level };
        let level = if at[i] == x { equal_at[i] } else { level };
        let level = if x >= most { end } else { level };
        to[i] = if x <= least { 0.0 } else { level };
    }
}

/// By rank, what stands before, at and behind it.
#[inline(always)]
fn three(values: &[f64], count: usize) -> [&[f64]; 3] {
    [&values[..count], &values[1..=count], &values[2..count + 2]]
}

#[cfg(test)]
mod tests {
    use super::super::order::{quantile_sorted, sorted};
    use super::super::quantile_map::QuantileMap;
    use super::*;
    use proptest::prelude::*;

    fn places(count: usize) -> Vec<f64> {
        let step = 1.0 / (count.max(2) - 1) as f64;
        (0..count).map(|place| if place == count - 1 { 1.0 } else { place as f64 * step }).collect()
    }

    /// By quantiles from a full sort, and a search for each value.
    fn by_search(values: &[f64], places: &[f64]) -> Vec<f64> {
        let (sorted, mut most) = (sorted(values), f64::NEG_INFINITY);
        let quantile = |place: &f64| {
            most = quantile_sorted(&sorted, place * 100.0 / 100.0).max(most);
            most
        };
        let quantiles: Vec<f64> = places.iter().map(quantile).collect();
        let map = QuantileMap::new(&quantiles, places).unwrap();
        values.iter().map(|x| map.uniform(*x)).collect()
    }

    fn checked(values: &[f64]) {
        let places = places(values.len());
        let (expected, mut levels) = (by_search(values, &places), values.to_vec());
        assert!(levels_among_themselves(&mut levels, &places));
        let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&levels), bits(&expected), "{values:?}");
    }

    proptest! {
        #[test]
        fn ranks_tell_what_a_search_tells(
            values in proptest::collection::vec(-1e3..1e3f64, 2..=MOST),
            exponent in -300..300i32,
            rounded in any::<bool>(),
        ) {
            let scale = 10f64.powi(exponent);
            // Rounded to eighths of the range, most values come several times.
            let values = values.iter().map(|x| scale * if rounded { (x / 250.0).round() } else { *x });
            let values: Vec<f64> = values.collect();
            checked(&values);
            // Neighbours that only the lowest bits tell apart.
            let near = values.iter().map(|x| f64::from_bits(1f64.to_bits() + (x.to_bits() >> 20 & 0xff)));
            checked(&near.collect::<Vec<_>>());
        }
    }

    #[test]
    fn values_at_the_ends_of_the_range_and_both_zeros() {
        checked(&[f64::MIN / 2.0, f64::MAX / 2.0]);
        checked(&[0.0, 1e308, -5e-324]);
        checked(&[0.0, -0.0, 5e-324, -5e-324, -0.0, 0.0, 1.0]);
        checked(&[7.5; 5]);
        for count in 2..=MOST {
            checked(&(0..count).map(|i| (i as f64 * 0.7).sin()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_too_many_or_too_far_apart_is_left_alone() {
        for values in [vec![1.0], vec![2.0; MOST + 1], vec![1.0, f64::NAN, 3.0], vec![f64::MIN, f64::MAX, 0.0]] {
            let mut same = values.clone();
            assert!(!levels_among_themselves(&mut same, &places(values.len())));
            assert!(same.iter().zip(&values).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }
}
