//! Maps columns to a uniform or normal distribution through their quantiles.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_column::{ByColumn, Flaw, refuse_infinite};
use super::learned::frozen;
use super::{Fault, Learned, Learner, Refusal, Scope, Subtask};
use crate::data::{Message, Scratch, from_bytes, to_bytes};
use crate::kernels::{normal, order, sketch::Sketch};

/// How far from an end of the data a value counts as the end itself, for the normal distribution.
const BOUNDS_THRESHOLD: f64 = 1e-7;

/// Maps each value to its place among the quantiles of its column.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QuantileTransformer {
    /// How many quantiles are computed; the number of rows if that is smaller.
    n_quantiles: usize,
    /// The distribution of the result.
    output_distribution: Distribution,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Distribution {
    #[default]
    Uniform,
    Normal,
}

impl Default for QuantileTransformer {
    fn default() -> QuantileTransformer {
        QuantileTransformer { n_quantiles: 1000, output_distribution: Distribution::default() }
    }
}

impl Subtask for QuantileTransformer {
    fn by_column(&self) -> Option<&dyn ByColumn> {
        Some(self)
    }

    fn fit(&self, message: &Message, scope: &Scope) -> Result<Option<Learned>, Fault> {
        scope.refuse(message, refuse_infinite)?;
        let references = self.references(message.rows());
        let quantiles: Vec<Vec<f64>> =
            scope.numbers.iter().map(|slot| quantiles(message.column(*slot), &references).to_vec()).collect();
        Ok(Some(Learned::default().with("references_", &references[..]).with("quantiles_", quantiles)))
    }

    fn freeze(&self, learned: &Learned, columns: usize) -> Result<Arc<dyn Subtask>, String> {
        let quantiles: Vec<Vec<f64>> = learned.each("quantiles_", columns)?;
        let longest = quantiles.iter().map(Vec::len).max().unwrap_or(0);
        let references = learned.numbers("references_", longest)?;
        if quantiles.iter().any(|column| ![0, longest].contains(&column.len())) {
            return Err("quantiles_ has columns of different lengths".into());
        }
        let distribution = self.output_distribution;
        let tables = quantiles.into_iter().map(|column| Table::new(&column, &references));
        Ok(frozen(tables.map(|table| move |x| table.as_ref().map_or(x, |table| table.map(x, distribution)))))
    }

    fn learner(&self) -> Option<Box<dyn Learner>> {
        Some(Box::new(RunningQuantiles { transformer: self.clone(), sketch: Sketch::default(), count: 0 }))
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.n_quantiles > 0 {
            return Ok(());
        }
        Err(Refusal::new("n_quantiles", "at least 1 quantile is needed"))
    }
}

impl ByColumn for QuantileTransformer {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        refuse_infinite(values)?;
        self.transform(values);
        Ok(())
    }
}

/// A sketch of all values so far.
struct RunningQuantiles {
    transformer: QuantileTransformer,
    sketch: Sketch,
    count: usize,
}

impl Learner for RunningQuantiles {
    fn learn_and_transform(&mut self, values: &mut [f64]) {
        self.sketch.extend(values);
        self.count = self.count.saturating_add(values.len());
        let Some(quantiles) = self.sketch.quantiles() else { return };
        let references = self.transformer.references(self.count);
        let all: Scratch<f64> = references.iter().map(|place| quantiles.at(*place)).collect();
        self.transformer.map_by(&all, &references, values);
    }

    fn save(&self) -> Vec<u8> {
        to_bytes(&(self.count, self.sketch.to_bytes()))
    }

    fn load(&mut self, saved: &[u8]) -> Result<(), String> {
        let (count, sketch): (usize, Vec<u8>) = from_bytes(saved)?;
        (self.count, self.sketch) = (count, Sketch::from_bytes(&sketch)?);
        Ok(())
    }
}

