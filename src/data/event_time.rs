//! The event time of a row: when it was measured, by one of its columns.

use jiff::civil::DateTime;
use jiff::fmt::temporal::{Pieces, PiecesOffset};
use jiff::{SignedDuration, Timestamp};

use super::compact_dates::date_of_digits;
use super::{Column, Kind, Message};

/// The event time of a row in milliseconds since 1970; `None` if its column holds none.
pub fn event_time(message: &Message, column: &Column, row: usize) -> Option<i64> {
    Written::of(message, column, row)?.milliseconds()
}

/// The event time of a row in microseconds since 1970; `None` if its column holds none.
pub fn event_microseconds(message: &Message, column: &Column, row: usize) -> Option<i64> {
    match Written::of(message, column, row)? {
        Written::Seconds(seconds) => milliseconds(seconds).map(|_| rounded(seconds * 1e6, 1e6) as i64),
        Written::Date(nanoseconds) => i64::try_from(nanoseconds.div_euclid(1_000)).ok(),
    }
}

/// The event time of a row in nanoseconds since 1970, of a number to the microsecond; `None` if its column holds none
/// between the years 1677 and 2262.
pub fn event_nanoseconds(message: &Message, column: &Column, row: usize) -> Option<i64> {
    match Written::of(message, column, row)? {
        Written::Seconds(_) => event_microseconds(message, column, row)?.checked_mul(1_000),
        Written::Date(nanoseconds) => i64::try_from(nanoseconds).ok(),
    }
}

/// How a time is written.
#[derive(Clone, Copy)]
enum Written {
    /// Seconds since 1970, which may be no time.
    Seconds(f64),
    /// A date and time, as nanoseconds since 1970.
    Date(i128),
}

impl Written {
    fn of(message: &Message, column: &Column, row: usize) -> Option<Written> {
        match column.kind {
            Kind::Number => Some(Written::Seconds(message.column(column.slot)[row])),
            Kind::Text => Written::of_text(message.texts[column.slot].get(row)?),
        }
    }

    fn of_text(text: &str) -> Option<Written> {
        if let Some(date) = date_of_digits(text) {
            return Some(Written::Date(nanoseconds(date)));
        }
        let number = text.parse().ok().map(Written::Seconds);
        number.or_else(|| date_and_time(text).map(Written::Date))
    }

    fn milliseconds(self) -> Option<i64> {
        match self {
            Written::Seconds(seconds) => milliseconds(seconds),
            Written::Date(nanoseconds) => i64::try_from(nanoseconds.div_euclid(1_000_000)).ok(),
        }
    }
}

/// The rows of a message in the order of a column, by its numbers or dates; equal ones stay in theirs, and rows without
/// either come last. `None` if they are in this order already. Also returns whether a row has neither.
pub fn order_by(message: &Message, column: &Column) -> (Option<Vec<usize>>, bool) {
    let key = |row: usize| match column.kind {
        Kind::Number => message.column(column.slot)[row],
        Kind::Text => message.texts[column.slot].get(row).and_then(seconds).unwrap_or(f64::NAN),
    };
    let keys: Vec<f64> = (0..message.rows()).map(key).collect();
    let missing = keys.iter().any(|key| key.is_nan());
    // A missing value is behind all others, and both zeros are equal.
    let order = |a: f64, b: f64| a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
    if keys.is_sorted_by(|a, b| order(*a, *b).is_le()) {
        return (None, missing);
    }
    let mut rows: Vec<usize> = (0..keys.len()).collect();
    rows.sort_by(|a, b| order(keys[*a], keys[*b]));
    (Some(rows), missing)
}

/// A number, or the seconds since 1970 of a date and time.
fn seconds(text: &str) -> Option<f64> {
    text.parse().ok().or_else(|| Some(date_and_time(text)? as f64 / 1e9))
}

