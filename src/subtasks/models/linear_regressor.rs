//! Linear regressors: scikit-learn computes them alike, however they were fitted.

use super::{Features, Params, Regressor};
use crate::kernels::weighted::weighted_sum;

/// A weighted sum of the columns and an intercept.
pub struct LinearRegressor {
    pub(super) coefficients: Vec<f64>,
    pub(super) intercept: f64,
}

impl Regressor for LinearRegressor {
    const SUMMARY: &'static str = "Predicts a weighted sum of the columns.";

    fn read(params: &Params<'_>) -> Result<LinearRegressor, String> {
        let coefficients = params.exactly("coef_", params.columns)?;
        Ok(LinearRegressor { coefficients, intercept: params.number("intercept_")? })
    }

    fn predict(&self, features: &Features<'_>) -> Vec<f64> {
        weighted_sum(&features.columns, &self.coefficients, self.intercept, features.rows)
    }
}
