//! Texts as columns of 0 and 1.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ordinal_encoder::{category, refuse_unknown};
use super::{BatchSubtask, Fault, Refusal, Role, Scope, Subtask, Traits};
use crate::data::{Kind, Message, Schema};

/// Replaces text columns by a column of 0 and 1 for each category, named `column_category`, at the end.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OneHotEncoder {
    /// The categories of each column, in order: a list of texts a column. They name the columns of the result.
    categories: Vec<Vec<String>>,
    /// What a text does that is no category: `error` fails the message, `ignore` leaves zeros.
    handle_unknown: UnknownCategory,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum UnknownCategory {
    #[default]
    Error,
    Ignore,
}

impl Subtask for OneHotEncoder {
    const EQUALS: &'static str = "sklearn.preprocessing.OneHotEncoder";
    const ROLE: Role = Role::Texts;
    const TRAITS: Traits<OneHotEncoder> = Traits::by_message().by_row();
}

impl BatchSubtask for OneHotEncoder {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        let rows = message.rows();
        let mut added = Vec::new();
        for ((slot, name), categories) in scope.named_texts().zip(&self.categories) {
            let (mut columns, mut unknown) = (vec![vec![0.0; rows]; categories.len()], Vec::new());
            let texts = &message.texts[slot];
            for (row, text) in (0..rows).map(|row| (row, texts.get(row))) {
                match text.and_then(|text| category(categories, text)) {
                    Some(place) => columns[place][row] = 1.0,
                    None => unknown.push(row),
                }
            }
            if self.handle_unknown == UnknownCategory::Error {
                refuse_unknown(unknown, message, slot, name)?;
            }
            added.extend(columns);
        }
        added.into_iter().for_each(|column| message.push_column(column));
        message.drop_texts(&scope.texts);
        Ok(())
    }

    fn refuses_first(&self) -> bool {
        true
    }

    fn columns_after(&self, schema: &Schema, scope: &Scope) -> Schema {
        let columns = self.new_names(scope).map(|name| (name, Kind::Number));
        schema.without_texts(&scope.texts).with(columns)
    }

    fn check_schema(&self, schema: &Schema, scope: &Scope) -> Result<(), Refusal> {
        let schema = schema.without_texts(&scope.texts);
        Refusal::if_taken("categories", self.new_names(scope), &schema, "let the source name one of them otherwise")
    }

    fn check_scope(&self, scope: &Scope) -> Result<(), Refusal> {
        if self.categories.len() == scope.texts.len() {
            return Ok(());
        }
        let (columns, lists) = (scope.texts.len(), self.categories.len());
        Err(Refusal::new("categories", format!("one list a text column: {columns} columns, {lists} lists")))
    }
}

impl OneHotEncoder {
    /// The columns that it appends.
    fn new_names<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = String> {
        scope
            .named_texts()
            .zip(&self.categories)
            .flat_map(|((_, name), categories)| categories.iter().map(move |category| format!("{name}_{category}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TextColumn;

    fn encoded(handle_unknown: UnknownCategory) -> Result<Message, Fault> {
        let schema = Schema::new([("rule", Kind::Text), ("x", Kind::Number)]);
        let scope = Scope::of(&schema, |name| name == "rule");
        let encoder = OneHotEncoder { categories: vec![vec!["a".into(), "b".into()]], handle_unknown };
        assert_eq!(encoder.columns_after(&schema, &scope).names().collect::<Vec<_>>(), ["x", "rule_a", "rule_b"]);
        let mut message = Message::from_columns(&[vec![7.0, 8.0]]);
        let mut text = TextColumn::default();
        text.push(Some("b"));
        text.push(Some("c"));
        message.texts.push(text);
        encoder.apply(&mut message, &scope).map(|()| message)
    }

    #[test]
    fn a_column_that_is_there_already_is_refused() {
        let schema = Schema::new([("rule", Kind::Text), ("rule_a", Kind::Number)]);
        let scope = Scope::of(&schema, |name| name == "rule");
        let encoder = |category: &str| OneHotEncoder { categories: vec![vec![category.into()]], ..Default::default() };
        let refused = encoder("a").check_schema(&schema, &scope).unwrap_err();
        assert!(refused.reason.contains("`rule_a`"), "{refused}");
        assert!(encoder("b").check_schema(&schema, &scope).is_ok());
    }

    #[test]
    fn categories_become_columns() {
        let message = encoded(UnknownCategory::Ignore).unwrap();
        assert_eq!(message.flat(), [7.0, 8.0, 0.0, 0.0, 1.0, 0.0]);
        assert!(message.texts.is_empty());
    }

    #[test]
    fn an_unknown_text_fails_the_message() {
        let fault = encoded(UnknownCategory::Error).unwrap_err();
        assert!(fault.to_string().contains("\"c\"") && fault.to_string().contains("Column rule, row 1"), "{fault}");
    }
}
