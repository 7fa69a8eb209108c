//! Columns that are left out.

use schemars::JsonSchema;
use serde::Deserialize;

use super::selection::{Selection, column_of, unbound};
use super::{BatchSubtask, Fault, Refusal, Role, Scope, Subtask, Traits, Transform};
use crate::data::{Message, Schema};

/// Drops columns.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Drop {
    /// The columns to drop.
    columns: Vec<String>,
}

impl Subtask for Drop {
    const EQUALS: &'static str = "pandas.DataFrame.drop";
    const ROLE: Role = Role::Named;
    const TRAITS: Traits<Drop> = Traits::by_message();
}

impl BatchSubtask for Drop {
    fn apply(&self, _: &mut Message, _: &Scope) -> Result<(), Fault> {
        unbound()
    }

    fn bind(&self, schema: &Schema, _: &Scope) -> Result<Option<Transform>, Refusal> {
        for name in &self.columns {
            column_of(schema, "columns", name)?;
        }
        let stay = schema.columns().iter().filter(|column| !self.columns.contains(&column.name));
        Ok(Some(Transform::by_message(Selection::of(schema, stay).unless_empty("columns")?)))
    }
}
