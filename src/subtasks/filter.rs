//! Columns that are kept.

use schemars::JsonSchema;
use serde::Deserialize;

use super::selection::{Selection, column_of};
use super::{Bind, Refusal, Role, Subtask, Traits, Transform};
use crate::data::Schema;

/// Keeps columns, by their names or a part of them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// The columns to keep, in this order.
    items: Option<Vec<String>>,
    /// Keeps columns whose names contain this text.
    like: Option<String>,
}

impl Subtask for Filter {
    const EQUALS: &'static str = "pandas.DataFrame.filter";
    const ROLE: Role = Role::Named;
    const TRAITS: Traits<Filter> = Traits::by_names();

    fn check(&self) -> Result<(), Refusal> {
        match (&self.items, &self.like) {
            (Some(_), Some(_)) => Err(Refusal::new("like", "`items` and `like` are mutually exclusive")),
            (None, None) => Err(Refusal::new("items", "give either `items` or `like`")),
            (Some(items), None) => match (0..items.len()).find(|place| items[..*place].contains(&items[*place])) {
                Some(twice) => Err(Refusal::new("items", format!("`{}` stands there twice", items[twice]))),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

impl Bind for Filter {
    fn bind(&self, schema: &Schema) -> Result<Transform, Refusal> {
        let selection = match (&self.items, &self.like) {
            (Some(items), _) => {
                let columns: Result<Vec<_>, Refusal> =
                    items.iter().map(|name| column_of(schema, "items", name)).collect();
                Selection::of(schema, columns?).unless_empty("items")?
            }
            (None, like) => {
                let like = like.as_deref().unwrap_or_default();
                let columns = schema.columns().iter().filter(|column| column.name.contains(like));
                Selection::of(schema, columns).unless_empty("like")?
            }
        };
        Ok(Transform::by_message(selection))
    }
}
