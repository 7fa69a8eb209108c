//! The accumulator of a group's rows: accumulators add up, in any order, to the same bits.

use std::collections::BTreeMap;

use differential_dataflow::difference::{IsZero, Semigroup};
use ordered_float::OrderedFloat;
use serde::{Deserialize, Serialize};

use super::ScoreAccumulator;
use crate::kernels::dd_sketch::DdSketch;
use crate::kernels::exact_sum::ExactSum;

/// The statistics of a column that must be kept beside the count of its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequiredStatistics {
    /// Whether sums are needed.
    pub sum: bool,
    /// Whether sums of squares are needed.
    pub squares: bool,
    /// Whether minimum and maximum are needed.
    pub extremes: bool,
    /// Whether all values are needed.
    pub values: bool,
    /// Whether sketched quantiles are needed.
    pub sketch: bool,
}

/// The statistics of one column's values, without the missing ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ColumnAccumulator {
    pub count: u64,
    pub sum: ExactSum,
    pub squares: ExactSum,
    pub least: OrderedFloat<f64>,
    pub most: OrderedFloat<f64>,
    /// How often each value occurs.
    pub values: BTreeMap<OrderedFloat<f64>, u64>,
    pub sketch: DdSketch,
}

impl Default for ColumnAccumulator {
    fn default() -> ColumnAccumulator {
        ColumnAccumulator {
            count: 0,
            sum: ExactSum::default(),
            squares: ExactSum::default(),
            least: f64::INFINITY.into(),
            most: f64::NEG_INFINITY.into(),
            values: BTreeMap::new(),
            sketch: DdSketch::default(),
        }
    }
}

impl ColumnAccumulator {
    /// Adds a value, unless it is missing (NaN).
    pub fn add(&mut self, x: f64, wanted: RequiredStatistics) {
        if x.is_nan() {
            return;
        }
        self.count += 1;
        if wanted.sum {
            self.sum.add(x);
        }
        if wanted.squares {
            self.squares.add_product(x, x);
        }
        if wanted.extremes {
            self.least = self.least.min(x.into());
            self.most = self.most.max(x.into());
        }
        if wanted.values {
            *self.values.entry(x.into()).or_default() += 1;
        }
        if wanted.sketch {
            self.sketch.add(x);
        }
    }

    /// Adds another accumulator of the same kind.
    pub fn merge(&mut self, other: &ColumnAccumulator) {
        self.count += other.count;
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
        for (value, times) in &other.values {
            *self.values.entry(*value).or_default() += times;
        }
        self.sketch.merge(&other.sketch);
    }

    /// The quantile as `numpy.quantile` interpolates it; NaN without values.
    pub fn quantile(&self, q: f64) -> f64 {
        if self.count == 0 {
            return f64::NAN;
        }
        let place = q * (self.count - 1) as f64;
        let below = self.nth(place.floor() as u64);
        let share = place.fract();
        if share == 0.0 { below } else { below + (self.nth(place.floor() as u64 + 1) - below) * share }
    }

    /// The value of rank `rank`, from 0.
    fn nth(&self, rank: u64) -> f64 {
        let mut seen = 0;
        let found = self.values.iter().find(|(_, times)| {
            seen += **times;
            seen > rank
        });
        found.map_or(f64::NAN, |(value, _)| value.0)
    }

    /// How many values are beyond Tukey's fences.
    pub fn outliers(&self) -> u64 {
        let (first, third) = (self.quantile(0.25), self.quantile(0.75));
        let reach = 1.5 * (third - first);
        let beyond = |value: f64| value < first - reach || value > third + reach;
        self.values.iter().filter(|(value, _)| beyond(value.0)).map(|(_, times)| times).sum()
    }
}

/// The statistics of rows, column by column. As a difference of differential dataflow, it is what a message adds to a
/// group.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Accumulator {
    /// How many rows there are.
    pub rows: i64,
    /// The statistics of each column.
    pub columns: Vec<ColumnAccumulator>,
    /// The sums of each score.
    pub scores: Vec<ScoreAccumulator>,
}

impl Accumulator {
    /// Adds a row: one value per column.
    pub fn add(&mut self, values: impl Iterator<Item = f64>, wanted: &[RequiredStatistics]) {
        self.rows += 1;
        self.columns.resize_with(wanted.len(), ColumnAccumulator::default);
        for ((column, value), wanted) in self.columns.iter_mut().zip(values).zip(wanted) {
            column.add(value, *wanted);
        }
    }

    /// Holds a number of rows, without statistics; a negative number removes a group.
    pub fn of_rows(rows: i64) -> Accumulator {
        Accumulator { rows, ..Accumulator::default() }
    }
}

impl IsZero for Accumulator {
    /// Rows are only removed all at once.
    fn is_zero(&self) -> bool {
        self.rows == 0
    }
}

impl Semigroup for Accumulator {
    fn plus_equals(&mut self, other: &Accumulator) {
        self.rows += other.rows;
        if self.columns.len() < other.columns.len() {
            self.columns.resize_with(other.columns.len(), ColumnAccumulator::default);
        }
        self.columns.iter_mut().zip(&other.columns).for_each(|(own, other)| own.merge(other));
        if self.scores.len() < other.scores.len() {
            self.scores.resize_with(other.scores.len(), ScoreAccumulator::default);
        }
        self.scores.iter_mut().zip(&other.scores).for_each(|(own, other)| own.merge(other));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: RequiredStatistics =
        RequiredStatistics { sum: true, squares: true, extremes: true, values: true, sketch: true };

    fn summary(rows: &[(f64, f64)]) -> Accumulator {
        let mut summary = Accumulator::default();
        rows.iter().for_each(|(a, b)| summary.add([*a, *b].into_iter(), &[ALL, ALL]));
        summary
    }

    #[test]
    fn a_group_that_is_forgotten_is_zero() {
        let mut all = summary(&[(1.0, 2.0), (3.0, f64::NAN)]);
        all.plus_equals(&Accumulator::of_rows(-3));
        assert!(!all.is_zero());
        all.plus_equals(&summary(&[(5.0, 6.0)]));
        assert!(all.is_zero());
    }

    proptest! {
        #[test]
        fn parts_add_up_in_any_order(
            rows in prop::collection::vec((-1e9..1e9f64, prop::option::of(-5..5i32)), 1..40),
            cut in 0..40usize,
        ) {
            let rows: Vec<(f64, f64)> = rows.into_iter().map(|(a, b)| (a, b.map_or(f64::NAN, f64::from))).collect();
            let cut = cut.min(rows.len());
            let mut parts = summary(&rows[cut..]);
            parts.plus_equals(&summary(&rows[..cut]));
            let whole = summary(&rows);
            let figures = |s: &Accumulator| s.columns.iter().map(|c| {
                let deviations = c.squares.squared_deviations(&c.sum, c.count);
                (c.count, c.sum.value().to_bits(), deviations.to_bits(), c.least, c.most, c.quantile(0.3).to_bits())
            }).collect::<Vec<_>>();
            prop_assert_eq!(figures(&whole), figures(&parts));
        }
    }
}
