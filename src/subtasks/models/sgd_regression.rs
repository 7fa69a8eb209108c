//! Linear regressors that learn by stochastic gradient descent.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::sgd_method::{Lessons, SgdMethod, SgdState};
use super::{Features, Learning, LinearRegressor, ModelOutput, Regress, Target};
use crate::data::Kind;
use crate::subtasks::Refusal;

/// The parameters of such a regressor.
pub trait SgdRegressorParameters: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// How it learns.
    fn method(&self) -> SgdMethod;

    /// Refuses parameters that have a name of their own.
    ///
    /// # Errors
    /// The parameter, and what it must be.
    fn check(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A linear regressor of these parameters.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SgdRegression<P>(P);

impl<P: SgdRegressorParameters> Learning for SgdRegression<P> {
    type Model = Regress<LinearRegressor>;
    type State = SgdState;
    const SUPERVISED: bool = true;

    fn check(&self) -> Result<(), Refusal> {
        self.0.check()?;
        let method = self.0.method();
        let known = matches!(method.sgd.loss, crate::kernels::sgd::Loss::EpsilonInsensitive(_));
        method.check_passive_aggressive("epsilon_insensitive", known)?;
        method.check()
    }

    fn target(&self) -> Target<'_> {
        Target::Number
    }

    fn columns(&self, output: ModelOutput) -> Result<Vec<(String, Kind)>, String> {
        Ok(vec![output.number()])
    }

    fn start(&self, columns: &[String]) -> SgdState {
        self.0.method().start(1, columns.len())
    }

    fn fits(&self, state: &SgdState, columns: &[String]) -> bool {
        state.fits(1, columns.len())
    }

    fn model(&self, state: &SgdState) -> Option<Regress<LinearRegressor>> {
        let averaged = self.0.method().is_averaged(state);
        let model = state.models.first().filter(|_| state.t > 1.0)?;
        let (coefficients, intercept) = model.weights(averaged);
        Some(Regress(LinearRegressor { coefficients, intercept }))
    }

    fn partial_fit(&self, state: &mut SgdState, features: &Features<'_>, targets: &[f64]) -> Result<(), String> {
        self.0.method().epoch(state, &features.columns, &lessons(targets))
    }

    fn unlearnable(&self, state: &SgdState, features: &Features<'_>, targets: &[f64]) -> Vec<usize> {
        self.0.method().overflowing(state, &features.columns, &lessons(targets))
    }
}

fn lessons(targets: &[f64]) -> Lessons {
    Lessons { each: vec![(targets.to_vec(), (1.0, 1.0))], classifies: false }
}
