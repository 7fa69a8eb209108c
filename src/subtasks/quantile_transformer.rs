//! Maps columns to a uniform or normal distribution through their quantiles.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_column::{ColumnSubtask, Flaw, one_by_one, refuse_infinite, refuse_row};
use super::frozen::frozen;
use super::{Fault, Fit, Learned, Learner, PartialFit, Refusal, Scope, Subtask, Traits, Transform};
use crate::data::{Message, from_bytes, to_bytes};
use crate::kernels::own_levels::levels_among_themselves;
use crate::kernels::quantile_map::QuantileMap;
use crate::kernels::{kll_sketch::KllSketch, order};
use crate::pool::Scratch;

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

impl Distribution {
    /// The value of this distribution at the quantile level of `x` in the column.
    fn value(self, map: &QuantileMap, x: f64) -> f64 {
        match self {
            Distribution::Uniform => map.uniform(x),
            Distribution::Normal => map.normal(x),
        }
    }

    /// The same for each value of a column.
    fn map_all(self, map: &mut QuantileMap, column: &mut [f64]) {
        match self {
            Distribution::Uniform => map.uniform_all(column),
            Distribution::Normal => column.iter_mut().for_each(|x| *x = map.normal(*x)),
        }
    }
}

impl Default for QuantileTransformer {
    fn default() -> QuantileTransformer {
        QuantileTransformer { n_quantiles: 1000, output_distribution: Distribution::default() }
    }
}

impl Subtask for QuantileTransformer {
    const EQUALS: &'static str = "sklearn.preprocessing.QuantileTransformer(subsample=None)";
    const TRAITS: Traits<QuantileTransformer> = Traits::by_column().fit().partial_fit();

    fn check(&self) -> Result<(), Refusal> {
        if self.n_quantiles > 0 {
            return Ok(());
        }
        Err(Refusal::new("n_quantiles", "at least 1 quantile is needed"))
    }
}

impl Fit for QuantileTransformer {
    fn fit(&self, message: &Message, scope: &Scope) -> Result<Learned, Fault> {
        scope.refuse(message, refuse_infinite)?;
        let references = self.references(message.rows());
        let quantiles: Vec<Vec<f64>> =
            scope.numbers.iter().map(|slot| quantiles(message.column(*slot), &references).to_vec()).collect();
        Ok(Learned::default().with("references_", &references[..]).with("quantiles_", quantiles))
    }

    fn freeze(&self, learned: &Learned, columns: usize) -> Result<Transform, String> {
        let quantiles: Vec<Vec<f64>> = learned.each("quantiles_", columns)?;
        let longest = quantiles.iter().map(Vec::len).max().unwrap_or(0);
        let references = learned.numbers("references_", longest)?;
        if quantiles.iter().any(|column| ![0, longest].contains(&column.len())) {
            return Err("quantiles_ has columns of different lengths".into());
        }
        let distribution = self.output_distribution;
        let maps = quantiles.into_iter().map(|column| QuantileMap::new(&column, &references));
        Ok(frozen(maps.map(|map| move |x| map.as_ref().map_or(x, |map| distribution.value(map, x)))))
    }
}

impl PartialFit for QuantileTransformer {
    fn learner(&self) -> Box<dyn Learner> {
        Box::new(RunningQuantileMap { transformer: self.clone(), sketch: KllSketch::default(), count: 0 })
    }
}

impl ColumnSubtask for QuantileTransformer {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        refuse_infinite(values)?;
        self.transform(values);
        Ok(())
    }

    fn apply_row(&self, values: &mut [f64]) -> Result<(), (usize, Flaw)> {
        if self.output_distribution == Distribution::Normal {
            return one_by_one(self, values);
        }
        refuse_row(values, refuse_infinite)?;
        // The only value of a column is the least one, whose level is 0.
        values.iter_mut().for_each(|x| *x = if x.is_nan() { *x } else { 0.0 });
        Ok(())
    }
}

/// A sketch of all values so far.
struct RunningQuantileMap {
    transformer: QuantileTransformer,
    sketch: KllSketch,
    count: usize,
}

impl Learner for RunningQuantileMap {
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
        (self.count, self.sketch) = (count, KllSketch::from_bytes(&sketch)?);
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
    /// The levels of the quantiles, 0 to 1: scikit-learn's `references_`.
    fn references(&self, rows: usize) -> Scratch<f64> {
        linspace(self.n_quantiles.min(rows).max(1))
    }

    fn transform(&self, column: &mut [f64]) {
        let references = self.references(column.len());
        if self.output_distribution == Distribution::Uniform && levels_among_themselves(column, &references) {
            return;
        }
        self.map_by(&quantiles(column, &references), &references, column);
    }

    /// Maps values by the quantiles and their levels; without a quantile, values stay.
    fn map_by(&self, quantiles: &[f64], references: &[f64], column: &mut [f64]) {
        let Some(mut map) = QuantileMap::new(quantiles, references) else { return };
        self.output_distribution.map_all(&mut map, column);
    }
}

/// The quantiles of a column; none without a value.
fn quantiles(column: &[f64], references: &[f64]) -> Scratch<f64> {
    let sorted = order::sorted(column);
    if sorted.is_empty() {
        return sorted;
    }
    // scikit-learn calls NumPy's percentile: times 100 and back rounds. Quantiles must ascend despite it.
    let mut most = f64::NEG_INFINITY;
    let mut quantile = |place: &f64| {
        most = order::quantile_sorted(&sorted, place * 100.0 / 100.0).max(most);
        most
    };
    references.iter().map(&mut quantile).collect()
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
        let mut learner = QuantileTransformer::default().learner();
        learner.learn_and_transform(&mut (0..50_000).map(f64::from).collect::<Vec<_>>());
        let mut values: Vec<f64> = (50_000..100_000).map(f64::from).collect();
        learner.learn_and_transform(&mut values);
        for (row, place) in values.iter().enumerate() {
            // The sketch's error, and the distance between two of the 1000 quantiles.
            assert!((place - (50_000 + row) as f64 / 99_999.0).abs() < KllSketch::RANK_ERROR + 1e-3, "{row}: {place}");
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
