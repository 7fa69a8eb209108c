//! Regression by one tree, or by the mean of a forest.

use super::tree_params::read_some;
use super::{Accepted, Features, Params, Regressor};
use crate::kernels::trees::Trees;

/// `ONE` tree, or the mean of several.
pub struct TreeRegressor<const ONE: bool> {
    trees: Trees<f32>,
    takes_missing: bool,
}

impl<const ONE: bool> Regressor for TreeRegressor<ONE> {
    const SUMMARY: &'static str = "Predicts the mean of what the leaves of its trees hold.";

    fn read(params: &Params<'_>) -> Result<TreeRegressor<ONE>, String> {
        Ok(TreeRegressor { trees: read_some(params, 1, ONE)?, takes_missing: params.flag("takes_missing")? })
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
