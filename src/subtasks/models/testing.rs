//! What tests of models share.

use serde_json::Value;

use super::{Model, Params};
use crate::subtasks::Learned;

/// The model of these params, for so many columns.
pub fn read<M: Model>(params: Value, columns: usize) -> Result<M, String> {
    let learned: Learned = serde_json::from_value(params).map_err(|error| error.to_string())?;
    M::read(&Params::new(&learned, columns))
}

/// The names of so many columns.
pub fn names(count: usize) -> Vec<String> {
    (0..count).map(|column| format!("c{column}")).collect()
}
