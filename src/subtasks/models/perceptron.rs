//! scikit-learn's `Perceptron`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Classes;
use super::sgd_classification::SgdClassifierParameters;
use super::sgd_method::{Average, PenaltyName, SgdMethod};
use crate::kernels::sgd::{LearningRate, Loss, Sgd};

/// A linear classifier that learns from what it got wrong.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Perceptron {
    /// The labels that the target may have: texts or numbers.
    classes: Option<Classes>,
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
    /// How long steps are.
    eta0: f64,
    /// The seed of NumPy's random numbers.
    random_state: Option<u32>,
    /// What rows of a class count, by its label, such as `{ wet = 2.0 }`; 1 if it is not there.
    class_weight: BTreeMap<String, f64>,
}

impl Default for Perceptron {
    fn default() -> Perceptron {
        Perceptron {
            classes: None,
            penalty: PenaltyName::None,
            alpha: 1e-4,
            l1_ratio: 0.15,
            fit_intercept: true,
            shuffle: true,
            eta0: 1.0,
            random_state: Some(0),
            class_weight: BTreeMap::new(),
        }
    }
}

impl SgdClassifierParameters for Perceptron {
    fn method(&self) -> SgdMethod {
        let sgd = Sgd {
            loss: Loss::Hinge(0.0),
            penalty: self.penalty.penalty(),
            alpha: self.alpha,
            l1_ratio: self.l1_ratio,
            fit_intercept: self.fit_intercept,
            learning_rate: LearningRate::Constant,
            eta0: self.eta0,
            power_t: 0.5,
            average: 0,
        };
        SgdMethod { sgd, shuffle: self.shuffle, random_state: self.random_state, average: Average::default() }
    }

    fn classes(&self) -> Option<&Classes> {
        self.classes.as_ref()
    }

    fn class_weight(&self) -> &BTreeMap<String, f64> {
        &self.class_weight
    }
}
