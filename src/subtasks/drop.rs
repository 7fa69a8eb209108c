//! Columns that are left out.

use schemars::JsonSchema;
use serde::Deserialize;

use super::selection::{Selection, column_of};
use super::{Bind, Refusal, Role, Subtask, Traits, Transform};
use crate::data::Schema;

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
    const TRAITS: Traits<Drop> = Traits::by_names();
}

impl Bind for Drop {
    fn bind(&self, schema: &Schema) -> Result<Transform, Refusal> {
        for name in &self.columns {
            column_of(schema, "columns", name)?;
        }
        let stay = schema.columns().iter().filter(|column| !self.columns.contains(&column.name));
        Ok(Transform::by_message(Selection::of(schema, stay).unless_empty("columns")?))
    }
}
