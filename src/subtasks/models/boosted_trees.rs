//! Trees that add to a first guess: what gradient boosting computes, with or without histograms.

use super::tree_params::read_trees;
use super::{Accepted, Features, Params};
use crate::kernels::trees::Trees;

/// A guess for each score, and trees that add to the scores in turn.
pub(super) struct BoostedTrees {
    trees: Precision,
    guesses: Vec<f64>,
    rate: f64,
    takes_missing: bool,
    takes_infinity: bool,
}

/// How values are compared.
enum Precision {
    Single(Trees<f32>),
    Double(Trees<f64>),
}

impl BoostedTrees {
    /// Reads trees that make so many scores.
    pub fn read(params: &Params<'_>, scores: usize) -> Result<BoostedTrees, String> {
        let trees = if params.choice("precision", &[("single", true), ("double", false)])? {
            Precision::Single(read_trees(params, 1)?)
        } else {
            Precision::Double(read_trees(params, 1)?)
        };
        let count = match &trees {
            Precision::Single(trees) => trees.len(),
            Precision::Double(trees) => trees.len(),
        };
        if count % scores != 0 {
            return Err(format!("node_counts has {count} trees, which are no rounds of {scores}"));
        }
        Ok(BoostedTrees {
            trees,
            guesses: params.exactly("init", scores)?,
            rate: params.number("learning_rate")?,
            takes_missing: params.flag("takes_missing")?,
            takes_infinity: params.flag("takes_infinity")?,
        })
    }

    /// Which values it takes.
    pub fn accepted(&self) -> Accepted {
        let single = matches!(self.trees, Precision::Single(_));
        Accepted { missing: self.takes_missing, infinite: self.takes_infinity, single }
    }

    /// The scores of rows, a column each.
    pub fn scores(&self, features: &Features<'_>) -> Vec<Vec<f64>> {
        let mut scores: Vec<Vec<f64>> = self.guesses.iter().map(|guess| vec![*guess; features.rows]).collect();
        let count = scores.len();
        let rate = self.rate;
        let add = |tree: usize, row: usize, leaf: &[f64]| scores[tree % count][row] += rate * leaf[0];
        match &self.trees {
            Precision::Single(trees) => trees.each_leaf(&features.columns, features.rows, add),
            Precision::Double(trees) => trees.each_leaf(&features.columns, features.rows, add),
        }
        scores
    }
}
