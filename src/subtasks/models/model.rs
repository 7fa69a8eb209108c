//! The trait of a model.

use super::{Accepted, ModelOutput, Params};
use crate::data::{Kind, TextColumn};

/// The rows that a model is asked about: one slice a column that it was fitted on, all of one length.
pub struct Features<'a> {
    /// The columns in the order of the fit.
    pub columns: Vec<&'a [f64]>,
    /// How many rows there are.
    pub rows: usize,
}

/// The values of a new column, one a row.
pub enum OutputValues {
    /// Numbers.
    Numbers(Vec<f64>),
    /// Texts.
    Texts(TextColumn),
}

/// A model that scikit-learn has fitted.
pub trait Model: Sized + Send + Sync + 'static {
    /// What it does, in one sentence.
    const SUMMARY: &'static str;
    /// What it can say of a row; the first is said if `outputs` is not given.
    const OUTPUTS: &'static [ModelOutput];

    /// Reads its fitted params.
    ///
    /// # Errors
    /// In words, the field that is wrong.
    fn read(params: &Params<'_>) -> Result<Self, String>;

    /// Which values it takes.
    fn accepted(&self) -> Accepted<'_> {
        Accepted::default()
    }

    /// The columns of one of [`Model::OUTPUTS`]: a number of its name, if not given.
    ///
    /// # Errors
    /// In words, that this model as it was fitted cannot say it.
    fn columns(&self, output: ModelOutput) -> Result<Vec<(String, Kind)>, String> {
        Ok(vec![output.number()])
    }

    /// What it says of rows: the columns of one output after the other.
    fn evaluate(&self, features: &Features<'_>, outputs: &[ModelOutput]) -> Vec<OutputValues>;
}