/// The nanoseconds since 1970 of a date and time of ISO 8601, in UTC if it names no offset.
fn date_and_time(text: &str) -> Option<i128> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_nanosecond());
    }
    // jiff's own instants end a day before the year 9999 does, and its local times pass over an offset.
    let offset_of = |pieces: &Pieces<'_>| match pieces.offset()? {
        PiecesOffset::Numeric(offset) => Some(offset.offset().seconds()),
        _ => Some(0),
    };
    let last = text.contains("9999").then(|| Pieces::parse(text).ok()).flatten();
    let last = last.filter(|pieces| pieces.date().year() == 9999);
    let time = match last.and_then(|pieces| Some((pieces.date().to_datetime(pieces.time()?), offset_of(&pieces)?))) {
        Some((local, offset)) => nanoseconds(local) - i128::from(offset) * 1_000_000_000,
        None => nanoseconds(text.parse().ok()?),
    };
    Some(time).filter(|time| is_instant(*time))
}

/// Whether a text is a date and time of ISO 8601, up to the end of the year 9999.
pub fn is_date_and_time(text: &str) -> bool {
    date_and_time(text).is_some()
}

const START_OF_1970: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

fn nanoseconds(utc: DateTime) -> i128 {
    utc.duration_since(START_OF_1970).as_nanos()
}

/// The date and time in UTC of nanoseconds since 1970; `None` if they are no valid time.
pub fn civil_time(nanoseconds: i128) -> Option<DateTime> {
    if !is_instant(nanoseconds) {
        return None;
    }
    let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).ok()?;
    let since = SignedDuration::new(seconds, i32::try_from(nanoseconds.rem_euclid(1_000_000_000)).ok()?);
    START_OF_1970.checked_add(since).ok()
}

/// The date and time in UTC of milliseconds since 1970; `None` if they are no valid time.
pub fn civil_milliseconds(milliseconds: i64) -> Option<DateTime> {
    civil_time(i128::from(milliseconds) * 1_000_000)
}

fn milliseconds(seconds: f64) -> Option<i64> {
    rounded_time(seconds * 1e3)
}

/// Milliseconds since 1970, rounded to whole ones, but never up into the next second; `None` beyond the year 9999.
pub fn rounded_time(milliseconds: f64) -> Option<i64> {
    let rounded = rounded(milliseconds, 1e3);
    Some(rounded as i64).filter(|time| rounded.is_finite() && is_time(*time))
}

/// A number of parts of a second as a whole one: what lies before a second, a minute or a day stays before it.
fn rounded(parts: f64, of_second: f64) -> f64 {
    let rounded = parts.round();
    if rounded > parts && rounded % of_second == 0.0 { rounded - 1.0 } else { rounded }
}

/// Whether milliseconds since 1970 are a valid time, up to the end of the year 9999.
pub fn is_time(milliseconds: i64) -> bool {
    is_instant(i128::from(milliseconds) * 1_000_000)
}

