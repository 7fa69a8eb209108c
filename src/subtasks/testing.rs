//! What tests of subtasks share.

use super::{DynSubtask, Fault, Scope, Subtask};
use crate::data::Message;

/// Applies a subtask to all columns and returns them.
pub fn applied(subtask: &(impl Subtask + Clone), columns: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, Fault> {
    let mut message = Message::from_columns(columns);
    DynSubtask::new(subtask.clone()).apply(&mut message, &Scope::numbers(columns.len()))?;
    Ok((0..columns.len()).map(|slot| message.column(slot).to_vec()).collect())
}
