//! A column as `[schema]` lists it: by its name, or with the key that it is read from.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A column of `[schema]`.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum ListedColumn {
    /// Read from the key of its name, or from where its name leads as a path, such as `a.b`.
    Name(String),
    /// Read from another key.
    From(ColumnFrom),
}

/// A column that is read from another key.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnFrom {
    /// The column's name.
    pub name: String,
    /// The key, or the path to it: `a.b`, `a[0].b`, `a[type=P1].b`, `a["b.c"]`; the name if not given.
    pub from: Option<String>,
}

impl ListedColumn {
    pub fn name(&self) -> &str {
        match self {
            ListedColumn::Name(name) | ListedColumn::From(ColumnFrom { name, .. }) => name,
        }
    }

    pub fn from(&self) -> Option<&str> {
        match self {
            ListedColumn::Name(_) => None,
            ListedColumn::From(column) => column.from.as_deref(),
        }
    }
}

/// By hand: an untagged enum would lose the places of errors.
impl<'de> Deserialize<'de> for ListedColumn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ColumnVisitor;
        impl<'de> Visitor<'de> for ColumnVisitor {
            type Value = ListedColumn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a column's name or { name = \"temp\", from = \"data.temp\" }")
            }

            fn visit_str<E>(self, name: &str) -> Result<ListedColumn, E> {
                Ok(ListedColumn::Name(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ListedColumn, A::Error> {
                ColumnFrom::deserialize(MapAccessDeserializer::new(map)).map(ListedColumn::From)
            }
        }
        deserializer.deserialize_any(ColumnVisitor)
    }
}