/// NumPy's `linspace(0, 1, count)`.
fn linspace(count: usize) -> Scratch<f64> {
    let step = 1.0 / (count.max(2) - 1) as f64;
    let mut places: Scratch<f64> = (0..count).map(|place| place as f64 * step).collect();
    if let [_, .., last] = &mut places[..] {
        *last = 1.0;
    }
    places
}

impl QuantileTransformer {
    /// The places of the quantiles, 0 to 1.
    fn references(&self, rows: usize) -> Scratch<f64> {
        linspace(self.n_quantiles.min(rows).max(1))
    }

    fn transform(&self, column: &mut [f64]) {
        let references = self.references(column.len());
        self.map_by(&quantiles(column, &references), &references, column);
    }

    /// Maps values to their places among quantiles; without any they stay.
    fn map_by(&self, quantiles: &[f64], references: &[f64], column: &mut [f64]) {
        let Some(table) = Table::new(quantiles, references) else { return };
        column.iter_mut().for_each(|x| *x = table.map(*x, self.output_distribution));
    }
}

/// The quantiles of a column; none without a value.
fn quantiles(column: &[f64], references: &[f64]) -> Scratch<f64> {
    let sorted = order::sorted(column);
    if sorted.is_empty() {
        return sorted;
    }
    // scikit-learn asks NumPy for percentiles: the factor rounds. Rounding must not turn the order around.
    let mut most = f64::NEG_INFINITY;
    let mut quantile = |place: &f64| {
        most = order::quantile_sorted(&sorted, place * 100.0 / 100.0).max(most);
        most
    };
    references.iter().map(&mut quantile).collect()
}

/// The distinct quantiles of a column, and a grid over their range that tells about where among them a value lies.
struct Table {
    quantiles: Scratch<f64>,
    /// The places, 0 to 1, of the first and the last that equal each.
    first: Scratch<f64>,
    last: Scratch<f64>,
    /// From each quantile to the next, the rise of the place.
    slopes: Scratch<f64>,
    /// How many quantiles lie in the cells before each cell.
    grid: Scratch<u32>,
    cells_per_unit: f64,
}

impl Table {
    /// Cells a quantile: so that most hold one or none.
    const CELLS: usize = 2;

    /// A table of ascending quantiles and their places; `None` without a quantile.
    fn new(all: &[f64], references: &[f64]) -> Option<Table> {
        let (mut quantiles, mut first, mut last) = (Scratch::default(), Scratch::default(), Scratch::default());
        let mut place = 0;
        for equal in all.chunk_by(|a, b| a == b) {
            quantiles.push(equal[0]);
            first.push(references[place]);
            place += equal.len();
            last.push(references[place - 1]);
        }
        let rise = |(q, (first, last)): (&[f64], (&f64, &f64))| (first - last) / (q[1] - q[0]);
        let slopes = quantiles.windows(2).zip(first.iter().skip(1).zip(last.iter())).map(rise).collect();
        let cells = Self::CELLS * quantiles.len();
        let cells_per_unit = cells as f64 / (quantiles.last()? - quantiles[0]);
        let mut table = Table { quantiles, first, last, slopes, grid: Scratch::default(), cells_per_unit };
        table.grid.resize(cells + 2, 0);
        for place in 0..table.quantiles.len() {
            let cell = table.cell(table.quantiles[place]);
            table.grid[cell + 1] += 1;
        }
        for cell in 1..table.grid.len() {
            table.grid[cell] += table.grid[cell - 1];
        }
        Some(table)
    }

    fn map(&self, x: f64, distribution: Distribution) -> f64 {
        match distribution {
            Distribution::Uniform => self.uniform(x),
            Distribution::Normal => self.normal(x),
        }
    }

    /// The cell of a value; of two values the greater one never lies in a lower cell.
    fn cell(&self, x: f64) -> usize {
        (((x - self.quantiles[0]) * self.cells_per_unit) as usize).min(self.grid.len() - 2)
    }

    fn ends(&self) -> (f64, f64) {
        (self.quantiles[0], self.quantiles[self.quantiles.len() - 1])
    }

