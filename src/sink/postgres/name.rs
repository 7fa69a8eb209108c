//! Names of tables and columns.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

/// A table, with its schema if that is given.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TableName {
    schema: Option<String>,
    table: String,
}

impl JsonSchema for TableName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TableName".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

impl TryFrom<String> for TableName {
    type Error = String;

    fn try_from(text: String) -> Result<TableName, String> {
        let (schema, table) = match text.split_once('.') {
            Some((schema, table)) => (Some(schema.to_owned()), table.to_owned()),
            None => (None, text.clone()),
        };
        /// Bytes of the longest name.
        const LONGEST: usize = 63;
        if let Some(long) = [Some(&table), schema.as_ref()].into_iter().flatten().find(|part| part.len() > LONGEST) {
            return Err(format!(
                "{long:?} is too long for PostgreSQL: it has {} bytes, not 1 to {LONGEST}",
                long.len()
            ));
        }
        let wrong = |part: &str| part.is_empty() || part.contains(['.', '\0']);
        if wrong(&table) || schema.as_deref().is_some_and(wrong) {
            return Err(format!("{text:?} is no table: write weather, or schema.weather"));
        }
        Ok(TableName { schema, table })
    }
}

impl TableName {
    /// A table beside this one, in its schema.
    pub fn beside(&self, table: &str) -> TableName {
        TableName { schema: self.schema.clone(), table: table.to_owned() }
    }
}

/// As SQL.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", quoted(schema))?;
        }
        f.write_str(&quoted(&self.table))
    }
}

/// A name as SQL writes it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        let name = |text: &str| TableName::try_from(text.to_owned());
        assert_eq!(name("weather").unwrap().to_string(), "\"weather\"");
        assert_eq!(name("a.we\"ather").unwrap().to_string(), "\"a\".\"we\"\"ather\"");
        assert_eq!(name("a.b").unwrap().beside("c").to_string(), "\"a\".\"c\"");
        for wrong in ["", ".", "a.", ".b", "a.b.c", &"x".repeat(64)] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
        let long = name(&format!("{}.b", "x".repeat(64))).unwrap_err();
        assert!(long.contains("too long") && long.contains("64 bytes"), "{long}");
    }
}
