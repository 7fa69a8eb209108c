//! JSON objects, cell by cell, without a map or a string per row.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::data::{Kind, Schema};
use crate::format::Decoding;
use crate::format::column_builder::{ColumnBuilder, not_a_number};
use crate::format::key_order::KeyOrder;
use crate::format::known_keys;

/// The value of a key.
pub enum JsonCell<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(Cow<'a, str>),
    /// An array or an object.
    Nested,
}

/// Reads one object into the builder's open row.
pub(crate) fn read_row(
    bytes: &[u8],
    schema: &Schema,
    decoding: &Decoding,
    keys: &mut KeyOrder,
    table: &mut ColumnBuilder,
) -> Result<(), String> {
    if known_keys::read_row(bytes, schema, keys, table).is_some() {
        keys.units.convert(table);
        return Ok(());
    }
    table.reject();
    let mut index = 0;
    for_each_cell(bytes, |key, cell| {
        let place = keys.place(index, key, schema, decoding);
        index += 1;
        let Some(column) = place.map(|place| &schema.columns()[place]) else { return Ok(()) };
        match (column.kind, cell) {
            (_, JsonCell::Text(text)) => return table.set_cell(column, &text),
            (_, JsonCell::Nested) => {
                return table.refuse(column, || format!("column {}: a nested value", column.name));
            }
            (Kind::Number, JsonCell::Bool(value)) => return Err(not_a_number(column, value)),
            (Kind::Number, cell) => table.set_number(column.slot, cell.number()),
            (Kind::Text, JsonCell::Null) => table.set_text(column.slot, None),
            (Kind::Text, cell) => table.set_text(column.slot, Some(&cell.to_string())),
        }
        Ok(())
    })?;
    keys.units.convert(table);
    Ok(())
}

impl JsonCell<'_> {
    fn number(&self) -> f64 {
        match self {
            JsonCell::Integer(value) => *value as f64,
            JsonCell::Unsigned(value) => *value as f64,
            JsonCell::Float(value) => *value,
            _ => f64::NAN,
        }
    }
}

impl fmt::Display for JsonCell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonCell::Null | JsonCell::Nested => Ok(()),
            JsonCell::Bool(value) => value.fmt(f),
            JsonCell::Integer(value) => value.fmt(f),
            JsonCell::Unsigned(value) => value.fmt(f),
            JsonCell::Float(value) => f.write_str(ryu::Buffer::new().format(*value)),
            JsonCell::Text(text) => text.fmt(f),
        }
    }
}

/// Calls `f` for every key of an object. NaN and Infinity, which Python's `json` writes beyond the standard, are read,
/// too.
///
/// # Errors
/// Bytes that are no object, or the first error of `f`.
pub fn for_each_cell(bytes: &[u8], mut f: impl FnMut(&str, JsonCell<'_>) -> Result<(), String>) -> Result<(), String> {
    let first = read_object(bytes, &mut f);
    match first.is_err().then(|| standard(bytes)).flatten() {
        Some(standard) => read_object(&standard, &mut f),
        None => first,
    }
}

fn read_object(bytes: &[u8], f: &mut impl FnMut(&str, JsonCell<'_>) -> Result<(), String>) -> Result<(), String> {
    let mut failure = None;
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let object = json.deserialize_map(ObjectVisitor { f, failure: &mut failure }).and_then(|()| json.end());
    match failure {
        Some(reason) => Err(reason),
        None => object.map_err(|error| error.to_string()),
    }
}

/// The bytes with NaN and Infinity outside strings replaced by standard JSON; `None` if there are none.
fn standard(bytes: &[u8]) -> Option<Vec<u8>> {
    if memchr::memmem::find(bytes, b"NaN").is_none() && memchr::memmem::find(bytes, b"Infinity").is_none() {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len() + 8);
    let (mut rest, mut quoted) = (bytes, false);
    while let [first, tail @ ..] = rest {
        let words: [(&[u8], &[u8]); 3] = [(b"NaN", b"null"), (b"-Infinity", b"\"-inf\""), (b"Infinity", b"\"inf\"")];
        let word = words.iter().find(|(word, _)| !quoted && rest.starts_with(word));
        if let Some((word, standard)) = word {
            out.extend_from_slice(standard);
            rest = &rest[word.len()..];
            continue;
        }
        let taken = if quoted && *first == b'\\' { rest.len().min(2) } else { 1 };
        quoted ^= *first == b'"';
        out.extend_from_slice(&rest[..taken]);
        rest = if taken == 1 { tail } else { &rest[taken..] };
    }
    Some(out)
}

struct ObjectVisitor<'f, F> {
    f: &'f mut F,
    failure: &'f mut Option<String>,
}

impl<'de, F: FnMut(&str, JsonCell<'_>) -> Result<(), String>> Visitor<'de> for ObjectVisitor<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, cell)) = map.next_entry::<Key<'de>, JsonCell<'de>>()? {
            if self.failure.is_none() {
                *self.failure = (self.f)(&key.0, cell).err();
            }
        }
        Ok(())
    }
}

struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonCell<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = JsonCell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<JsonCell<'de>, E> {
        Ok(JsonCell::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<JsonCell<'de>, E> {
        Ok(JsonCell::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<JsonCell<'de>, E> {
        Ok(JsonCell::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<JsonCell<'de>, E> {
        Ok(JsonCell::Unsigned(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<JsonCell<'de>, E> {
        Ok(JsonCell::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<JsonCell<'de>, E> {
        Ok(JsonCell::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<JsonCell<'de>, E> {
        Ok(JsonCell::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<JsonCell<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(JsonCell::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonCell<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(JsonCell::Nested)
    }
}
