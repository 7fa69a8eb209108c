//! scikit-learn's `SGDClassifier`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Classes;
use super::sgd_classification::SgdClassifierParameters;
use super::sgd_method::{Average, LearningRateName, PenaltyName, SgdMethod};
use crate::kernels::sgd::{Loss, Sgd};

/// What a prediction costs.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum SgdClassifierLoss {
    Hinge,
    LogLoss,
    ModifiedHuber,
    SquaredHinge,
    Perceptron,
    SquaredError,
    Huber,
    EpsilonInsensitive,
    SquaredEpsilonInsensitive,
}

/// A linear classifier.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SgdClassifier {
    /// The labels that the target may have: texts or numbers.
    classes: Option<Classes>,
    /// What a prediction costs; `log_loss` and `modified_huber` give probabilities.
    loss: SgdClassifierLoss,
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
    /// What rows of a class count, by its label, such as `{ wet = 2.0 }`; 1 if it is not there.
    class_weight: BTreeMap<String, f64>,
    /// Whether the averages of the weights are served, or from which step on.
    average: Average,
}

impl Default for SgdClassifier {
    fn default() -> SgdClassifier {
        SgdClassifier {
            classes: None,
            loss: SgdClassifierLoss::Hinge,
            penalty: PenaltyName::L2,
            alpha: 1e-4,
            l1_ratio: 0.15,
            fit_intercept: true,
            shuffle: true,
            epsilon: 0.1,
            random_state: None,
            learning_rate: LearningRateName::Optimal,
            eta0: 0.01,
            power_t: 0.5,
            class_weight: BTreeMap::new(),
            average: Average::default(),
        }
    }
}

impl SgdClassifierParameters for SgdClassifier {
    fn method(&self) -> SgdMethod {
        let loss = match self.loss {
            SgdClassifierLoss::Hinge => Loss::Hinge(1.0),
            SgdClassifierLoss::LogLoss => Loss::Logistic,
            SgdClassifierLoss::ModifiedHuber => Loss::ModifiedHuber,
            SgdClassifierLoss::SquaredHinge => Loss::SquaredHinge,
            SgdClassifierLoss::Perceptron => Loss::Hinge(0.0),
            SgdClassifierLoss::SquaredError => Loss::SquaredError,
            SgdClassifierLoss::Huber => Loss::Huber(self.epsilon),
            SgdClassifierLoss::EpsilonInsensitive => Loss::EpsilonInsensitive(self.epsilon),
            SgdClassifierLoss::SquaredEpsilonInsensitive => Loss::SquaredEpsilonInsensitive(self.epsilon),
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

    fn classes(&self) -> Option<&Classes> {
        self.classes.as_ref()
    }

    fn class_weight(&self) -> &BTreeMap<String, f64> {
        &self.class_weight
    }
}
