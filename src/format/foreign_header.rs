//! Whether a line of words above rows is a header none of whose names is that of a column, or a row that can't be read.

use std::borrow::Cow;

use crate::data::cell::DecimalMark;
use crate::data::{Kind, Schema};
use crate::format::{Framing, csv};

/// What stations write where they have no number, in lower case: no name of a column.
const STATES: [&str; 17] = [
    "offline",
    "error",
    "err",
    "fault",
    "fail",
    "failed",
    "failure",
    "invalid",
    "unavailable",
    "unknown",
    "disconnected",
    "not connected",
    "timeout",
    "no data",
    "nodata",
    "no signal",
    "defective",
];

/// Whether a line stands above a row of as many cells as its names would.
pub fn is_above(header: &str, row: &str, separator: u8, schema: &Schema, framing: &Framing) -> bool {
    let names: Vec<_> = csv::cells_by(header, separator).collect();
    let begins = |name: &str| name.trim().starts_with(|first: char| first.is_alphabetic() || first == '#');
    let is_name = |(place, (name, cell)): (usize, (&Cow<'_, str>, Cow<'_, str>))| {
        let is_number = schema.columns().get(place).is_some_and(|column| column.kind == Kind::Number);
        let is_value = is_number && (framing.decoding.number(name, DecimalMark::Either).is_some() || is_state(name));
        // A station that the next row names, too, is none.
        begins(name) && !is_value && name.trim() != cell.trim() && !names[..place].contains(name)
    };
    let cells = csv::cells_by(row, separator);
    names.iter().zip(cells).enumerate().all(is_name)
}

/// Whether a line is a row of a station without a number for some column: then the next line of words is one, too.
pub fn is_row_of_states(line: &str, separator: u8, schema: &Schema) -> bool {
    let is_number = |place: usize| schema.columns().get(place).is_some_and(|column| column.kind == Kind::Number);
    csv::cells_by(line, separator).enumerate().any(|(place, cell)| is_number(place) && is_state(&cell))
}

fn is_state(cell: &str) -> bool {
    STATES.contains(&cell.trim().to_lowercase().as_str())
}

/// Whether another line shows that this one is a row: some text of it stands in the same column there, and not all do, as
/// where a header comes again.
pub fn is_row_beside(line: &str, other: &str, separator: u8) -> bool {
    let (mut same, mut different) = (false, false);
    for (cell, other) in csv::cells_by(line, separator).zip(csv::cells_by(other, separator)) {
        match cell.trim() == other.trim() {
            true => same |= !cell.trim().is_empty(),
            false => different = true,
        }
    }
    same && different
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn names_stand_above_rows_and_states_do_not() {
        let schema = Schema::new([("temp", Kind::Number), ("station", Kind::Text)]);
        let framing = Framing { columns: Some(Arc::new(schema.clone())), ..Framing::default() };
        for (line, row, expected) in [
            ("temperature,place", "21.5,Hill", true),
            ("Offline,Hill", "21.5,Moor", false),
            ("no data,Hill", "21.5,Moor", false),
            ("temperature,error", "21.5,Moor", true),
            ("temperature,Hill", "21.5,Hill", false),
            ("x,x", "21.5,Hill", false),
            ("---,Hill", "21.5,Moor", false),
        ] {
            assert_eq!(is_above(line, row, b',', &schema, &framing), expected, "{line}");
        }
    }

    #[test]
    fn a_text_that_comes_again_in_its_column_is_that_of_a_row() {
        for (other, expected) in
            [("21.5,Hill", true), ("out,Moor", true), ("21.5,Moor", false), ("out,Hill", false), ("Hill,out", false)]
        {
            assert_eq!(is_row_beside("out,Hill", other, b','), expected, "{other}");
        }
        assert!(!is_row_beside("out,", "21.5,", b','));
    }
}
