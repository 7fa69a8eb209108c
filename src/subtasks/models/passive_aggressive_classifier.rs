//! scikit-learn's `PassiveAggressiveClassifier`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Classes;
use super::sgd_classification::SgdClassifierParameters;
use super::sgd_method::{Average, SgdMethod, check_positive};
use crate::kernels::sgd::{LearningRate, Loss, Sgd};
use crate::subtasks::Refusal;

/// What a prediction costs.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum PassiveAggressiveClassifierLoss {
    Hinge,
    SquaredHinge,
}

/// A linear classifier that moves as far as each row asks for.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PassiveAggressiveClassifier {
    /// The labels that the target may have: texts or numbers.
    classes: Option<Classes>,
    /// The longest step, or, for the squared loss, what regularises it.
    #[serde(rename = "C")]
    c: f64,
    /// Whether there is an intercept.
    fit_intercept: bool,
    /// Whether the rows of a message are learnt in the order that `random_state` gives; else in their own.
    shuffle: bool,
    /// What a prediction costs.
    loss: PassiveAggressiveClassifierLoss,
    /// The seed of NumPy's random numbers.
    random_state: Option<u32>,
    /// What rows of a class count, by its label, such as `{ wet = 2.0 }`; 1 if it is not there.
    class_weight: BTreeMap<String, f64>,
    /// Whether the averages of the weights are served, or from which step on.
    average: Average,
}

impl Default for PassiveAggressiveClassifier {
    fn default() -> PassiveAggressiveClassifier {
        PassiveAggressiveClassifier {
            classes: None,
            c: 1.0,
            fit_intercept: true,
            shuffle: true,
            loss: PassiveAggressiveClassifierLoss::Hinge,
            random_state: None,
            class_weight: BTreeMap::new(),
            average: Average::default(),
        }
    }
}

impl SgdClassifierParameters for PassiveAggressiveClassifier {
    fn method(&self) -> SgdMethod {
        let learning_rate = match self.loss {
            PassiveAggressiveClassifierLoss::Hinge => LearningRate::PassiveAggressive1,
            PassiveAggressiveClassifierLoss::SquaredHinge => LearningRate::PassiveAggressive2,
        };
        let sgd = Sgd {
            average: self.average.first_step(),
            ..Sgd::passive_aggressive(Loss::Hinge(1.0), learning_rate, self.c, self.fit_intercept)
        };
        SgdMethod { sgd, shuffle: self.shuffle, random_state: self.random_state, average: self.average }
    }

    fn check(&self) -> Result<(), Refusal> {
        check_positive("C", self.c)
    }

    fn classes(&self) -> Option<&Classes> {
        self.classes.as_ref()
    }

    fn class_weight(&self) -> &BTreeMap<String, f64> {
        &self.class_weight
    }
}
