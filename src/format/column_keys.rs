//! Which key of a row a column is read from, where that is not the column's own name.

use std::collections::HashMap;

use super::path;
use crate::data::Schema;

/// The keys that columns are read from: `from` in `[schema]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnKeys {
    keys: HashMap<String, String>,
    columns: HashMap<String, String>,
}

impl ColumnKeys {
    /// Has a column read from a key or a path.
    ///
    /// # Errors
    /// In words: a text that is no path; a key that another column is read from.
    pub fn insert(&mut self, column: &str, key: &str) -> Result<(), String> {
        path::parse(key)?;
        if let Some(other) = self.columns.get(key).filter(|other| *other != column) {
            return Err(format!("{column} and {other} are both read from {key:?}"));
        }
        self.columns.insert(key.to_owned(), column.to_owned());
        self.keys.insert(column.to_owned(), key.to_owned());
        Ok(())
    }

    /// The key that a column is read from.
    pub fn key<'a>(&'a self, column: &'a str) -> &'a str {
        self.keys.get(column).map_or(column, String::as_str)
    }

    /// The column that is read from a key instead of its own name.
    pub fn column(&self, key: &str) -> Option<&str> {
        self.columns.get(key).map(String::as_str)
    }

    /// The place of the column that is read from a key.
    pub(crate) fn place(&self, schema: &Schema, key: &str) -> Option<usize> {
        if self.keys.is_empty() {
            return schema.place(key);
        }
        match self.columns.get(key) {
            Some(column) => schema.place(column),
            None => schema.place(key).filter(|_| !self.keys.contains_key(key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Kind;

    #[test]
    fn a_column_with_a_key_of_its_own_is_not_read_from_its_name() {
        let schema = Schema::new([("temp", Kind::Number), ("hum", Kind::Number)]);
        let mut keys = ColumnKeys::default();
        keys.insert("temp", "bme.temperature").unwrap();
        let place = |key| keys.place(&schema, key);
        assert_eq!((place("temp"), place("bme.temperature"), place("hum")), (None, Some(0), Some(1)));
        assert!(keys.clone().insert("other", "bme.temperature").unwrap_err().contains("temp"));
        assert!(keys.insert("other", "a..b").unwrap_err().contains("no path"));
    }
}
