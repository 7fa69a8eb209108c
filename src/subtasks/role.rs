//! What of a message a subtask acts on.

use serde::Serialize;

/// What of a message a subtask acts on, and so which parameter names its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// First or last in the chain, listed or not; takes no parameters.
    Fixed,
    /// Number columns, named by `columns`.
    Numbers,
    /// Text columns, named by `columns`.
    Texts,
    /// Whole rows, compared by the columns of `subset`.
    Rows,
    /// Whole rows; its own parameters name the columns.
    Named,
}
