//! Regression by gradient boosting.

use super::boosted_trees::BoostedTrees;
use super::{Accepted, Features, Params, Regressor};

/// Boosted trees whose score is the prediction, or its logarithm.
pub struct BoostedRegressor {
    trees: BoostedTrees,
    /// Whether the score is a logarithm, as of counts.
    logarithm: bool,
}

impl Regressor for BoostedRegressor {
    const SUMMARY: &'static str = "Predicts a first guess and what trees add to it.";

    fn read(params: &Params<'_>) -> Result<BoostedRegressor, String> {
        let logarithm = params.choice("link", &[("identity", false), ("log", true)])?;
        Ok(BoostedRegressor { trees: BoostedTrees::read(params, 1)?, logarithm })
    }

    fn accepted(&self) -> Accepted<'_> {
        self.trees.accepted()
    }

    fn predict(&self, features: &Features<'_>) -> Vec<f64> {
        let mut scores = self.trees.scores(features).remove(0);
        if self.logarithm {
            scores.iter_mut().for_each(|score| *score = score.exp());
        }
        scores
    }
}
