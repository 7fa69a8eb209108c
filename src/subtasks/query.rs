//! Keeps rows by a condition.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{BatchSubtask, Bind, Fault, Refusal, Role, Scope, Subtask, Traits, Transform};
use crate::data::{Message, Schema};
use crate::expressions::Predicate;

/// Keeps the rows for which an expression over the columns is true.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Query {
    /// The condition, such as `outTemp > -60 and station != 'test'`. Names with other signs stand in backticks.
    expr: String,
}

impl Subtask for Query {
    const EQUALS: &'static str = "pandas.DataFrame.query";
    const ROLE: Role = Role::Named;
    const TRAITS: Traits<Query> = Traits::by_names();

    fn check(&self) -> Result<(), Refusal> {
        Predicate::check(&self.expr).map_err(|error| Refusal::of_expression("expr", &self.expr, error))
    }
}

impl Bind for Query {
    fn bind(&self, schema: &Schema) -> Result<Transform, Refusal> {
        let predicate = Predicate::new(&self.expr, schema);
        let predicate = predicate.map_err(|error| Refusal::of_expression("expr", &self.expr, error))?;
        Ok(Transform::by_message(predicate))
    }
}

impl BatchSubtask for Predicate {
    fn apply(&self, message: &mut Message, _: &Scope) -> Result<(), Fault> {
        let keep = self.holds(message);
        message.retain(&keep);
        Ok(())
    }
}
