//! The trait of a model that learns over the stream.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Accepted, Classes, Features, Model, ModelOutput, OutputValues};
use crate::data::Kind;
use crate::subtasks::Refusal;

/// The most columns of one output: they are named when a file is read.
pub(super) const MAX_NEW_COLUMNS: usize = 10_000;

/// What a model learns to predict.
pub enum Target<'a> {
    /// Nothing: it learns from the columns alone.
    None,
    /// A number.
    Number,
    /// One of these classes; `None` if the file does not name them.
    Class(Option<&'a Classes>),
}

/// The parameters of a model that learns over the stream, as scikit-learn's `partial_fit` does: a message is a call.
pub trait Learning: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The model at rest, which predicts.
    type Model: Model;
    /// What it has learnt.
    type State: Clone + Serialize + DeserializeOwned + Send;
    /// Whether it learns to predict the values of a column.
    const SUPERVISED: bool;
    /// Whether it learns from rows one by one, and says what it thinks of each: [`Learning::learn_and_say`].
    const ROW_BY_ROW: bool = false;

    /// Refuses parameters that the original refuses.
    ///
    /// # Errors
    /// The parameter, and what it must be.
    fn check(&self) -> Result<(), Refusal>;

    /// Which values it takes.
    fn accepted(&self) -> Accepted<'_> {
        Accepted::default()
    }

    /// Refuses parameters that do not fit the columns of these names.
    ///
    /// # Errors
    /// The parameter, and why.
    fn check_columns(&self, _columns: &[String]) -> Result<(), Refusal> {
        Ok(())
    }

    /// What it learns to predict.
    fn target(&self) -> Target<'_>;

    /// The columns of one of the model's outputs.
    ///
    /// # Errors
    /// In words, that it cannot say it with these parameters.
    fn columns(&self, output: ModelOutput) -> Result<Vec<(String, Kind)>, String>;

    /// What it knows of these columns before it has learnt.
    fn start(&self, columns: &[String]) -> Self::State;

    /// Whether a state is one for these columns.
    fn fits(&self, state: &Self::State, columns: &[String]) -> bool;

    /// Of a model that learns a message at a time: the model of what it has learnt; `None` if that is nothing yet.
    fn model(&self, _state: &Self::State) -> Option<Self::Model> {
        None
    }

    /// Of a model that learns row by row: what it says of each row, and learns from it before the next one. `targets` is `None`
    /// of a row that it does not learn from.
    fn learn_and_say(
        &self,
        _state: &mut Self::State,
        _features: &Features<'_>,
        _targets: &[Option<f64>],
        _outputs: &[ModelOutput],
    ) -> Vec<OutputValues> {
        Vec::new()
    }

    /// Of a model that learns a message at a time: learns from rows, `partial_fit`. `targets` has a value a row, for classes their number; none if it has no target.
    ///
    /// # Errors
    /// Where the original raises, in its words; the state is then unspecified.
    fn partial_fit(&self, _state: &mut Self::State, _features: &Features<'_>, _targets: &[f64]) -> Result<(), String> {
        Ok(())
    }

    /// Where it has failed to learn from rows: those that are at fault, by their places; none if it is not some rows'.
    fn unlearnable(&self, _state: &Self::State, _features: &Features<'_>, _targets: &[f64]) -> Vec<usize> {
        Vec::new()
    }
}
