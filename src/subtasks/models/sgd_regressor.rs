//! scikit-learn's `SGDRegressor`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::sgd_method::{Average, LearningRateName, PenaltyName, SgdMethod};
use super::sgd_regression::SgdRegressorParameters;
use crate::kernels::sgd::{Loss, Sgd};

/// What a prediction costs.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum SgdRegressorLoss {
    SquaredError,
    Huber,
    EpsilonInsensitive,
    SquaredEpsilonInsensitive,
}

/// A linear regressor.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SgdRegressor {
    /// What a prediction costs.
    loss: SgdRegressorLoss,
    /// What large weights cost.
    penalty: PenaltyName,
    /// How much they cost.
    alpha: f64,
    /// The share of L1 in `elasticnet`.
    l1_ratio: f64,
    /// Whether there is an intercept.
    fit_intercept: bool,
    /// Whether the rows of a message are learnt in the order that `random_state` gives; else in their own.
    shuffle: bool,
    /// The distance that costs nothing, or up to which `huber` is quadratic.
    epsilon: f64,
    /// The seed of NumPy's random numbers.
    random_state: Option<u32>,
    /// How long steps are.
    learning_rate: LearningRateName,
    /// The length of the first step.
    eta0: f64,
    /// The exponent of `invscaling`.
    power_t: f64,
    /// Whether the averages of the weights are served, or from which step on.
    average: Average,
}

impl Default for SgdRegressor {
    fn default() -> SgdRegressor {
        SgdRegressor {
            loss: SgdRegressorLoss::SquaredError,
            penalty: PenaltyName::L2,
            alpha: 1e-4,
            l1_ratio: 0.15,
            fit_intercept: true,
            shuffle: true,
            epsilon: 0.1,
            random_state: None,
            learning_rate: LearningRateName::InvScaling,
            eta0: 0.01,
            power_t: 0.25,
            average: Average::default(),
        }
    }
}

impl SgdRegressorParameters for SgdRegressor {
    fn method(&self) -> SgdMethod {
        let loss = match self.loss {
            SgdRegressorLoss::SquaredError => Loss::SquaredError,
            SgdRegressorLoss::Huber => Loss::Huber(self.epsilon),
            SgdRegressorLoss::EpsilonInsensitive => Loss::EpsilonInsensitive(self.epsilon),
            SgdRegressorLoss::SquaredEpsilonInsensitive => Loss::SquaredEpsilonInsensitive(self.epsilon),
        };
        let sgd = Sgd {
            loss,
            penalty: self.penalty.penalty(),
            alpha: self.alpha,
            l1_ratio: self.l1_ratio,
            fit_intercept: self.fit_intercept,
            learning_rate: self.learning_rate.rate(),
            eta0: self.eta0,
            power_t: self.power_t,
            average: self.average.first_step(),
        };
        SgdMethod { sgd, shuffle: self.shuffle, random_state: self.random_state, average: self.average }
    }
}
