//! Replaces values where a condition is true.

use schemars::JsonSchema;
use serde::Deserialize;

use super::where_condition::Replacement;
use super::{Bind, Refusal, Subtask, Traits, Transform};
use crate::data::Schema;
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
    const TRAITS: Traits<Mask> = Traits::by_names();

    fn check(&self) -> Result<(), Refusal> {
        Predicate::check(&self.cond).map_err(|error| Refusal::of_expression("cond", &self.cond, error))
    }
}

impl Bind for Mask {
    fn bind(&self, schema: &Schema) -> Result<Transform, Refusal> {
        Replacement::bound(&self.cond, true, self.other, schema)
    }
}
