//! Regression by the nearest rows of the fit.

use super::neighbor_params::NearestPoints;
use super::{Features, Params, Regressor};

/// The rows of the fit, and what they were.
pub struct KNeighborsRegressor {
    points: NearestPoints,
    targets: Vec<f64>,
}

impl Regressor for KNeighborsRegressor {
    const SUMMARY: &'static str = "Predicts the mean of the nearest rows of the fit.";

    fn read(params: &Params<'_>) -> Result<KNeighborsRegressor, String> {
        let points = NearestPoints::read(params)?;
        Ok(KNeighborsRegressor { targets: params.exactly("targets", points.count())?, points })
    }

    fn predict(&self, features: &Features<'_>) -> Vec<f64> {
        let mut predictions = vec![0.0; features.rows];
        self.points.each_row(features, |row, found, weights| {
            let sum: f64 =
                found.iter().zip(weights).map(|(neighbor, weight)| self.targets[neighbor.point] * weight).sum();
            predictions[row] = sum / weights.iter().sum::<f64>();
        });
        predictions
    }
}
