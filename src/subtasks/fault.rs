//! Why a subtask fails on a message, or refuses its parameters.

use std::ops::Range;

use crate::data::Schema;
use crate::expressions::ExpressionError;

/// Why a subtask failed on a message, in the words of the original where it has any, and which rows it can't take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{place}{remedy}")]
pub struct Fault {
    reason: String,
    /// The first of the rows, behind the reason.
    place: String,
    /// What to do, behind a space.
    remedy: String,
    rows: Vec<usize>,
}

impl Fault {
    /// The fault of a whole message.
    pub fn new(reason: impl Into<String>) -> Fault {
        Fault { reason: reason.into(), place: String::new(), remedy: String::new(), rows: Vec::new() }
    }

    /// The fault of all these rows of the message, by their places; the first has the id `first`. The reason ends without
    /// a full stop.
    pub fn of_rows(rows: Vec<usize>, reason: &str, first: u64) -> Fault {
        Fault { reason: reason.into(), place: format!(", row {first}."), remedy: String::new(), rows }
    }

    /// The same with what to do.
    pub(crate) fn with_remedy(self, remedy: &str) -> Fault {
        Fault { remedy: format!(" {remedy}"), ..self }
    }

    /// The fault of a message that these rows of another one make: its rows are told by their places in the other.
    pub(crate) fn at(self, places: &[usize]) -> Fault {
        Fault { rows: self.rows.iter().map(|row| places[*row]).collect(), ..self }
    }

    /// The rows that can't be taken, by their places in the message; none if it is the whole message's fault.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The reason without a row.
    pub fn of_each_row(&self) -> String {
        let stop = if self.rows.is_empty() { "" } else { "." };
        format!("{}{stop}{}", self.reason, self.remedy)
    }
}

/// Why a parameter's value is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// The parameter's name.
    pub parameter: &'static str,
    /// Why its value is refused.
    pub reason: String,
    /// The bytes of its text that are refused; all of the value if not given.
    pub within: Option<Range<usize>>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Refusal {
    /// The reason says what the value must be.
    pub fn new(parameter: &'static str, reason: impl Into<String>) -> Refusal {
        Refusal { parameter, reason: reason.into(), within: None, help: None }
    }

    /// What is wrong with the expression `text` of a parameter, with the line and column within it.
    pub fn of_expression(parameter: &'static str, text: &str, error: ExpressionError) -> Refusal {
        let before = &text[..error.span.start];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let place = if text.trim().contains('\n') {
            format!("line {line}, column {column}")
        } else {
            format!("column {column}")
        };
        let reason = format!("{place}: {}", error.reason);
        Refusal { parameter, reason, within: Some(error.span), help: error.help }
    }

    /// Refuses new columns if one of them, or of the schema, has such a name already; the remedy says what to do.
    pub(crate) fn if_taken(
        parameter: &'static str,
        new: impl IntoIterator<Item = String>,
        schema: &Schema,
        remedy: &str,
    ) -> Result<(), Refusal> {
        match schema.taken(new) {
            Some(name) => Err(Refusal::new(parameter, format!("there is a column `{name}` already: {remedy}"))),
            None => Ok(()),
        }
    }

    /// The check that pandas makes of every `limit`.
    pub(crate) fn unless_positive(limit: Option<usize>) -> Result<(), Refusal> {
        match limit {
            Some(0) => Err(Refusal::new("limit", "limit must be greater than 0")),
            _ => Ok(()),
        }
    }
}
