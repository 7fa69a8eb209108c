//! The first rows of a message, for display.

use super::{Column, Kind, Message, Schema};
use crate::measure::{Excerpt, ExcerptCell};

impl Message {
    /// At most `most` of its rows; the message has the columns of `schema`.
    pub fn excerpt(&self, schema: &Schema, most: usize) -> Excerpt {
        let rows = self.rows().min(most);
        let cell = |row: usize| {
            move |column: &Column| match column.kind {
                Kind::Number => ExcerptCell::number(self.column(column.slot)[row]),
                Kind::Text => {
                    self.texts[column.slot].get(row).map_or(ExcerptCell::Missing, |text| ExcerptCell::Text(text.into()))
                }
            }
        };
        Excerpt {
            columns: schema.names().map(str::to_owned).collect(),
            ids: self.ids[..rows].to_vec(),
            rows: (0..rows).map(|row| schema.columns().iter().map(cell(row)).collect()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_infinite_values_survive_json() {
        let message = Message::from_columns(&[vec![1.5, f64::NAN, f64::INFINITY]]);
        let schema = Schema::new([("x".to_owned(), Kind::Number)]);
        let excerpt = message.excerpt(&schema, 20);
        let json = serde_json::to_string(&excerpt).unwrap();
        assert_eq!(json, r#"{"columns":["x"],"ids":[0,1,2],"rows":[[1.5],[null],["inf"]]}"#);
        assert_eq!(serde_json::from_str::<Excerpt>(&json).unwrap(), excerpt);
        assert_eq!(message.excerpt(&schema, 2).rows.len(), 2);
    }
}
