//! Learning by stochastic gradient descent: what the linear models share that do.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernels::mersenne_twister::MersenneTwister;
use crate::kernels::sgd::{self, Examples, LearningRate, LinearModel, Loss, Penalty, Sgd};
use crate::subtasks::Refusal;

/// What large weights cost.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum PenaltyName {
    #[default]
    L2,
    L1,
    ElasticNet,
    None,
}

/// How long steps are.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LearningRateName {
    Constant,
    Optimal,
    InvScaling,
    Adaptive,
    Pa1,
    Pa2,
}

/// Whether weights are averaged, or from which step on.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(untagged)]
pub enum Average {
    Flag(bool),
    From(u64),
}

impl Default for Average {
    fn default() -> Average {
        Average::Flag(false)
    }
}

impl Average {
    /// The step from which on weights are averaged; 0 for none.
    pub fn first_step(self) -> u64 {
        match self {
            Average::Flag(flag) => flag.into(),
            Average::From(step) => step,
        }
    }
}

impl PenaltyName {
    /// As the kernel knows it.
    pub fn penalty(self) -> Penalty {
        match self {
            PenaltyName::L2 => Penalty::L2,
            PenaltyName::L1 => Penalty::L1,
            PenaltyName::ElasticNet => Penalty::ElasticNet,
            PenaltyName::None => Penalty::None,
        }
    }
}

impl LearningRateName {
    /// As the kernel knows it. `adaptive` shortens steps between epochs, of which a message is but one.
    pub fn rate(self) -> LearningRate {
        match self {
            LearningRateName::Constant | LearningRateName::Adaptive => LearningRate::Constant,
            LearningRateName::Optimal => LearningRate::Optimal,
            LearningRateName::InvScaling => LearningRate::InverseScaling,
            LearningRateName::Pa1 => LearningRate::PassiveAggressive1,
            LearningRateName::Pa2 => LearningRate::PassiveAggressive2,
        }
    }
}

/// How a linear model is descended to, and in which order of a message's rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdMethod {
    pub sgd: Sgd,
    pub shuffle: bool,
    pub random_state: Option<u32>,
    pub average: Average,
}

/// Linear models as they are learnt, one for each class that is told from the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SgdState {
    pub models: Vec<LinearModel>,
    /// The step that comes next.
    pub t: f64,
}

/// What each model is to learn of the rows of a message.
pub struct Lessons {
    /// A target a row; and what rows with one above 0 count, and the others.
    pub each: Vec<(Vec<f64>, (f64, f64))>,
    /// Whether they are the models of a classifier.
    pub classifies: bool,
}

impl Lessons {
    fn rows(&self) -> usize {
        self.each.first().map_or(0, |(targets, _)| targets.len())
    }
}

