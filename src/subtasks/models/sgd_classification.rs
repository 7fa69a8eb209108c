//! Linear classifiers that learn by stochastic gradient descent: a model for each class, or one for two.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::classifier::columns_of;
use super::linear_classifier::Probability;
use super::sgd_method::{Lessons, SgdMethod, SgdState};
use super::{Classes, Classify, Features, Learning, LinearClassifier, ModelOutput, Target};
use crate::data::Kind;
use crate::kernels::sgd::Loss;
use crate::subtasks::Refusal;

/// The parameters of such a classifier.
pub trait SgdClassifierParameters: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// How it learns.
    fn method(&self) -> SgdMethod;

    /// Refuses parameters that have a name of their own.
    ///
    /// # Errors
    /// The parameter, and what it must be.
    fn check(&self) -> Result<(), Refusal> {
        Ok(())
    }

    /// Its classes, if they are named.
    fn classes(&self) -> Option<&Classes>;

    /// What rows of a class count, by its label; 1 if it is not there.
    fn class_weight(&self) -> &BTreeMap<String, f64>;
}

/// A linear classifier of these parameters.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SgdClassification<P>(P);

/// What scikit-learn keeps of the intercepts while it averages is one array under two names.
#[derive(Clone, Serialize, Deserialize)]
pub struct ClassificationState {
    sgd: SgdState,
    /// Whether `intercept_` has become the array of the averages.
    averaged: bool,
}

impl<P: SgdClassifierParameters> SgdClassification<P> {
    /// How many classes there are: those of a file were counted when it was read.
    fn count(&self) -> usize {
        self.0.classes().map_or(0, Classes::count)
    }

    fn models(&self) -> usize {
        if self.count() == 2 { 1 } else { self.count() }
    }

    fn probability(&self) -> Probability {
        match self.0.method().sgd.loss {
            Loss::Logistic => Probability::Logistic,
            Loss::ModifiedHuber => Probability::ModifiedHuber,
            _ => Probability::None,
        }
    }

    /// Each class against the others, or the second of two against the first.
    fn lessons(&self, targets: &[f64]) -> Lessons {
        let negative = if self.0.method().sgd.loss == Loss::Logistic { 0.0 } else { -1.0 };
        let against = |class: usize| {
            let target = |label: &f64| if *label == class as f64 { 1.0 } else { negative };
            targets.iter().map(target).collect::<Vec<f64>>()
        };
        let classes = if self.count() == 2 { 1..2 } else { 0..self.count() };
        Lessons { each: classes.map(against).zip(self.weights()).collect(), classifies: true }
    }

    /// What the rows of each model's class count, and the others.
    fn weights(&self) -> Vec<(f64, f64)> {
        let of = |name: &str| self.0.class_weight().get(name).copied().unwrap_or(1.0);
        let each: Vec<f64> = self.0.classes().into_iter().flat_map(Classes::names).map(of).collect();
        match &each[..] {
            [first, second] => vec![(*second, *first)],
            all => all.iter().map(|weight| (*weight, 1.0)).collect(),
        }
    }
}

impl<P: SgdClassifierParameters> Learning for SgdClassification<P> {
    type Model = Classify<LinearClassifier>;
    type State = ClassificationState;
    const SUPERVISED: bool = true;

    fn check(&self) -> Result<(), Refusal> {
        self.0.check()?;
        let method = self.0.method();
        method.check_passive_aggressive("hinge", method.sgd.loss == Loss::Hinge(1.0))?;
        let names: Vec<&str> = self.0.classes().into_iter().flat_map(Classes::names).collect();
        for (name, weight) in self.0.class_weight() {
            if !names.contains(&name.as_str()) {
                let reason = format!("{name} is none of the classes {}", names.join(", "));
                return Err(Refusal::new("class_weight", reason));
            }
            if !(*weight >= 0.0 && weight.is_finite()) {
                return Err(Refusal::new("class_weight", format!("the weight of {name} must be a number from 0")));
            }
        }
        method.check()
    }

    fn target(&self) -> Target<'_> {
        Target::Class(self.0.classes())
    }

    fn columns(&self, output: ModelOutput) -> Result<Vec<(String, Kind)>, String> {
        if output == ModelOutput::Probability && self.probability() == Probability::None {
            return Err("probability needs loss = \"log_loss\" or \"modified_huber\"".into());
        }
        Ok(self.0.classes().map_or_else(Vec::new, |classes| columns_of(classes, output)))
    }

    fn start(&self, columns: &[String]) -> ClassificationState {
        ClassificationState { sgd: self.0.method().start(self.models(), columns.len()), averaged: false }
    }

    fn fits(&self, state: &ClassificationState, columns: &[String]) -> bool {
        state.sgd.fits(self.models(), columns.len())
    }

    fn model(&self, ClassificationState { sgd, averaged }: &ClassificationState) -> Option<Classify<LinearClassifier>> {
        let classes = self.0.classes().filter(|_| sgd.t > 1.0)?;
        let (coefficients, intercepts) = sgd.models.iter().map(|model| model.weights(*averaged)).unzip();
        let classifier = LinearClassifier { coefficients, intercepts, probability: self.probability() };
        Some(Classify::new(classifier, classes.clone()))
    }

    fn partial_fit(
        &self,
        state: &mut ClassificationState,
        features: &Features<'_>,
        targets: &[f64],
    ) -> Result<(), String> {
        let (method, binary) = (self.0.method(), self.count() == 2);
        let before: Vec<f64> = state.sgd.models.iter().map(|model| model.intercept).collect();
        method.epoch(&mut state.sgd, &features.columns, &self.lessons(targets))?;
        let was_averaged = std::mem::replace(&mut state.averaged, method.is_averaged(&state.sgd));
        for (model, before) in state.sgd.models.iter_mut().zip(before) {
            match (binary, was_averaged, state.averaged) {
                // scikit-learn forgets the intercept that goes with the weights as soon as the averages are served.
                (true, _, true) => model.intercept = before,
                // Of several classes, it writes it over the average.
                (false, true, _) => {
                    model.average_intercept = model.intercept;
                    model.intercept = before;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn unlearnable(&self, state: &ClassificationState, features: &Features<'_>, targets: &[f64]) -> Vec<usize> {
        self.0.method().overflowing(&state.sgd, &features.columns, &self.lessons(targets))
    }
}
