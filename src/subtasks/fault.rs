//! Why a subtask fails on a message, or refuses its parameters.

/// Why a subtask failed on a message, in the words of the original where it has any.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

/// Why a parameter's value is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// The parameter's name.
    pub parameter: &'static str,
    /// Why its value is refused.
    pub reason: String,
}

impl Refusal {
    /// The reason says what the value must be.
    pub fn new(parameter: &'static str, reason: impl Into<String>) -> Refusal {
        Refusal { parameter, reason: reason.into() }
    }

    /// The check that pandas makes of every `limit`.
    pub(crate) fn unless_positive(limit: Option<usize>) -> Result<(), Refusal> {
        match limit {
            Some(0) => Err(Refusal::new("limit", "limit must be greater than 0")),
            _ => Ok(()),
        }
    }
}
