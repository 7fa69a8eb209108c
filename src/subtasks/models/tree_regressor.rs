//! Regression by one tree, or by the mean of a forest.

use super::tree_params::read_trees;
use super::{Accepted, Features, Params, Regressor};
use crate::kernels::trees::Trees;

/// One tree, or the mean of several.
pub struct TreeRegressor {
    trees: Trees<f32>,
    takes_missing: bool,
}

impl Regressor for TreeRegressor {
    const SUMMARY: &'static str = "Predicts the mean of what the leaves of its trees hold.";

    fn read(params: &Params<'_>) -> Result<TreeRegressor, String> {
        Ok(TreeRegressor { trees: read_trees(params, 1)?, takes_missing: params.flag("takes_missing")? })
    }

    fn accepted(&self) -> Accepted<'_> {
        Accepted { missing: self.takes_missing, single: true, ..Accepted::default() }
    }

    fn predict(&self, features: &Features<'_>) -> Vec<f64> {
        let add = |_, leaf: &[f64], sum: &mut [f64]| sum[0] += leaf[0];
        let mut sums = self.trees.totals(&features.columns, features.rows, &[0.0], add).remove(0);
        let count = self.trees.count() as f64;
        sums.iter_mut().for_each(|sum| *sum /= count);
        sums
    }
}
