//! A header that comes again among the rows, as loggers write it when they start anew.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::format::csv;

/// The bytes, as a set of bits, that names of a header begin with, in either case: a record that begins with another one
/// is a row. An empty name begins with the separator.
pub fn first_bytes(header: &str, separator: u8) -> u128 {
    let first = |name: Cow<'_, str>| Some(name.trim().bytes().next().unwrap_or(separator));
    let names = csv::cells_by(header, separator).filter_map(first).filter(|byte| !byte.is_ascii_digit());
    let both = |byte: u8| [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()];
    names.filter(u8::is_ascii).flat_map(both).fold(0, |set, byte| set | 1 << byte)
}

/// Whether a record begins with one of these bytes, in quotes or not.
pub fn may_be_header(record: &[u8], first_bytes: u128) -> bool {
    let first = match record {
        [b'"', first, ..] | [first, ..] => *first,
        [] => return false,
    };
    first.is_ascii() && first_bytes >> first & 1 == 1
}

/// Whether a record has all names of a header, several, in whatever order and case, and with others between them; `header`
/// is in lower case.
pub fn is_repeated(record: &str, header: &str, separator: u8) -> bool {
    // The fast path: most rows begin with a number or a time, or with another text.
    if record.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
        return false;
    }
    let mut names = csv::cells_by(record, separator);
    let first = names.find(|name| !name.trim().is_empty()).unwrap_or_default().trim().to_lowercase();
    if first.is_empty() || !header.contains(&first) {
        return false;
    }
    let filled = |line| csv::cells_by(line, separator).filter(|name| !name.trim().is_empty()).map(Cow::into_owned);
    let mut cells: HashMap<String, usize> = HashMap::new();
    filled(record).for_each(|cell| *cells.entry(cell.trim().to_lowercase()).or_default() += 1);
    let mut names = 0;
    let is_there = |name: String| {
        names += 1;
        let left = cells.get_mut(name.trim()).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    };
    filled(header).all(is_there) && names > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_with_all_names_is_a_header() {
        let header = ",time,temp, temp,";
        for (record, expected) in [
            ("time,temp,temp", true),
            ("\"temp\",time,batt,temp", true),
            ("time,temp", false),
            ("time,temp,20.5", false),
            ("tim,temp,temp", false),
            (",TEMP,Time,temp", true),
            (",temp,20.5", false),
            ("12:00,temp,temp", false),
            ("", false),
        ] {
            let found =
                may_be_header(record.as_bytes(), first_bytes(header, b',')) && is_repeated(record, header, b',');
            assert_eq!(found, expected, "{record}");
        }
        assert!(!is_repeated("state", "state", b','), "a text may be its column's name");
        assert_eq!(first_bytes("1,2,3", b','), 0);
        assert!(may_be_header(b"Time", first_bytes("time", b',')) && !may_be_header(b",1", first_bytes("time", b',')));
    }
}
