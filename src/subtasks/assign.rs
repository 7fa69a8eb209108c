//! Columns of one value.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Bind, Refusal, Role, Subtask, Traits, Transform};
use crate::data::Schema;
use crate::expressions::{Assignments, Constant};

/// Adds columns of one value, or replaces columns by it, in the order of their names.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Assign {
    /// The value of each column, a number or a text: `{ unit = "C", offset = 1.5 }`.
    values: BTreeMap<String, Constant>,
}

impl Subtask for Assign {
    const EQUALS: &'static str = "pandas.DataFrame.assign";
    const ROLE: Role = Role::Named;
    const TRAITS: Traits<Assign> = Traits::by_names();
}

impl Bind for Assign {
    fn bind(&self, schema: &Schema) -> Result<Transform, Refusal> {
        let values = self.values.iter().map(|(name, value)| (name.as_str(), value));
        Ok(Transform::by_message(Assignments::of_constants(values, schema)))
    }
}
