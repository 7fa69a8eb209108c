//! Rows without any value in a model's columns, such as those that bring a label alone.

use super::some_rows::append_of_some;
use crate::data::{Kind, Message, Schema};
use crate::subtasks::{BatchSubtask, Fault, Refusal, Scope, Transform};

/// For each row of a message, whether it has a value in one of the columns of a model.
pub(super) fn with_values(message: &Message, scope: &Scope) -> Vec<bool> {
    let mut some = vec![false; message.rows()];
    for slot in &scope.numbers {
        some.iter_mut().zip(message.column(*slot)).for_each(|(some, x)| *some |= !x.is_nan());
    }
    some
}

/// The rows of a message that have a value, and their places in it; `None` if no row is without.
pub(super) fn without_empty(message: &Message, scope: &Scope) -> Option<(Message, Vec<usize>)> {
    let some = with_values(message, scope);
    let places: Vec<usize> = (0..some.len()).filter(|row| some[*row]).collect();
    if places.len() == some.len() {
        return None;
    }
    let mut taken = message.clone();
    taken.retain(&some);
    Some((taken, places))
}

/// A model that passes over empty rows: its columns are missing there.
pub(super) struct SkipsEmpty {
    model: Transform,
    /// The columns that it appends.
    new: Vec<(String, Kind)>,
}

impl SkipsEmpty {
    /// A model that appends these columns.
    pub fn new(model: Transform, new: Vec<(String, Kind)>) -> SkipsEmpty {
        SkipsEmpty { model, new }
    }
}

impl BatchSubtask for SkipsEmpty {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        let Some((mut taken, places)) = without_empty(message, scope) else {
            return self.model.apply(message, scope);
        };
        if taken.rows() > 0 {
            self.model.apply(&mut taken, scope).map_err(|fault| fault.at(&places))?;
        }
        append_of_some(message, &taken, &self.new);
        Ok(())
    }

    fn refuses_first(&self) -> bool {
        self.model.refuses_first()
    }

    fn columns_after(&self, schema: &Schema, scope: &Scope) -> Schema {
        self.model.columns_after(schema, scope)
    }

    fn check_scope(&self, scope: &Scope) -> Result<(), Refusal> {
        self.model.check_scope(scope)
    }

    fn check_schema(&self, schema: &Schema, scope: &Scope) -> Result<(), Refusal> {
        self.model.check_schema(schema, scope)
    }
}
