//! Keeps values where a condition is true.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{BatchSubtask, Bind, Fault, Refusal, Scope, Subtask, Traits, Transform};
use crate::data::{Message, Schema};
use crate::expressions::Predicate;

/// Keeps values of the rows for which a condition is true, and replaces the others.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Where {
    /// The condition over the columns, as `query` takes it.
    cond: String,
    /// What stands in place of the other values; missing if not given.
    other: Option<f64>,
}

impl Subtask for Where {
    const EQUALS: &'static str = "pandas.DataFrame.where";
    const TRAITS: Traits<Where> = Traits::by_names();

    fn check(&self) -> Result<(), Refusal> {
        Predicate::check(&self.cond).map_err(|error| Refusal::of_expression("cond", &self.cond, error))
    }
}

impl Bind for Where {
    fn bind(&self, schema: &Schema) -> Result<Transform, Refusal> {
        Replacement::bound(&self.cond, false, self.other, schema)
    }
}

/// Replaces values of the rows for which a condition is true, or false.
pub(super) struct Replacement {
    predicate: Predicate,
    replaced: bool,
    other: f64,
}

impl Replacement {
    /// Replaces rows for which the condition `cond` is `replaced`.
    pub fn bound(cond: &str, replaced: bool, other: Option<f64>, schema: &Schema) -> Result<Transform, Refusal> {
        let predicate = Predicate::new(cond, schema);
        let predicate = predicate.map_err(|error| Refusal::of_expression("cond", cond, error))?;
        Ok(Transform::by_message(Replacement { predicate, replaced, other: other.unwrap_or(f64::NAN) }))
    }
}

impl BatchSubtask for Replacement {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        let flags = self.predicate.holds(message);
        for slot in &scope.numbers {
            let column = message.column_mut(*slot).iter_mut().zip(flags.iter());
            column.for_each(|(x, flag)| *x = if *flag == self.replaced { self.other } else { *x });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Kind;
    use crate::subtasks::mask::Mask;

    #[test]
    fn where_keeps_what_mask_replaces() {
        let schema = Schema::new([("a", Kind::Number), ("b", Kind::Number)]);
        let scope = Scope::of(&schema, |name| name == "a");
        let of = |transform: Transform| {
            let mut message = Message::from_columns(&[vec![1.0, 2.0, f64::NAN], vec![5.0, -5.0, -5.0]]);
            transform.apply(&mut message, &scope).unwrap();
            format!("{:?} {:?}", message.column(0), message.column(1))
        };
        let kept: Where = serde_json::from_value(serde_json::json!({ "cond": "b > 0", "other": 0.0 })).unwrap();
        assert_eq!(of(kept.bind(&schema).unwrap()), "[1.0, 0.0, 0.0] [5.0, -5.0, -5.0]");
        let masked: Mask = serde_json::from_value(serde_json::json!({ "cond": "b > 0" })).unwrap();
        assert_eq!(of(masked.bind(&schema).unwrap()), "[NaN, 2.0, NaN] [5.0, -5.0, -5.0]");
        let wrong: Where = serde_json::from_value(serde_json::json!({ "cond": "c > 0" })).unwrap();
        assert_eq!(wrong.bind(&schema).err().unwrap().parameter, "cond");
    }
}
