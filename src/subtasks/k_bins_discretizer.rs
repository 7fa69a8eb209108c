//! Sorts values into bins.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_column::{ColumnSubtask, Flaw, refuse_not_finite};
use super::frozen::frozen_unless;
use super::{Fault, Fit, Learned, Refusal, Scope, Subtask, Traits, Transform};
use crate::data::Message;
use crate::kernels::order::{self, sorted};

/// Replaces each value by the number of its bin, from 0; a constant column becomes 0.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KBinsDiscretizer {
    /// Bins a column; those narrower than 1e-8 are left out.
    n_bins: usize,
    /// Bins of equal width (`uniform`) or of equally many values (`quantile`).
    strategy: BinStrategy,
    /// How a quantile is taken that lies between two values.
    quantile_method: QuantileMethod,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum BinStrategy {
    #[default]
    Quantile,
    Uniform,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum QuantileMethod {
    #[default]
    AveragedInvertedCdf,
    Linear,
}

impl Default for KBinsDiscretizer {
    fn default() -> KBinsDiscretizer {
        let (strategy, quantile_method) = Default::default();
        KBinsDiscretizer { n_bins: 5, strategy, quantile_method }
    }
}

/// The most bins, so that a mistyped number can't exhaust memory.
const MAX_BINS: usize = 65_536;

impl Subtask for KBinsDiscretizer {
    const EQUALS: &'static str = "sklearn.preprocessing.KBinsDiscretizer(encode='ordinal')";
    const TRAITS: Traits<KBinsDiscretizer> = Traits::by_column().fit();

    fn check(&self) -> Result<(), Refusal> {
        if (2..=MAX_BINS).contains(&self.n_bins) {
            return Ok(());
        }
        Err(Refusal::new("n_bins", format!("from 2 to {MAX_BINS} bins")))
    }
}

impl Fit for KBinsDiscretizer {
    fn fit(&self, message: &Message, scope: &Scope) -> Result<Learned, Fault> {
        scope.refuse(message, refuse_not_finite)?;
        let columns = scope.numbers.iter().map(|slot| self.inner_edges(&sorted(message.column(*slot))));
        Ok(Learned::default().with("inner_edges_", columns.collect::<Vec<_>>()))
    }

    fn freeze(&self, learned: &Learned, columns: usize) -> Result<Transform, String> {
        let columns: Vec<Vec<f64>> = learned.each("inner_edges_", columns)?;
        Ok(frozen_unless(refuse_not_finite, columns.into_iter().map(|edges| move |x| bin(&edges, x))))
    }
}

impl ColumnSubtask for KBinsDiscretizer {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        refuse_not_finite(values)?;
        let edges = self.inner_edges(&sorted(values));
        values.iter_mut().for_each(|x| *x = bin(&edges, *x));
        Ok(())
    }
}

/// The number of edges that a value has reached.
fn bin(edges: &[f64], x: f64) -> f64 {
    edges.partition_point(|edge| *edge <= x) as f64
}

impl KBinsDiscretizer {
    /// The edges between two bins.
    fn inner_edges(&self, sorted: &[f64]) -> Vec<f64> {
        let [low, .., high] = sorted else { return Vec::new() };
        if low == high {
            return Vec::new();
        }
        let edges: Vec<f64> = match self.strategy {
            BinStrategy::Uniform => {
                let (range, n) = (high - low, self.n_bins as f64);
                // NumPy's linspace: where the step is too small for an f64, the range comes last.
                let part = |edge: f64| if range / n == 0.0 { edge / n * range } else { edge * (range / n) };
                return (1..self.n_bins).map(|edge| part(edge as f64) + low).collect();
            }
            BinStrategy::Quantile => (0..=self.n_bins).map(|edge| self.quantile(sorted, edge)).collect(),
        };
        let mut wide = vec![edges[0]];
        wide.extend(edges.windows(2).filter(|pair| pair[1] - pair[0] > 1e-8).map(|pair| pair[1]));
        let last = wide.len().saturating_sub(1).max(1);
        wide.drain(1..).take(last - 1).collect()
    }

    fn quantile(&self, sorted: &[f64], edge: usize) -> f64 {
        // scikit-learn calls NumPy's percentile: times 100 and back rounds.
        let step = 100.0 / self.n_bins as f64;
        let percentile = if edge == self.n_bins { 100.0 } else { edge as f64 * step };
        let q = percentile / 100.0;
        match self.quantile_method {
            QuantileMethod::Linear => order::quantile_sorted(sorted, q),
            QuantileMethod::AveragedInvertedCdf => order::averaged_quantile_sorted(sorted, q),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn equally_many_or_equally_wide() {
        let column = vec![0.0, 1.0, 2.0, 3.0, 100.0];
        let bins = |strategy| KBinsDiscretizer { n_bins: 2, strategy, ..Default::default() };
        assert_eq!(
            applied(&bins(BinStrategy::Quantile), std::slice::from_ref(&column)).unwrap(),
            [[0.0, 0.0, 1.0, 1.0, 1.0]]
        );
        assert_eq!(applied(&bins(BinStrategy::Uniform), &[column]).unwrap(), [[0.0, 0.0, 0.0, 0.0, 1.0]]);
    }

    #[test]
    fn constants_and_narrow_bins() {
        let out = applied(&KBinsDiscretizer::default(), &[vec![3.0; 4], vec![0.0, 0.0, 0.0, 1.0]]).unwrap();
        assert_eq!(out, [[0.0; 4], [0.0, 0.0, 0.0, 0.0]]);
    }
}
