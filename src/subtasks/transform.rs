//! What a subtask does to a message: by column, or as a whole.

use std::sync::Arc;

use super::by_column::{ColumnSubtask, apply_to_all};
use super::{Fault, Refusal, Scope};
use crate::data::{Message, Schema};

/// A subtask that acts on a whole message: it may drop rows, and change its columns.
///
/// ```
/// use rowmill::data::Message;
/// use rowmill::subtasks::{BatchSubtask, Fault, Scope};
///
/// /// Keeps rows whose first column in scope is positive.
/// struct Positive;
///
/// impl BatchSubtask for Positive {
///     fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
///         let column = message.column(scope.numbers[0]);
///         let keep: Vec<bool> = column.iter().map(|x| *x > 0.0).collect();
///         message.retain(&keep);
///         Ok(())
///     }
/// }
///
/// let mut message = Message::from_columns(&[vec![1.0, -2.0, 3.0]]);
/// Positive.apply(&mut message, &Scope::numbers(1)).unwrap();
/// assert_eq!(message.column(0), [1.0, 3.0]);
/// ```
pub trait BatchSubtask: Send + Sync {
    /// Changes a message.
    ///
    /// # Errors
    /// Where the original raises; the message is then unspecified, and its rows become dead letters.
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault>;

    /// Whether it refuses a message before it changes anything of it.
    fn refuses_first(&self) -> bool {
        false
    }

    /// Whether it has something to say of a row without a value in its columns, and nobody has told it to.
    fn says_of_empty(&self) -> bool {
        false
    }

    /// The columns after it, where it changes them.
    fn columns_after(&self, schema: &Schema, _scope: &Scope) -> Schema {
        schema.clone()
    }

    /// Refuses columns that do not fit the parameters.
    ///
    /// # Errors
    /// The parameter, and why.
    fn check_scope(&self, _scope: &Scope) -> Result<(), Refusal> {
        Ok(())
    }

    /// Refuses columns beside which the new ones cannot stand.
    ///
    /// # Errors
    /// The parameter, and why.
    fn check_schema(&self, _schema: &Schema, _scope: &Scope) -> Result<(), Refusal> {
        Ok(())
    }
}

/// What a subtask does to a message.
#[derive(Clone)]
pub enum Transform {
    /// Each number column is changed by itself.
    ByColumn(Arc<dyn ColumnSubtask>),
    /// The message is changed as a whole.
    ByMessage(Arc<dyn BatchSubtask>),
}

impl Transform {
    /// What a subtask by column does.
    pub fn by_column(subtask: impl ColumnSubtask + 'static) -> Transform {
        Transform::ByColumn(Arc::new(subtask))
    }

    /// What a subtask over messages does.
    pub fn by_message(subtask: impl BatchSubtask + 'static) -> Transform {
        Transform::ByMessage(Arc::new(subtask))
    }

    /// Changes the columns in scope: one after the other, if it acts by column.
    ///
    /// # Errors
    /// Where the original raises; the message is then unspecified.
    pub fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        match self {
            Transform::ByColumn(subtask) => apply_to_all(&**subtask, message, scope),
            Transform::ByMessage(subtask) => subtask.apply(message, scope),
        }
    }

    /// Whether it refuses a message before it changes anything of it.
    pub fn refuses_first(&self) -> bool {
        match self {
            Transform::ByColumn(_) => false,
            Transform::ByMessage(subtask) => subtask.refuses_first(),
        }
    }

    /// Whether it has something to say of a row without a value in its columns, and nobody has told it to.
    pub fn says_of_empty(&self) -> bool {
        match self {
            Transform::ByColumn(_) => false,
            Transform::ByMessage(subtask) => subtask.says_of_empty(),
        }
    }

    /// Whether it acts on each number column by itself.
    pub fn acts_by_column(&self) -> bool {
        matches!(self, Transform::ByColumn(_))
    }

    /// The columns after it.
    pub fn columns_after(&self, schema: &Schema, scope: &Scope) -> Schema {
        match self {
            Transform::ByColumn(_) => schema.clone(),
            Transform::ByMessage(subtask) => subtask.columns_after(schema, scope),
        }
    }

    /// Refuses columns that do not fit the parameters.
    ///
    /// # Errors
    /// The parameter, and why.
    pub fn check_scope(&self, scope: &Scope) -> Result<(), Refusal> {
        match self {
            Transform::ByColumn(_) => Ok(()),
            Transform::ByMessage(subtask) => subtask.check_scope(scope),
        }
    }

    /// Refuses columns beside which the new ones cannot stand.
    ///
    /// # Errors
    /// The parameter, and why.
    pub fn check_schema(&self, schema: &Schema, scope: &Scope) -> Result<(), Refusal> {
        match self {
            Transform::ByColumn(_) => Ok(()),
            Transform::ByMessage(subtask) => subtask.check_schema(schema, scope),
        }
    }
}
