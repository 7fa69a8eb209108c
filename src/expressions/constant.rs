//! A constant as a dataflow file gives it.

use schemars::JsonSchema;
use serde::Deserialize;

/// A number, a text, or true or false, which count as 1 and 0.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Constant {
    /// `true` or `false`.
    Truth(bool),
    /// A number; `nan` is missing.
    Number(f64),
    /// A text.
    Text(String),
}
