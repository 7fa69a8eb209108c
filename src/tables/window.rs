//! Windows over event time.

use crate::data::{Column, Message, civil_milliseconds, event_time};

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
        event_time(message, &self.time, row)
    }
}

/// A start in ISO 8601, UTC.
pub fn shown(start: i64) -> String {
    civil_milliseconds(start).map_or_else(|| start.to_string(), |time| format!("{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Kind;

    #[test]
    fn a_start_is_shown_in_iso_8601() {
        assert_eq!(shown(1_700_000_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(shown(253_402_300_799_250), "9999-12-31T23:59:59.25Z");
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
