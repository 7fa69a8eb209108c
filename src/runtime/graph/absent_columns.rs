//! Columns of which no row has had a value.

use crate::data::{Column, Kind, Message, Schema};

/// So many rows come before columns without a value are told; a run that ends earlier tells them at its end.
pub const ROWS: u64 = 1000;

/// The columns of a schema of which no row that came to this worker has had a value yet.
#[derive(Clone, Default)]
pub struct AbsentColumns {
    /// With their places; empty once they were told.
    columns: Vec<(usize, Column)>,
    rows: u64,
}

impl AbsentColumns {
    /// All columns of a schema.
    pub fn of(schema: &Schema) -> AbsentColumns {
        AbsentColumns { columns: schema.columns().iter().cloned().enumerate().collect(), rows: 0 }
    }

    /// The places of the columns that have their first value in this message.
    pub fn found_in(&mut self, message: &Message) -> Vec<usize> {
        if self.rows >= ROWS {
            self.columns.clear();
        }
        self.rows += message.rows() as u64;
        let mut found = Vec::new();
        self.columns.retain(|(place, column)| {
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

    #[test]
    fn nothing_is_looked_for_once_it_was_told() {
        let schema = Schema::new([("a", Kind::Number)]);
        let message = |value: f64, rows: u64| Message::from_columns(&[vec![value; rows as usize]]);
        for (before, found) in [(ROWS - 1, vec![0]), (ROWS, vec![])] {
            let mut absent = AbsentColumns::of(&schema);
            assert!(absent.found_in(&message(f64::NAN, before)).is_empty());
            assert_eq!(absent.found_in(&message(1.0, 1)), found, "{before}");
        }
        assert!(AbsentColumns::default().found_in(&message(1.0, 1)).is_empty());
    }
}
