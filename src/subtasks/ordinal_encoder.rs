//! Texts as the numbers of their categories.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BatchSubtask, Fault, Fit, Flaw, Learned, Refusal, Role, Scope, Subtask, Traits, Transform};
use crate::data::{Kind, Message, Schema};

/// Replaces text columns by number columns of the same name, at the end: the place of each text among its
/// column's categories. Missing stays missing.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OrdinalEncoder {
    /// The categories of each column, in order: a list of texts a column; those of the message, sorted, if not
    /// given.
    categories: Vec<Vec<String>>,
    /// What a text does that is no category: `error` fails the message, `use_encoded_value` takes
    /// `unknown_value`.
    handle_unknown: UnknownText,
    /// The number of a text that is no category; missing if not given.
    unknown_value: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum UnknownText {
    #[default]
    Error,
    UseEncodedValue,
}

impl Subtask for OrdinalEncoder {
    const EQUALS: &'static str = "sklearn.preprocessing.OrdinalEncoder";
    const ROLE: Role = Role::Texts;
    const TRAITS: Traits<OrdinalEncoder> = Traits::by_message().fit().by_row();
}

impl BatchSubtask for OrdinalEncoder {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        let mut columns = Vec::with_capacity(scope.texts.len());
        for (index, (slot, name)) in scope.named_texts().enumerate() {
            let own;
            let categories = match self.categories.get(index) {
                Some(categories) => categories,
                None => {
                    own = message.texts[slot].distinct();
                    &own
                }
            };
            let (mut column, mut unknown) = (Vec::with_capacity(message.rows()), Vec::new());
            for row in 0..message.rows() {
                let text = message.texts[slot].get(row);
                column.push(match text.map(|text| category(categories, text)) {
                    None => f64::NAN,
                    Some(Some(place)) => place as f64,
                    Some(None) => {
                        unknown.push(row);
                        self.unknown_value.unwrap_or(f64::NAN)
                    }
                });
            }
            if self.handle_unknown == UnknownText::Error {
                refuse_unknown(unknown, message, slot, name)?;
            }
            columns.push(column);
        }
        columns.into_iter().for_each(|column| message.push_column(column));
        message.drop_texts(&scope.texts);
        Ok(())
    }

    fn refuses_first(&self) -> bool {
        true
    }

    fn columns_after(&self, schema: &Schema, scope: &Scope) -> Schema {
        let columns = scope.named_texts().map(|(_, name)| (name.to_owned(), Kind::Number));
        schema.without_texts(&scope.texts).with(columns)
    }

    fn check_scope(&self, scope: &Scope) -> Result<(), Refusal> {
        if self.categories.is_empty() || self.categories.len() == scope.texts.len() {
            return Ok(());
        }
        let (columns, lists) = (scope.texts.len(), self.categories.len());
        Err(Refusal::new("categories", format!("one list a text column: {columns} columns, {lists} lists")))
    }
}

impl Fit for OrdinalEncoder {
    fn fit(&self, message: &Message, scope: &Scope) -> Result<Learned, Fault> {
        let own = |slot: &usize| message.texts[*slot].distinct();
        let own = if self.categories.is_empty() { scope.texts.iter().map(own).collect() } else { Vec::new() };
        let categories = if self.categories.is_empty() { &own } else { &self.categories };
        Ok(Learned::default().with("categories_", categories))
    }

    fn freeze(&self, learned: &Learned, columns: usize) -> Result<Transform, String> {
        let own = OrdinalEncoder { categories: learned.each("categories_", columns)?, ..self.clone() };
        Ok(Transform::by_message(own))
    }
}

/// The index of a text among the categories.
pub(super) fn category(categories: &[String], text: &str) -> Option<usize> {
    categories.iter().position(|category| category == text)
}

/// Refuses a message for rows whose text is no category.
pub(super) fn refuse_unknown(rows: Vec<usize>, message: &Message, slot: usize, column: &str) -> Result<(), Fault> {
    const MOST: usize = 5;
    if rows.is_empty() {
        return Ok(());
    }
    let text = |row: &usize| message.texts[slot].get(*row);
    let unknown: BTreeSet<Option<&str>> = rows.iter().map(text).collect();
    let shown = |text: &Option<&str>| text.map_or_else(|| "missing".to_owned(), |text| format!("{text:?}"));
    let mut list = unknown.iter().take(MOST).map(shown).collect::<Vec<_>>().join(", ");
    if unknown.len() > MOST {
        list.push_str(&format!(" and {} more", unknown.len() - MOST));
    }
    Err(Flaw::of_rows(rows, format!("Found unknown categories [{list}].")).named(column, &message.ids))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TextColumn;

    #[test]
    fn texts_become_their_places() {
        let schema = Schema::new([("rule", Kind::Text), ("x", Kind::Number)]);
        let scope = Scope::of(&schema, |name| name == "rule");
        let mut message = Message::from_columns(&[vec![0.5; 4]]);
        let mut text = TextColumn::default();
        [Some("b"), None, Some("a"), Some("b")].into_iter().for_each(|value| text.push(value));
        message.texts.push(text);
        let mut given = message.clone();
        OrdinalEncoder::default().apply(&mut message, &scope).unwrap();
        assert_eq!(format!("{:?}", message.column(1)), "[1.0, NaN, 0.0, 1.0]");
        let encoder = OrdinalEncoder {
            categories: vec![vec!["b".into()]],
            handle_unknown: UnknownText::UseEncodedValue,
            unknown_value: Some(-1.0),
        };
        encoder.apply(&mut given, &scope).unwrap();
        assert_eq!(format!("{:?}", given.column(1)), "[0.0, NaN, -1.0, 0.0]");
        assert_eq!(encoder.columns_after(&schema, &scope).names().collect::<Vec<_>>(), ["x", "rule"]);
    }
}
