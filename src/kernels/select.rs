//! Finding and replacing values, with the widest vector instructions of the machine.

use multiversion::multiversion;

use super::moments::LANES;
use crate::pool::Scratch;

/// Values that stay in the L1 cache while they are read several times.
pub const BLOCK: usize = 1024;

/// The first index from `start` on whose value is missing.
pub fn next_missing(values: &[f64], start: usize) -> Option<usize> {
    let rest = &values[start..];
    let clear = if rest.len() > LANES { LANES * chunks_without_missing(rest) } else { 0 };
    rest[clear..].iter().position(|x| x.is_nan()).map(|place| start + clear + place)
}

/// How many whole chunks of [`LANES`] values stand before the first that has a missing one.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn chunks_without_missing(values: &[f64]) -> usize {
    let (chunks, _) = values.as_chunks::<LANES>();
    let missing = |chunk: &[f64; LANES]| chunk.iter().fold(false, |any, x| any | x.is_nan());
    // Four at a time: a branch for each would take longer than the comparisons.
    let (fours, _) = chunks.as_chunks::<4>();
    let clear = 4 * fours.iter().take_while(|four| !four.iter().fold(false, |any, chunk| any | missing(chunk))).count();
    clear + chunks[clear..].iter().take_while(|chunk| !missing(chunk)).count()
}

/// Where runs of missing values start and end, in turn.
pub fn missing_runs(values: &[f64]) -> Scratch<usize> {
    let mut edges = Scratch::default();
    push_runs(&mut edges, values);
    edges
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn push_runs(edges: &mut Vec<usize>, values: &[f64]) {
    let (words, rest) = values.as_chunks::<64>();
    let mut before = false;
    for (word, start) in words.iter().zip((0..).step_by(64)) {
        before = push_edges(edges, missing_bits(word), before, start);
    }
    // Behind the last value no bit is set: there a run ends.
    let bits = rest.iter().rev().fold(0, |bits, x| bits << 1 | u64::from(x.is_nan()));
    push_edges(edges, bits, before, 64 * words.len());
}

/// Adds the indices where bits differ from the bit before them; whether the last one is set.
#[inline(always)]
fn push_edges(edges: &mut Vec<usize>, bits: u64, before: bool, start: usize) -> bool {
    let mut changes = bits ^ (bits << 1 | u64::from(before));
    while changes != 0 {
        edges.push(start + changes.trailing_zeros() as usize);
        changes &= changes - 1;
    }
    bits >> 63 == 1
}

/// A bit a value, set where it is missing.
#[inline(always)]
fn missing_bits(values: &[f64; 64]) -> u64 {
    (0..64).fold(0, |bits, place| bits | u64::from(values[place].is_nan()) << place)
}

/// Whether a value is missing or infinite.
pub fn any_not_finite(values: &[f64]) -> bool {
    if values.len() > LANES { wide_any_not_finite(values) } else { values.iter().any(|x| !x.is_finite()) }
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn wide_any_not_finite(values: &[f64]) -> bool {
    values.iter().fold(false, |any, x| any | !x.is_finite())
}

/// Counts at each index whether the value there is missing.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
pub fn count_missing(values: &[f64], counts: &mut [u32]) {
    counts.iter_mut().zip(values).for_each(|(count, x)| *count += u32::from(x.is_nan()));
}

/// Replaces missing values.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
pub fn fill_missing(values: &mut [f64], value: f64) {
    values.iter_mut().for_each(|x| *x = if x.is_nan() { value } else { *x });
}

/// Replaces values that equal one of `to_replace`.
pub fn replace(values: &mut [f64], to_replace: &[f64], value: f64) {
    if values.len() > LANES {
        return wide_replace(values, to_replace, value);
    }
    values.iter_mut().filter(|x| to_replace.contains(x)).for_each(|x| *x = value);
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn wide_replace(values: &mut [f64], to_replace: &[f64], value: f64) {
    for block in values.chunks_mut(BLOCK) {
        for old in to_replace {
            // A replaced value may be replaced again, by the same one.
            block.iter_mut().for_each(|x| *x = if x == old { value } else { *x });
        }
    }
}

/// Maps values above a threshold to 1 and all others to 0, block by block up to one with a value that is missing or
/// infinite; whether there was none.
pub fn binarize(values: &mut [f64], threshold: f64) -> bool {
    for block in values.chunks_mut(BLOCK) {
        if any_not_finite(block) {
            return false;
        }
        above(block, threshold);
    }
    true
}

fn above(values: &mut [f64], threshold: f64) {
    if values.len() > LANES {
        return wide_above(values, threshold);
    }
    values.iter_mut().for_each(|x| *x = f64::from(*x > threshold));
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn wide_above(values: &mut [f64], threshold: f64) {
    values.iter_mut().for_each(|x| *x = if *x > threshold { 1.0 } else { 0.0 });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn column() -> impl Strategy<Value = Vec<f64>> {
        proptest::collection::vec(prop_oneof![8 => -3..3i32, 1 => Just(99)], 0..150)
            .prop_map(|values| values.into_iter().map(|x| if x == 99 { f64::NAN } else { f64::from(x) }).collect())
    }

    proptest! {
        #[test]
        fn missing_values_are_found_and_counted(values in column(), start in 0usize..150) {
            let start = start.min(values.len());
            let expected = (start..values.len()).find(|place| values[*place].is_nan());
            prop_assert_eq!(next_missing(&values, start), expected);
            let mut counts = vec![1; values.len()];
            count_missing(&values, &mut counts);
            prop_assert!(counts.iter().zip(&values).all(|(count, x)| *count == 1 + u32::from(x.is_nan())));
            prop_assert_eq!(any_not_finite(&values), values.iter().any(|x| x.is_nan()));
            let changes = (0..=values.len()).filter(|place| {
                let missing = |place: usize| values.get(place).is_some_and(|x| x.is_nan());
                missing(*place) != place.checked_sub(1).is_some_and(missing)
            });
            prop_assert!(changes.eq(missing_runs(&values).iter().copied()));
        }

        #[test]
        fn few_values_are_replaced_as_many(values in column()) {
            let (mut together, mut apart) = (values.clone(), values.clone());
            replace(&mut together, &[1.0, -2.0], 7.0);
            apart.chunks_mut(3).for_each(|chunk| replace(chunk, &[1.0, -2.0], 7.0));
            let expected = values.iter().map(|x| if [1.0, -2.0].contains(x) { 7.0 } else { *x });
            let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&together), expected.map(f64::to_bits).collect::<Vec<_>>());
            prop_assert_eq!(bits(&together), bits(&apart));
        }
    }

    #[test]
    fn infinity_ends_a_binarization() {
        let mut values = vec![0.5; 3 * BLOCK];
        assert!(binarize(&mut values, 0.0) && values.iter().all(|x| *x == 1.0));
        values[2 * BLOCK + 7] = f64::INFINITY;
        assert!(!binarize(&mut values, 2.0));
        assert_eq!((values[0], values[2 * BLOCK + 7]), (0.0, f64::INFINITY));
    }
}
