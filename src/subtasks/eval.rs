//! Columns that expressions give.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{BatchSubtask, Bind, Fault, Refusal, Role, Scope, Subtask, Traits, Transform};
use crate::data::{Message, Schema};
use crate::expressions::Assignments;

/// Adds or replaces columns by expressions over the others. A condition gives 1 where it is true and 0 elsewhere.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Eval {
    /// Assignments, one a line, such as `spread = outTemp - dewpoint`. Names with other signs stand in backticks.
    expr: String,
}

impl Subtask for Eval {
    const EQUALS: &'static str = "pandas.DataFrame.eval";
    const ROLE: Role = Role::Named;
    const TRAITS: Traits<Eval> = Traits::by_names();

    fn check(&self) -> Result<(), Refusal> {
        Assignments::check(&self.expr).map_err(|error| Refusal::of_expression("expr", &self.expr, error))
    }
}

impl Bind for Eval {
    fn bind(&self, schema: &Schema) -> Result<Transform, Refusal> {
        let assignments = Assignments::new(&self.expr, schema);
        let assignments = assignments.map_err(|error| Refusal::of_expression("expr", &self.expr, error))?;
        Ok(Transform::by_message(assignments))
    }
}

impl BatchSubtask for Assignments {
    fn apply(&self, message: &mut Message, _: &Scope) -> Result<(), Fault> {
        Assignments::apply(self, message);
        Ok(())
    }

    fn columns_after(&self, _: &Schema, _: &Scope) -> Schema {
        self.schema_after().clone()
    }
}
