//! What all regressors share.

use super::{Accepted, Features, Model, ModelOutput, OutputValues, Params};

/// A model that predicts a number a row.
pub trait Regressor: Sized + Send + Sync + 'static {
    /// As [`Model::SUMMARY`].
    const SUMMARY: &'static str;

    /// As [`Model::read`].
    ///
    /// # Errors
    /// As [`Model::read`].
    fn read(params: &Params<'_>) -> Result<Self, String>;

    /// As [`Model::accepted`].
    fn accepted(&self) -> Accepted<'_> {
        Accepted::default()
    }

    /// The predictions, one a row.
    fn predict(&self, features: &Features<'_>) -> Vec<f64>;
}

/// A regressor as a model.
pub struct Regress<R>(pub(super) R);

impl<R: Regressor> Model for Regress<R> {
    const SUMMARY: &'static str = R::SUMMARY;
    const OUTPUTS: &'static [ModelOutput] = &[ModelOutput::Prediction];

    fn read(params: &Params<'_>) -> Result<Regress<R>, String> {
        R::read(params).map(Regress)
    }

    fn accepted(&self) -> Accepted<'_> {
        self.0.accepted()
    }

    fn evaluate(&self, features: &Features<'_>, _: &[ModelOutput]) -> Vec<OutputValues> {
        vec![OutputValues::Numbers(self.0.predict(features))]
    }
}