fn is_instant(nanoseconds: i128) -> bool {
    /// 10000-01-01T00:00:00Z.
    const END: i128 = 253_402_300_800_000_000_000;
    (Timestamp::MIN.as_nanosecond()..END).contains(&nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TextColumn;

    fn parse_event_time(text: &str) -> Option<i64> {
        Written::of_text(text)?.milliseconds()
    }

    #[test]
    fn times_as_seconds_and_as_iso_8601() {
        assert_eq!(parse_event_time("1700000000"), Some(1_700_000_000_000));
        assert_eq!(parse_event_time("1700000000.25"), Some(1_700_000_000_250));
        assert_eq!(parse_event_time("2023-11-14T22:13:20"), Some(1_700_000_000_000));
        assert_eq!(parse_event_time("2023-11-14T23:13:20+01:00"), Some(1_700_000_000_000));
        for wrong in ["", "yesterday", "nan", "inf", "1e300"] {
            assert_eq!(parse_event_time(wrong), None, "{wrong}");
        }
    }

    /// As `pandas.to_datetime` reads them.
    #[test]
    fn dates_of_iso_8601_without_separators_are_no_seconds() {
        let noon = Some(1_709_294_400_000);
        assert_eq!(parse_event_time("20240301"), Some(1_709_251_200_000));
        for text in ["202403011200", "20240301120000", "20240301T120000Z", "20240301T1200", "1709294400"] {
            assert_eq!(parse_event_time(text), noon, "{text}");
        }
        for (text, seconds) in [("20241301", 20_241_301), ("2024030113", 2_024_030_113), ("20240301.0", 20_240_301)] {
            assert_eq!(parse_event_time(text), Some(seconds * 1000), "{text}");
        }
    }

    #[test]
    fn a_time_is_never_rounded_into_the_next_second() {
        for (seconds, expected) in [
            (1_709_251_199.999_999_8, 1_709_251_199_999),
            (86_399.999_999_9, 86_399_999),
            (-0.000_1, -1),
            (1_700_000_000.1, 1_700_000_000_100),
            (0.000_6, 1),
            (1_709_251_200.0, 1_709_251_200_000),
        ] {
            assert_eq!(milliseconds(seconds), Some(expected), "{seconds}");
        }
        assert_eq!(rounded_time(1_709_251_199_999_999.0 / 1e3), Some(1_709_251_199_999));
        assert_eq!(parse_event_time("1969-12-31T23:59:59.9999Z"), Some(-1));
        let message = Message::from_columns(&[vec![1_709_251_199.999_999_8]]);
        let column = Column { name: "t".into(), kind: Kind::Number, slot: 0 };
        assert_eq!(event_microseconds(&message, &column, 0), Some(1_709_251_199_999_999));
    }

    #[test]
    fn years_run_to_the_end_of_9999() {
        let last = 253_402_300_799_000;
        for text in ["9999-12-31T23:59:59Z", "9999-12-31 23:59:59", "9999-12-31T22:59:59-01:00", "253402300799"] {
            assert_eq!(parse_event_time(text), Some(last), "{text}");
        }
        for text in ["9999-12-31T23:59:59-01:00", "253402300800", "10000-01-01T00:00:00Z", "9999-12-31T24:59:59Z"] {
            assert_eq!(parse_event_time(text), None, "{text}");
        }
        assert_eq!(civil_time(i128::from(last) * 1_000_000).unwrap().to_string(), "9999-12-31T23:59:59");
        assert!(is_time(last) && !is_time(last + 1000) && is_time(-62_135_596_801_000));
    }

    #[test]
    fn nanoseconds_are_those_of_the_text() {
        let (column, mut cells) = (Column { name: "t".into(), kind: Kind::Text, slot: 0 }, TextColumn::default());
        let texts = ["2023-11-14T22:13:20.000000001Z", "1700000000.1", "-1", "1677-01-01T00:00:00Z", "soon"];
        texts.into_iter().for_each(|text| cells.push(Some(text)));
        cells.push(None);
        let mut message = Message::from_columns(&[vec![1_700_000_000.1; 6]]);
        message.texts.push(cells);
        let all: Vec<Option<i64>> = (0..6).map(|row| event_nanoseconds(&message, &column, row)).collect();
        let tenth = Some(1_700_000_000_100_000_000);
        assert_eq!(all, [Some(1_700_000_000_000_000_001), tenth, Some(-1_000_000_000), None, None, None]);
        let column = Column { kind: Kind::Number, ..column };
        assert_eq!(event_nanoseconds(&message, &column, 0), tenth);
    }

    #[test]
    fn rows_are_ordered_by_times_of_either_kind_and_missing_ones_come_last() {
        let column = |kind| Column { name: "t".into(), kind, slot: 0 };
        let of_texts = |texts: &[Option<&str>]| {
            let mut message = Message::from_columns(&[vec![0.0; texts.len()]]);
            let mut cells = TextColumn::default();
            texts.iter().for_each(|text| cells.push(*text));
            message.texts.push(cells);
            order_by(&message, &column(Kind::Text)).0
        };
        // 11:30Z, 10:00Z, none, 10:00Z, 1 s.
        let texts = ["2024-03-01T12:30:00+01:00", "2024-03-01T10:00:00Z", "soon", "2024-03-01 10:00", "1"];
        assert_eq!(of_texts(&texts.map(Some)), Some(vec![4, 1, 3, 0, 2]));
        // Not as texts are ordered.
        assert_eq!(of_texts(&[Some("10"), None, Some("9")]), Some(vec![2, 0, 1]));
        assert_eq!(of_texts(&[Some("9"), Some("10"), Some("10"), None, None]), None);
        let numbers = Message::from_columns(&[vec![2.0, f64::NAN, -0.0, 0.0, -1.0]]);
        assert_eq!(order_by(&numbers, &column(Kind::Number)), (Some(vec![4, 2, 3, 0, 1]), true));
    }
}
