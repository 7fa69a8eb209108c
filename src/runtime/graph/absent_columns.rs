//! Columns of which no row has had a value.

use crate::data::{Column, Kind, Message, Schema};

/// The columns of a schema of which no row that came to this worker has had a value yet.
pub struct AbsentColumns(Vec<(usize, Column)>);

impl AbsentColumns {
    /// All columns of a schema.
    pub fn of(schema: &Schema) -> AbsentColumns {
        AbsentColumns(schema.columns().iter().cloned().enumerate().collect())
    }

    /// The places of the columns that have their first value in this message.
    pub fn found_in(&mut self, message: &Message) -> Vec<usize> {
        let mut found = Vec::new();
        self.0.retain(|(place, column)| {
            let has_value = match column.kind {
                Kind::Number => message.column(column.slot).iter().any(|x| !x.is_nan()),
                Kind::Text => (0..message.rows()).any(|row| message.texts[column.slot].get(row).is_some()),
            };
            if has_value {
                found.push(*place);
            }
            !has_value
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TextColumn;

    #[test]
    fn each_column_is_found_once() {
        let schema = Schema::new([("a", Kind::Number), ("t", Kind::Text), ("b", Kind::Number)]);
        let message = |a: f64, t: Option<&str>| {
            let mut message = Message::from_columns(&[vec![f64::NAN, a], vec![f64::NAN; 2]]);
            let mut text = TextColumn::default();
            [t, None].into_iter().for_each(|cell| text.push(cell));
            message.texts.push(text);
            message
        };
        let mut absent = AbsentColumns::of(&schema);
        assert_eq!(absent.found_in(&message(f64::NAN, Some("x"))), [1]);
        assert_eq!(absent.found_in(&message(0.0, Some("x"))), [0]);
        assert!(absent.found_in(&message(0.0, None)).is_empty());
    }
}
