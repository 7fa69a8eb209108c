//! Windows over event time.

use crate::data::{Column, Kind, Message};

/// Windows of one length, one every hop; tumbling if both are equal.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// The column of the event time.
    pub time: Column,
    /// The length in milliseconds.
    pub length: i64,
    /// The hop in milliseconds; not longer than `length`.
    pub hop: i64,
}

impl Window {
    /// The starts of the windows that hold a time, the last first; all in milliseconds since 1970.
    pub fn starts(&self, time: i64) -> impl Iterator<Item = i64> + use<> {
        let (length, hop) = (self.length, self.hop);
        let last = time.div_euclid(hop) * hop;
        (0..).map(move |back| last - back * hop).take_while(move |start| start + length > time)
    }

    /// The end of the last window that holds a time, in milliseconds since 1970.
    pub fn end(&self, time: i64) -> i64 {
        time.div_euclid(self.hop) * self.hop + self.length
    }

    /// The event time of a row, in milliseconds since 1970; `None` if its column holds none.
    pub fn time(&self, message: &Message, row: usize) -> Option<i64> {
        match self.time.kind {
            Kind::Number => milliseconds(message.column(self.time.slot)[row]),
            Kind::Text => parse(message.texts[self.time.slot].get(row)?),
        }
    }
}

/// Parses seconds since 1970, or a date and time of ISO 8601, in UTC if it names no offset.
fn parse(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return milliseconds(seconds);
    }
    let with_offset = text.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond());
    with_offset.or_else(|| {
        let local: jiff::civil::DateTime = text.parse().ok()?;
        Some(local.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
    })
}

fn milliseconds(seconds: f64) -> Option<i64> {
    let milliseconds = (seconds * 1000.0).round();
    Some(milliseconds as i64).filter(|time| milliseconds.is_finite() && is_time(*time))
}

/// Whether milliseconds since 1970 are a valid time, up to the year 9999.
pub fn is_time(milliseconds: i64) -> bool {
    jiff::Timestamp::from_millisecond(milliseconds).is_ok()
}

/// A start in ISO 8601, UTC.
pub fn shown(start: i64) -> String {
    jiff::Timestamp::from_millisecond(start).map_or_else(|_| start.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_seconds_and_as_iso_8601() {
        assert_eq!(parse("1700000000"), Some(1_700_000_000_000));
        assert_eq!(parse("1700000000.25"), Some(1_700_000_000_250));
        assert_eq!(parse("2023-11-14T22:13:20"), Some(1_700_000_000_000));
        assert_eq!(parse("2023-11-14T23:13:20+01:00"), Some(1_700_000_000_000));
        for wrong in ["", "yesterday", "nan", "inf", "1e300"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert_eq!(shown(1_700_000_000_000), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn a_time_is_in_all_windows_that_hold_it() {
        let time = Column { name: "t".into(), kind: Kind::Number, slot: 0 };
        let starts = |length, hop, at| Window { time: time.clone(), length, hop }.starts(at).collect::<Vec<_>>();
        assert_eq!(starts(10, 10, 19), [10]);
        assert_eq!(starts(10, 10, -1), [-10]);
        assert_eq!(starts(10, 4, 19), [16, 12]);
        assert_eq!(starts(10, 4, 20), [20, 16, 12]);
    }
}
