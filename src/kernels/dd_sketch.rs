//! Quantiles of values that come in any order and in parts, in bounded memory.
//!
//! C. Masson, J. E. Rim and H. K. Lee, DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error
//! Guarantees, VLDB 2019.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How many values fell into each of the buckets whose bounds grow by a factor. Values are numbers; two sketches that
/// saw the same values, in whatever order and parts, are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DdSketch {
    /// By bucket: those of negative values are below 0, zeros are in 0.
    counts: BTreeMap<i32, u64>,
}

impl DdSketch {
    /// How far a quantile may lie from a value of its rank, relative to it.
    pub const RELATIVE_ERROR: f64 = 0.01;
    /// Magnitudes below it count as 0, above its inverse as that.
    const LEAST: f64 = 1e-100;

    /// Adds a value.
    pub fn add(&mut self, value: f64) {
        *self.counts.entry(bucket(value)).or_default() += 1;
    }

    /// Adds the counts of another sketch.
    pub fn merge(&mut self, other: &DdSketch) {
        for (bucket, count) in &other.counts {
            *self.counts.entry(*bucket).or_default() += count;
        }
    }

    /// A value within [`DdSketch::RELATIVE_ERROR`] of the one whose rank is `q` (0 to 1) of all; NaN without values.
    pub fn quantile(&self, q: f64) -> f64 {
        let all: u64 = self.counts.values().sum();
        let rank = (q * all.saturating_sub(1) as f64).floor() as u64;
        let mut seen = 0;
        let found = self.counts.iter().find(|(_, count)| {
            seen += **count;
            seen > rank
        });
        found.map_or(f64::NAN, |(bucket, _)| middle(*bucket))
    }
}

/// The factor from one bucket to the next.
const GROWTH: f64 = (1.0 + DdSketch::RELATIVE_ERROR) / (1.0 - DdSketch::RELATIVE_ERROR);

fn bucket(value: f64) -> i32 {
    let magnitude = value.abs().min(1.0 / DdSketch::LEAST);
    if magnitude < DdSketch::LEAST {
        return 0;
    }
    let place = (magnitude / DdSketch::LEAST).ln() / GROWTH.ln();
    let place = place.ceil() as i32 + 1;
    if value < 0.0 { -place } else { place }
}

/// The value that is nearest, relative to it, to all of a bucket.
fn middle(bucket: i32) -> f64 {
    if bucket == 0 {
        return 0.0;
    }
    let upper = DdSketch::LEAST * GROWTH.powi(bucket.abs() - 1);
    f64::from(bucket.signum()) * upper * 2.0 / (GROWTH + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_the_stated_error_whatever_the_order() {
        let values: Vec<f64> = (-500..1500).map(|i| f64::from(i) * 0.37).collect();
        let mut forth = DdSketch::default();
        let (mut even, mut odd) = (DdSketch::default(), DdSketch::default());
        values.iter().for_each(|x| forth.add(*x));
        values.iter().step_by(2).for_each(|x| odd.add(*x));
        values.iter().skip(1).step_by(2).rev().for_each(|x| even.add(*x));
        even.merge(&odd);
        assert_eq!(forth, even);
        for q in [0.0, 0.1, 0.25, 0.5, 0.9, 0.99, 1.0] {
            let exact = values[(q * (values.len() - 1) as f64) as usize];
            let error = (forth.quantile(q) - exact).abs();
            assert!(error <= exact.abs() * DdSketch::RELATIVE_ERROR * (1.0 + 1e-9), "{q}: {error}");
        }
        assert!(DdSketch::default().quantile(0.5).is_nan());
    }
}
