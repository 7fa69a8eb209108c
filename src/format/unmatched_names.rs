//! Names in rows that no column has.

use std::collections::HashSet;

use super::decoding::{Decoding, UnknownKeys};
use super::json_cursor;
use crate::data::{Row, Schema};

/// The most names that are kept: names that are never the same are no names.
const MOST: usize = 1000;

/// The names without a column that were met.
#[derive(Default)]
pub(crate) struct UnmatchedNames {
    met: HashSet<String>,
    new: Vec<String>,
}

impl UnmatchedNames {
    /// Takes a name, of a header or a row, that is no column's.
    pub fn meet(&mut self, name: &str, schema: &Schema, decoding: &Decoding) {
        let is_told = decoding.unknown_keys == UnknownKeys::Warn && self.met.len() < MOST;
        if !is_told || name.trim().is_empty() || self.met.contains(name) {
            return;
        }
        self.met.insert(name.to_owned());
        if !decoding.leads_to_column(schema, name) {
            self.new.push(name.to_owned());
        }
    }

    /// The names that were met for the first time since the last call.
    pub fn take_new(&mut self) -> Vec<String> {
        std::mem::take(&mut self.new)
    }
}

/// Refuses a JSON row without a value.
///
/// # Errors
/// No key of it, or of the object around it, is a column's.
pub(crate) fn refuse_foreign(row: Row<'_>, schema: &Schema, decoding: &Decoding) -> Result<(), String> {
    const SHOWN: usize = 20;
    // Elements of an array are read by their places alone.
    if row.bytes.starts_with(b"[") && row.bytes.len() > 2 {
        return Ok(());
    }
    let keys = json_cursor::keys(row.bytes);
    let around = row.header.map(|header| json_cursor::keys(header.names)).unwrap_or_default();
    // A column's name with a label is another sensor's value, of the same station.
    let is_labelled = |key: &str| super::weewx::place(key, |name| decoding.keys.place(schema, name)).is_some();
    if keys.iter().chain(&around).any(|key| decoding.leads_to_column(schema, key) || is_labelled(key)) {
        return Ok(());
    }
    let shown = keys.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if keys.len() > SHOWN { ", ..." } else { "" };
    Err(if keys.is_empty() { "a row without keys".into() } else { format!("no column has a key of it: {shown}{more}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Format, Header, Kind};

    #[test]
    fn names_that_no_column_has_are_met_once() {
        let schema = Schema::new([("t", Kind::Number), ("a.b", Kind::Number), ("list[0].x", Kind::Number)]);
        let (mut unknown, decoding) = (UnmatchedNames::default(), Decoding::default());
        for name in ["z", "a", "list", "lis", "z", "", "t"] {
            unknown.meet(name, &schema, &decoding);
        }
        assert_eq!(unknown.take_new(), ["z", "lis"]);
        ["z", "y"].iter().for_each(|name| unknown.meet(name, &schema, &decoding));
        assert_eq!(unknown.take_new(), ["y"]);
        (0..2 * MOST).for_each(|number| unknown.meet(&number.to_string(), &schema, &decoding));
        assert_eq!((unknown.met.len(), unknown.take_new().len() <= MOST), (MOST, true));
        let mut ignored = UnmatchedNames::default();
        ignored.meet("z", &schema, &Decoding { unknown_keys: UnknownKeys::Ignore, ..decoding });
        assert!(ignored.take_new().is_empty());
    }

    #[test]
    fn a_row_of_foreign_keys_is_refused_with_them() {
        let schema = Schema::new([("t", Kind::Number)]);
        let refuse = |row: &str, around: Option<&str>| {
            let header = around.map(|around| Header::read(around.as_bytes()));
            let row = Row { bytes: row.as_bytes(), format: Format::Json, header };
            refuse_foreign(row, &schema, &Decoding::default())
        };
        assert_eq!(refuse(r#"{"t":null,"z":1}"#, None), Ok(()));
        assert_eq!(refuse(r#"{"z":[{}],"t":nan}"#, None), Ok(()));
        let foreign = r#"{"z":1,"state":"offline"}"#;
        assert_eq!(refuse(foreign, None), Err("no column has a key of it: z, state".into()));
        assert_eq!((refuse(foreign, Some(r#"{"t":null}"#)), refuse(foreign, Some("{}")).is_err()), (Ok(()), true));
        assert_eq!(refuse("{}", None), Err("a row without keys".into()));
    }
}
