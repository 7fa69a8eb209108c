//! Replaces values where a condition is true.

use schemars::JsonSchema;
use serde::Deserialize;

use super::selection::unbound;
use super::where_condition::Replacement;
use super::{BatchSubtask, Fault, Refusal, Scope, Subtask, Traits, Transform};
use crate::data::{Message, Schema};
use crate::expressions::Predicate;

/// Replaces values of the rows for which a condition is true.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mask {
    /// The condition over the columns, as `query` takes it.
    cond: String,
    /// What stands in place of the values; missing if not given.
    other: Option<f64>,
}

impl Subtask for Mask {
    const EQUALS: &'static str = "pandas.DataFrame.mask";
    const TRAITS: Traits<Mask> = Traits::by_message();

    fn check(&self) -> Result<(), Refusal> {
        Predicate::check(&self.cond).map_err(|error| Refusal::of_expression("cond", &self.cond, error))
    }
}

impl BatchSubtask for Mask {
    fn apply(&self, _: &mut Message, _: &Scope) -> Result<(), Fault> {
        unbound()
    }

    fn bind(&self, schema: &Schema, _: &Scope) -> Result<Option<Transform>, Refusal> {
        Replacement::bound(&self.cond, true, self.other, schema).map(Some)
    }
}