impl SgdMethod {
    /// Refuses parameters that scikit-learn refuses, and an order that nobody could repeat.
    ///
    /// # Errors
    /// The parameter, and what it must be.
    pub fn check(&self) -> Result<(), Refusal> {
        let Sgd { alpha, l1_ratio, eta0, power_t, learning_rate, loss, .. } = self.sgd;
        let must = |holds: bool, parameter: &'static str, reason: &str| {
            if holds { Ok(()) } else { Err(Refusal::new(parameter, reason)) }
        };
        must(alpha >= 0.0 && alpha.is_finite(), "alpha", "alpha must be a number from 0")?;
        must((0.0..=1.0).contains(&l1_ratio), "l1_ratio", "l1_ratio must be between 0 and 1")?;
        check_positive("eta0", eta0)?;
        must(power_t.is_finite(), "power_t", "power_t must be a finite number")?;
        if let Loss::Huber(epsilon) | Loss::EpsilonInsensitive(epsilon) | Loss::SquaredEpsilonInsensitive(epsilon) =
            loss
        {
            must(epsilon >= 0.0 && epsilon.is_finite(), "epsilon", "epsilon must be a number from 0")?;
        }
        must(self.average != Average::From(0), "average", "average must be true, false or a step from 1")?;
        let reason =
            "alpha must be > 0 since learning_rate is 'optimal'. alpha is used to compute the optimal learning rate.";
        must(alpha > 0.0 || learning_rate != LearningRate::Optimal, "alpha", reason)?;
        let reason = "the order of rows would be random: give random_state = 0, or shuffle = false";
        must(!self.shuffle || self.random_state.is_some(), "shuffle", reason)
    }

    /// Refuses a loss that passive-aggressive steps do not know.
    ///
    /// # Errors
    /// The learning rate, and the loss that it works with.
    pub fn check_passive_aggressive(&self, only: &str, known: bool) -> Result<(), Refusal> {
        let steps = [LearningRate::PassiveAggressive1, LearningRate::PassiveAggressive2];
        match steps.contains(&self.sgd.learning_rate) && !known {
            true => Err(Refusal::new("learning_rate", format!("'pa1' and 'pa2' only work with loss '{only}'."))),
            false => Ok(()),
        }
    }

    /// Models of zeros.
    pub fn start(&self, models: usize, columns: usize) -> SgdState {
        SgdState { models: vec![LinearModel::new(columns); models], t: 1.0 }
    }

    /// The seed of the shuffling generator, which is the one drawn after `drawn` others.
    fn seed(random: &mut MersenneTwister, drawn: usize) -> u32 {
        const MAX_INT: u32 = i32::MAX as u32;
        for _ in 0..drawn {
            random.randint(1..MAX_INT);
        }
        random.randint(0..MAX_INT)
    }

    /// The seeds with which scikit-learn shuffles the rows of a message: that of a regressor, of a classifier of two
    /// classes, or of each class. Each call begins with `random_state` anew.
    fn seeds(&self, models: usize, classifies: bool) -> Vec<u32> {
        let Some(state) = self.random_state.filter(|_| self.shuffle) else { return vec![0; models] };
        let mut random = MersenneTwister::new(state);
        match (classifies, models) {
            (false, _) => vec![SgdMethod::seed(&mut random, 0)],
            (true, 1) => vec![SgdMethod::seed(&mut random, 1)],
            (true, _) => {
                let own: Vec<u32> = (0..models).map(|_| SgdMethod::seed(&mut random, 0)).collect();
                own.into_iter().map(|seed| SgdMethod::seed(&mut MersenneTwister::new(seed), 1)).collect()
            }
        }
    }

    /// The order in which each model learns the rows of a message.
    fn orders(&self, models: usize, rows: usize, classifies: bool) -> impl Iterator<Item = Vec<usize>> {
        let order = move |seed| if self.shuffle { sgd::shuffled(rows, seed) } else { (0..rows).collect() };
        self.seeds(models, classifies).into_iter().map(order)
    }

    /// One epoch of each model over the rows of a message.
    ///
    /// # Errors
    /// In scikit-learn's words, weights that are no longer finite; the state is then unspecified.
    pub fn epoch(&self, state: &mut SgdState, columns: &[&[f64]], lessons: &Lessons) -> Result<(), String> {
        let (rows, t) = (lessons.rows(), state.t);
        let orders = self.orders(state.models.len(), rows, lessons.classifies);
        for ((model, (targets, weights)), order) in state.models.iter_mut().zip(&lessons.each).zip(orders) {
            let examples = Examples { columns, targets, order: &order, weights: *weights };
            self.sgd.epoch(model, &examples, t)?;
        }
        state.t += rows as f64;
        Ok(())
    }

    /// The rows of such an epoch that make the weights of a model overflow.
    pub fn overflowing(&self, state: &SgdState, columns: &[&[f64]], lessons: &Lessons) -> Vec<usize> {
        let orders = self.orders(state.models.len(), lessons.rows(), lessons.classifies);
        let each = state.models.iter().zip(&lessons.each).zip(orders);
        let rows: BTreeSet<usize> = each
            .flat_map(|((model, (targets, weights)), order)| {
                let examples = Examples { columns, targets, order: &order, weights: *weights };
                self.sgd.overflowing(model, &examples, state.t)
            })
            .collect();
        rows.into_iter().collect()
    }

    /// Whether the averages have taken the place of the weights.
    pub fn is_averaged(&self, state: &SgdState) -> bool {
        self.sgd.average > 0 && self.sgd.average as f64 <= state.t - 1.0
    }
}

/// Refuses a number that is not above 0.
///
/// # Errors
/// The parameter, and what it must be.
pub fn check_positive(parameter: &'static str, x: f64) -> Result<(), Refusal> {
    match x > 0.0 && x.is_finite() {
        true => Ok(()),
        false => Err(Refusal::new(parameter, format!("{parameter} must be greater than 0"))),
    }
}

impl SgdState {
    /// Whether it is one of so many models of so many columns.
    pub fn fits(&self, models: usize, columns: usize) -> bool {
        let fits = |model: &LinearModel| model.coefficients.len() == columns && model.average.len() == columns;
        self.models.len() == models && self.models.iter().all(fits)
    }
}
