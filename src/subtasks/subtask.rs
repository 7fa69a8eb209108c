//! What a subtask is.

use std::sync::Arc;

use super::{ByColumn, Fault, Learned, Learner, Refusal, Scope, by_column};
use crate::data::{Message, Schema};

/// One step of the chain, applied to one message at a time.
pub trait Subtask: Send + Sync {
    /// Changes the columns in scope: one after the other, if the subtask acts by column.
    ///
    /// # Errors
    /// Where the original raises; the message is then unspecified.
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        by_column::apply_to_all(self.by_column().expect("a subtask acts on messages or by column"), message, scope)
    }

    /// This subtask as one that acts on each number column by itself; `None` if it needs the message.
    fn by_column(&self) -> Option<&dyn ByColumn> {
        None
    }

    /// What can be learned from a message, for [`Subtask::freeze`]; nothing if not given.
    ///
    /// # Errors
    /// Where the original's `fit` raises.
    fn fit(&self, _message: &Message, _scope: &Scope) -> Result<Option<Learned>, Fault> {
        Ok(None)
    }

    /// This subtask with what was learned before, in place of what each message teaches.
    ///
    /// # Errors
    /// If it does not fit this subtask or so many columns.
    fn freeze(&self, _learned: &Learned, _columns: usize) -> Result<Arc<dyn Subtask>, String> {
        Err("there is nothing to learn".into())
    }

    /// What learns a column over the stream; `None` if this subtask can't.
    fn learner(&self) -> Option<Box<dyn Learner>> {
        None
    }

    /// Refuses parameters that do not go with learning over the stream.
    fn check_stream(&self) -> Result<(), Refusal> {
        Ok(())
    }

    /// How many rows back in the stream rows are compared with; `None` if only within a message.
    fn horizon(&self) -> Option<u64> {
        None
    }

    /// The columns after the step, where it changes them.
    fn columns_after(&self, schema: &Schema, _scope: &Scope) -> Schema {
        schema.clone()
    }

    /// Refuses columns that do not fit the parameters.
    fn check_scope(&self, _scope: &Scope) -> Result<(), Refusal> {
        Ok(())
    }

    /// Refuses parameters that the original refuses.
    fn check(&self) -> Result<(), Refusal> {
        Ok(())
    }
}
