//! Regression by support vectors.

use super::support_params::{SupportVectors, one_sum};
use super::{Features, Params, Regressor};

/// A weighted sum of kernels.
pub struct Svr(SupportVectors);

impl Regressor for Svr {
    const SUMMARY: &'static str = "Predicts a weighted sum of kernels of support vectors.";

    fn read(params: &Params<'_>) -> Result<Svr, String> {
        SupportVectors::read(params, 1, one_sum).map(Svr)
    }

    fn predict(&self, features: &Features<'_>) -> Vec<f64> {
        self.0.sums(features).remove(0)
    }
}
