//! The event time of a row: when it was measured, by one of its columns.

use super::{Column, Kind, Message};

/// The event time of a row in milliseconds since 1970; `None` if its column holds none.
pub fn event_time(message: &Message, column: &Column, row: usize) -> Option<i64> {
    match column.kind {
        Kind::Number => milliseconds(message.column(column.slot)[row]),
        Kind::Text => parse_event_time(message.texts[column.slot].get(row)?),
    }
}

/// The event time of a row in microseconds since 1970; `None` if its column holds none.
pub fn event_microseconds(message: &Message, column: &Column, row: usize) -> Option<i64> {
    let of_number = |seconds: f64| milliseconds(seconds).map(|_| (seconds * 1e6).round() as i64);
    match column.kind {
        Kind::Number => of_number(message.column(column.slot)[row]),
        Kind::Text => {
            let text = message.texts[column.slot].get(row)?;
            let number = text.parse().ok();
            number.map_or_else(|| date_and_time(text).map(jiff::Timestamp::as_microsecond), of_number)
        }
    }
}

/// The event time of a row in nanoseconds since 1970, of a number to the microsecond; `None` if its column holds none
/// between the years 1677 and 2262.
pub fn event_nanoseconds(message: &Message, column: &Column, row: usize) -> Option<i64> {
    let text = match column.kind {
        Kind::Text => message.texts[column.slot].get(row).filter(|text| text.parse::<f64>().is_err()),
        Kind::Number => None,
    };
    match text {
        Some(text) => i64::try_from(date_and_time(text)?.as_nanosecond()).ok(),
        None => event_microseconds(message, column, row)?.checked_mul(1_000),
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
    text.parse().ok().or_else(|| Some(date_and_time(text)?.as_nanosecond() as f64 / 1e9))
}

/// Parses seconds since 1970, or a date and time of ISO 8601, in UTC if it names no offset.
fn parse_event_time(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return milliseconds(seconds);
    }
    date_and_time(text).map(jiff::Timestamp::as_millisecond)
}

fn date_and_time(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok().or_else(|| {
        let local: jiff::civil::DateTime = text.parse().ok()?;
        Some(local.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })
}

fn milliseconds(seconds: f64) -> Option<i64> {
    rounded_time(seconds * 1e3)
}

/// Milliseconds since 1970, rounded to whole ones; `None` beyond the year 9999.
pub fn rounded_time(milliseconds: f64) -> Option<i64> {
    let rounded = milliseconds.round();
    Some(rounded as i64).filter(|time| rounded.is_finite() && is_time(*time))
}

/// Whether milliseconds since 1970 are a valid time, up to the year 9999.
pub fn is_time(milliseconds: i64) -> bool {
    jiff::Timestamp::from_millisecond(milliseconds).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TextColumn;

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
