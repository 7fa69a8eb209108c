//! scikit-learn's `PassiveAggressiveRegressor`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::sgd_method::{Average, SgdMethod, check_positive};
use super::sgd_regression::SgdRegressorParameters;
use crate::kernels::sgd::{LearningRate, Loss, Sgd};
use crate::subtasks::Refusal;

/// What a prediction costs.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum PassiveAggressiveRegressorLoss {
    EpsilonInsensitive,
    SquaredEpsilonInsensitive,
}

/// A linear regressor that moves as far as each row asks for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PassiveAggressiveRegressor {
    /// The longest step, or, for the squared loss, what regularises it.
    #[serde(rename = "C")]
    c: f64,
    /// Whether there is an intercept.
    fit_intercept: bool,
    /// Whether the rows of a message are learnt in the order that `random_state` gives; else in their own.
    shuffle: bool,
    /// What a prediction costs.
    loss: PassiveAggressiveRegressorLoss,
    /// The distance that costs nothing.
    epsilon: f64,
    /// The seed of NumPy's random numbers.
    random_state: Option<u32>,
    /// Whether the averages of the weights are served, or from which step on.
    average: Average,
}

impl Default for PassiveAggressiveRegressor {
    fn default() -> PassiveAggressiveRegressor {
        PassiveAggressiveRegressor {
            c: 1.0,
            fit_intercept: true,
            shuffle: true,
            loss: PassiveAggressiveRegressorLoss::EpsilonInsensitive,
            epsilon: 0.1,
            random_state: None,
            average: Average::default(),
        }
    }
}

impl SgdRegressorParameters for PassiveAggressiveRegressor {
    fn method(&self) -> SgdMethod {
        let learning_rate = match self.loss {
            PassiveAggressiveRegressorLoss::EpsilonInsensitive => LearningRate::PassiveAggressive1,
            PassiveAggressiveRegressorLoss::SquaredEpsilonInsensitive => LearningRate::PassiveAggressive2,
        };
        let sgd = Sgd {
            average: self.average.first_step(),
            ..Sgd::passive_aggressive(Loss::EpsilonInsensitive(self.epsilon), learning_rate, self.c, self.fit_intercept)
        };
        SgdMethod { sgd, shuffle: self.shuffle, random_state: self.random_state, average: self.average }
    }

    fn check(&self) -> Result<(), Refusal> {
        check_positive("C", self.c)
    }
}
