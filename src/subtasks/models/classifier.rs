//! What all classifiers share.

use super::{Accepted, Classes, Features, Model, ModelOutput, OutputValues, Params};
use crate::data::Kind;

/// What a classifier finds of rows; what is not asked for may be empty.
#[derive(Default)]
pub struct Judged {
    /// The number of each row's class.
    pub classes: Vec<usize>,
    /// A column for each class.
    pub probabilities: Vec<Vec<f64>>,
    /// One column, or one for each of more than two classes.
    pub decisions: Vec<Vec<f64>>,
}

/// A model that predicts a class a row.
pub trait Classifier: Sized + Send + Sync + 'static {
    /// As [`Model::SUMMARY`].
    const SUMMARY: &'static str;
    /// As [`Model::OUTPUTS`].
    const OUTPUTS: &'static [ModelOutput];
    /// How many classes it tells apart at the least.
    const MIN_CLASSES: usize = 1;

    /// As [`Model::read`].
    ///
    /// # Errors
    /// As [`Model::read`].
    fn read(params: &Params<'_>, classes: usize) -> Result<Self, String>;

    /// As [`Model::accepted`].
    fn accepted(&self) -> Accepted<'_> {
        Accepted::default()
    }

    /// Why it cannot say one of [`Classifier::OUTPUTS`], if so.
    fn lacks(&self, _: ModelOutput) -> Option<&'static str> {
        None
    }

    /// What it finds of rows; what `outputs` do not name may be left out.
    fn judge(&self, features: &Features<'_>, outputs: &[ModelOutput]) -> Judged;
}

/// A classifier as a model.
pub struct Classify<C> {
    classifier: C,
    classes: Classes,
}

impl<C> Classify<C> {
    /// A classifier of these classes.
    pub(super) fn new(classifier: C, classes: Classes) -> Classify<C> {
        Classify { classifier, classes }
    }
}

/// The columns of one output of a classifier of these classes.
pub(super) fn columns_of(classes: &Classes, output: ModelOutput) -> Vec<(String, Kind)> {
    match output {
        ModelOutput::Prediction => vec![(output.name().into(), classes.kind())],
        ModelOutput::Decision if classes.count() <= 2 => vec![output.number()],
        _ => output.of_each(classes.names()),
    }
}

impl<C: Classifier> Model for Classify<C> {
    const SUMMARY: &'static str = C::SUMMARY;
    const OUTPUTS: &'static [ModelOutput] = C::OUTPUTS;

    fn read(params: &Params<'_>) -> Result<Classify<C>, String> {
        let classes = Classes::read(params)?;
        if classes.count() < C::MIN_CLASSES {
            return Err(format!("classes_ has fewer than {} classes", C::MIN_CLASSES));
        }
        Ok(Classify { classifier: C::read(params, classes.count())?, classes })
    }

    fn accepted(&self) -> Accepted<'_> {
        self.classifier.accepted()
    }

    fn columns(&self, output: ModelOutput) -> Result<Vec<(String, Kind)>, String> {
        if let Some(reason) = self.classifier.lacks(output) {
            return Err(format!("it has no {}: {reason}", output.name()));
        }
        Ok(columns_of(&self.classes, output))
    }

    fn evaluate(&self, features: &Features<'_>, outputs: &[ModelOutput]) -> Vec<OutputValues> {
        let Judged { classes, mut probabilities, mut decisions } = self.classifier.judge(features, outputs);
        let mut all = Vec::new();
        for output in outputs {
            match output {
                ModelOutput::Prediction => all.push(self.classes.labels(&classes)),
                ModelOutput::Probability => all.extend(probabilities.drain(..).map(OutputValues::Numbers)),
                _ => all.extend(decisions.drain(..).map(OutputValues::Numbers)),
            }
        }
        all
    }
}
