//! Other names for columns.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::selection::{Selection, column_of};
use super::{Bind, Refusal, Role, Subtask, Traits, Transform};
use crate::data::Schema;

/// Gives columns other names.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rename {
    /// The new name of each column that gets one: `{ outTemp = "temperature" }`.
    columns: BTreeMap<String, String>,
}

impl Subtask for Rename {
    const EQUALS: &'static str = "pandas.DataFrame.rename";
    const ROLE: Role = Role::Named;
    const TRAITS: Traits<Rename> = Traits::by_names();
}

impl Bind for Rename {
    fn bind(&self, schema: &Schema) -> Result<Transform, Refusal> {
        for name in self.columns.keys() {
            column_of(schema, "columns", name)?;
        }
        let renamed = schema.columns().iter().map(|column| {
            let name = self.columns.get(&column.name).unwrap_or(&column.name);
            (name.as_str(), column.kind, column.slot)
        });
        let mut names = HashSet::new();
        if let Some((twice, ..)) = renamed.clone().find(|(name, ..)| !names.insert(*name)) {
            return Err(Refusal::new("columns", format!("two columns would be named `{twice}`")));
        }
        let before = (schema.number_count(), schema.text_count());
        Ok(Transform::by_message(Selection::new(renamed, before)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Kind, Message};
    use crate::subtasks::Scope;
    use crate::subtasks::filter::Filter;

    fn schema() -> Schema {
        Schema::new([("s", Kind::Text), ("a", Kind::Number), ("b", Kind::Number)])
    }

    fn rename(columns: &[(&str, &str)]) -> Rename {
        Rename { columns: columns.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect() }
    }

    #[test]
    fn names_change_and_swap() {
        let bound = rename(&[("a", "b"), ("b", "a")]).bind(&schema()).unwrap();
        let after = bound.columns_after(&schema(), &Scope::default());
        assert_eq!(after.names().collect::<Vec<_>>(), ["s", "b", "a"]);
        let mut message = Message::from_columns(&[vec![1.0], vec![2.0]]);
        message.texts.push(crate::data::TextColumn::repeated("x", 1));
        bound.apply(&mut message, &Scope::default()).unwrap();
        assert_eq!((message.flat(), message.texts[0].get(0)), (&[1.0, 2.0][..], Some("x")));
    }

    #[test]
    fn an_unknown_name_and_one_for_two_are_refused() {
        let refused = |columns: &[(&str, &str)]| rename(columns).bind(&schema()).err().unwrap();
        assert_eq!(refused(&[("A", "c")]).help.as_deref(), Some("did you mean `a`?"));
        assert!(refused(&[("a", "b")]).reason.contains("two columns would be named `b`"));
    }

    #[test]
    fn columns_are_kept_in_the_order_given() {
        let filter: Filter = serde_json::from_value(serde_json::json!({ "items": ["b", "s", "a"] })).unwrap();
        let bound = filter.bind(&schema()).unwrap();
        let mut message = Message::from_columns(&[vec![1.0, 2.0], vec![3.0, 4.0]]);
        message.texts.push(crate::data::TextColumn::repeated("x", 2));
        bound.apply(&mut message, &Scope::default()).unwrap();
        let after = bound.columns_after(&schema(), &Scope::default());
        assert_eq!(
            (after.names().collect::<Vec<_>>(), message.flat()),
            (vec!["b", "s", "a"], &[3.0, 4.0, 1.0, 2.0][..])
        );
    }
}
