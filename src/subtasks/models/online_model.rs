//! A model that learns over the stream: how it learns, and what it appends to the rows.

use serde::{Deserialize, Deserializer};

use super::split_parameters::{Appended, split};
use super::{Learning, ModelOutput, Target};
use crate::data::{Kind, Message};
use crate::subtasks::Scope;

/// A model that learns over the stream, as a dataflow file describes it.
pub struct OnlineModel<L> {
    /// What it appends to the rows.
    pub appended: Appended,
    /// How it learns.
    pub learning: L,
}

impl<'de, L: Learning> Deserialize<'de> for OnlineModel<L> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OnlineModel<L>, D::Error> {
        split(deserializer).map(|(appended, learning)| OnlineModel { appended, learning })
    }
}

impl<L: Learning> OnlineModel<L> {
    /// What it says of a row.
    pub fn outputs(&self) -> Vec<ModelOutput> {
        self.appended.outputs::<L::Model>()
    }

    /// The columns that it appends.
    ///
    /// # Errors
    /// In words, that it cannot say what is asked for with these parameters.
    pub fn new_columns(&self) -> Result<Vec<(String, Kind)>, String> {
        self.appended.columns::<L::Model>(|output| self.learning.columns(output))
    }

    /// The columns that it appends, of one that was checked.
    pub fn known_columns(&self) -> Vec<(String, Kind)> {
        self.new_columns().expect("its outputs were checked")
    }

    /// What is to be learnt of each row: its target, for classes their number and NaN if it is none of them; 0 of a model
    /// without targets; `None` of a row that is only predicted.
    pub fn targets(&self, message: &Message, scope: &Scope) -> Vec<Option<f64>> {
        let train = scope.train.as_ref().map(|column| message.column(column.slot));
        let trains = |row: usize| train.is_none_or(|train| train[row] != 0.0 && !train[row].is_nan());
        let target = |row: usize| match (&scope.target, self.learning.target()) {
            (Some(column), Target::Class(Some(classes))) => match column.kind {
                Kind::Number => present(message.column(column.slot)[row])
                    .map(|label| classes.of_number(label).map_or(f64::NAN, |class| class as f64)),
                Kind::Text => message.texts[column.slot]
                    .get(row)
                    .map(|label| classes.of_text(label).map_or(f64::NAN, |class| class as f64)),
            },
            (Some(column), _) => present(message.column(column.slot)[row]),
            (None, _) => Some(0.0),
        };
        (0..message.rows()).map(|row| if trains(row) { target(row) } else { None }).collect()
    }
}

fn present(x: f64) -> Option<f64> {
    (!x.is_nan()).then_some(x)
}
