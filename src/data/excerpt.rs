//! A few rows of a message, for people to look at.

use serde::{Deserialize, Serialize};

use super::{Kind, Message, Schema};

/// The first rows of a message, in the order of the schema's columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Excerpt {
    pub columns: Vec<String>,
    /// The place of each row in the input, from 0.
    pub ids: Vec<u64>,
    /// Row after row.
    pub rows: Vec<Vec<Value>>,
}

/// A cell; a number that JSON can't write is its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Missing,
    Number(f64),
    Text(String),
}

impl Excerpt {
    /// Up to `most` rows of a message that has the columns of `schema`.
    pub fn of(message: &Message, schema: &Schema, most: usize) -> Excerpt {
        let rows = message.rows().min(most);
        let cell = |row: usize| {
            move |column: &super::Column| match column.kind {
                Kind::Number => Value::number(message.column(column.slot)[row]),
                Kind::Text => {
                    message.texts[column.slot].get(row).map_or(Value::Missing, |text| Value::Text(text.into()))
                }
            }
        };
        Excerpt {
            columns: schema.names().map(str::to_owned).collect(),
            ids: message.ids[..rows].to_vec(),
            rows: (0..rows).map(|row| schema.columns().iter().map(cell(row)).collect()).collect(),
        }
    }
}

impl Value {
    fn number(value: f64) -> Value {
        match value {
            value if value.is_nan() => Value::Missing,
            value if value.is_infinite() => Value::Text(value.to_string()),
            value => Value::Number(value),
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
        let excerpt = Excerpt::of(&message, &schema, 20);
        let json = serde_json::to_string(&excerpt).unwrap();
        assert_eq!(json, r#"{"columns":["x"],"ids":[0,1,2],"rows":[[1.5],[null],["inf"]]}"#);
        assert_eq!(serde_json::from_str::<Excerpt>(&json).unwrap(), excerpt);
        assert_eq!(Excerpt::of(&message, &schema, 2).rows.len(), 2);
    }
}