    fn uniform(&self, x: f64) -> f64 {
        let (low, high) = self.ends();
        if x.is_nan() {
            x
        } else if x == low {
            0.0
        } else if x == high {
            1.0
        } else {
            self.place(x)
        }
    }

    fn normal(&self, x: f64) -> f64 {
        if x.is_nan() {
            return x;
        }
        let (low, high) = self.ends();
        let place = if x - BOUNDS_THRESHOLD < low {
            0.0
        } else if x + BOUNDS_THRESHOLD > high {
            1.0
        } else {
            self.place(x)
        };
        let edge = BOUNDS_THRESHOLD - f64::EPSILON;
        normal::quantile(place).clamp(normal::quantile(edge), normal::quantile(1.0 - edge))
    }

    /// The mean of the interpolations from below and from above: they differ where quantiles repeat.
    fn place(&self, x: f64) -> f64 {
        let q = &self.quantiles;
        let Some(below) = self.last_at_most(x) else { return self.first[0] };
        if q[below] == x {
            return 0.5 * (self.last[below] + self.first[below]);
        }
        let Some(above) = q.get(below + 1) else { return self.last[below] };
        let (low, high, slope) = (self.last[below], self.first[below + 1], self.slopes[below]);
        let upwards = slope * (x - q[below]) + low;
        let downwards = slope * (above - x) - high;
        0.5 * (upwards - downwards)
    }

    /// The last quantile that is not above `x`.
    fn last_at_most(&self, x: f64) -> Option<usize> {
        let cell = self.cell(x);
        let (start, end) = (self.grid[cell] as usize, self.grid[cell + 1] as usize);
        (start + self.quantiles[start..end].partition_point(|quantile| *quantile <= x)).checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;
    use proptest::prelude::*;

    #[test]
    fn ties_take_the_middle_of_their_places() {
        let out = applied(&QuantileTransformer::default(), &[vec![0.0, 1.0, 1.0, 1.0, 2.0]]).unwrap();
        assert_eq!(out, [[0.0, 0.5, 0.5, 0.5, 1.0]]);
    }

    #[test]
    fn a_single_quantile_has_nothing_above_it() {
        let subtask = QuantileTransformer { n_quantiles: 1, ..Default::default() };
        assert_eq!(applied(&subtask, &[vec![3.0, 1.0, 2.0]]).unwrap(), [[0.0; 3]]);
    }

    #[test]
    fn over_the_stream_places_are_those_among_all_values() {
        let mut learner = QuantileTransformer::default().learner().unwrap();
        learner.learn_and_transform(&mut (0..50_000).map(f64::from).collect::<Vec<_>>());
        let mut values: Vec<f64> = (50_000..100_000).map(f64::from).collect();
        learner.learn_and_transform(&mut values);
        for (row, place) in values.iter().enumerate() {
            // Beside the sketch's error, the distance of two of the 1000 quantiles.
            assert!((place - (50_000 + row) as f64 / 99_999.0).abs() < Sketch::RANK_ERROR + 1e-3, "{row}: {place}");
        }
    }

    #[test]
    fn the_ends_of_the_normal_distribution_are_finite() {
        let subtask = QuantileTransformer { output_distribution: Distribution::Normal, ..Default::default() };
        let out = applied(&subtask, &[vec![1.0, 2.0, 3.0]]).unwrap();
        assert!((out[0][0] + 5.199337582605575).abs() < 1e-9 && out[0][1].abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn order_is_kept(column in proptest::collection::vec(-1e3..1e3f64, 1..200), n in 1usize..50) {
            let subtask = QuantileTransformer { n_quantiles: n, ..Default::default() };
            let mut pairs: Vec<(f64, f64)> = column.clone().into_iter()
                .zip(applied(&subtask, &[column]).unwrap().remove(0)).collect();
            pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
            prop_assert!(pairs.windows(2).all(|pair| pair[0].1 <= pair[1].1 + 1e-12));
        }
    }
}
