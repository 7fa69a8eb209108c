//! Regression by a multi-layer perceptron.

use super::network::read_layers;
use super::{Features, Params, Regressor};
use crate::kernels::layers::{Layer, forward};

/// A network with one unit at its end.
pub struct MlpRegressor(Vec<Layer>);

impl Regressor for MlpRegressor {
    const SUMMARY: &'static str = "Predicts by layers of weighted sums.";

    fn read(params: &Params<'_>) -> Result<MlpRegressor, String> {
        read_layers(params, 1).map(MlpRegressor)
    }

    fn predict(&self, features: &Features<'_>) -> Vec<f64> {
        forward(&self.0, &features.columns, features.rows).remove(0)
    }
}
