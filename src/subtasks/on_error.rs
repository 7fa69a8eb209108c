//! What becomes of a message of which a step can't take some rows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Message;

/// What becomes of a message of which a step can't take some rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// All of it becomes dead letters.
    #[default]
    Message,
    /// Those rows become dead letters; the others go on as if they had not been there.
    Row,
}

/// Rows that a step can't take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRows {
    /// The step, counted from 0.
    pub step: usize,
    /// Their places in the input.
    pub ids: Vec<u64>,
    /// Why.
    pub reason: String,
}

/// Removes the rows at these places, for which a message is refused; returns their ids.
pub fn remove_refused(message: &mut Message, rows: &[usize]) -> Vec<u64> {
    let mut keep = vec![true; message.rows()];
    rows.iter().for_each(|row| keep[*row] = false);
    let ids = message.ids.iter().zip(&keep).filter(|(_, keep)| !**keep).map(|(id, _)| *id).collect();
    message.retain(&keep);
    ids
}
