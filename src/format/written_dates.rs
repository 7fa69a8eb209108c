//! Dates and times of day as people and loggers write them.

use jiff::civil::{Date, DateTime, Time};

use super::named_dates;
use crate::data::DateOrder;

/// Why a text is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotATime {
    /// It is none.
    #[error("is not a time")]
    Unreadable,
    /// It has numbers, and may be one that is written in another way.
    #[error("is not a time: say how it is written, format = \"...\" in [schema.time], if it is one")]
    Unknown,
    /// It is a date as one number.
    #[error("is a date, not seconds since 1970: say format = {0:?} in [schema.time], or unit = \"s\" if it is none")]
    Compact(&'static str),
    /// It ends in letters that say nothing.
    #[error("ends in letters that name no offset of the zone: say zone in [schema.time], such as \"Europe/Berlin\"")]
    UnknownZone,
    /// It is a date only with day and month the other way round.
    #[error("has no such month with the {} first, as `order` or other rows say: one order holds for all rows", first(*.0))]
    OtherOrder(DateOrder),
    /// It is not written as `format` says.
    #[error("is not written as `format` of [schema.time] says")]
    OtherFormat,
    /// It is a number beyond all years, and a date of this century in another unit.
    #[error("is no time in seconds: say unit = {0:?} in [schema.time]")]
    OtherUnit(&'static str),
    /// It is one of two.
    #[error("may have the day or the month first: say order = \"day-first\" or \"month-first\" in [schema.time]")]
    Ambiguous,
}

/// What stands first in an order.
fn first(order: DateOrder) -> &'static str {
    match order {
        DateOrder::DayFirst => "day",
        DateOrder::MonthFirst => "month",
    }
}

/// Reads a date and time of ISO 8601 without an offset, or one written with numbers, such as `31.08.16 5:45` or
/// `6/1/23 12:00 AM`.
///
/// # Errors
/// A text that is no time, or one of two.
pub fn civil(text: &str, order: Option<DateOrder>) -> Result<DateTime, NotATime> {
    let text = text.trim();
    if let Ok(time) = text.parse::<DateTime>() {
        return Ok(time);
    }
    if let Some(found) = named_dates::read(text).filter(|found| found.zone.is_none()) {
        return named(&found);
    }
    let (date, time) = text.split_once([' ', 'T', '\t']).unwrap_or((text, "0:00"));
    written(date, time, order).map_err(|error| match error {
        NotATime::Unreadable if text.bytes().any(|byte| byte.is_ascii_digit()) => NotATime::Unknown,
        error => error,
    })
}

/// The local time of a date whose month is a word.
pub(super) fn named(found: &named_dates::NamedDate) -> Result<DateTime, NotATime> {
    let date = Date::new(full_year(found.year), found.month, found.day).map_err(|_| NotATime::Unreadable)?;
    let time = if found.time.is_empty() { "0:00" } else { &found.time };
    on_day(date, time).ok_or(NotATime::Unknown)
}

/// Reads a date and a time of day, such as `08/31/16` and `5:45 a`.
///
/// # Errors
/// As [`civil`].
pub fn written(date: &str, time: &str, order: Option<DateOrder>) -> Result<DateTime, NotATime> {
    on_day(read_date(date, order)?, time).ok_or(NotATime::Unreadable)
}

/// A time of day on a date; the hour 24 is the end of the day.
fn on_day(date: Date, time: &str) -> Option<DateTime> {
    match time.trim() {
        "24:00" | "24:00:00" | "2400" | "240000" => Some(date.tomorrow().ok()?.to_datetime(Time::midnight())),
        time => Some(date.to_datetime(time_of_day(time)?)),
    }
}

/// The order of day and month that a date tells: one of its numbers is no month, or points stand between them.
pub fn order_told(date: &str) -> Option<DateOrder> {
    let date = date.trim().split([' ', 'T']).next()?;
    let parts = numbers(date)?;
    match parts {
        [first, ..] if first > 31 => None,
        _ if date.contains('.') => Some(DateOrder::DayFirst),
        [13..=31, 1..=12, _] => Some(DateOrder::DayFirst),
        [1..=12, 13..=31, _] => Some(DateOrder::MonthFirst),
        _ => None,
    }
}

/// Whether a date could have the day or the month first.
pub fn needs_order(date: &str) -> bool {
    let date = date.trim().split([' ', 'T']).next().unwrap_or_default();
    matches!(numbers(date), Some([1..=12, 1..=12, _])) && !date.contains('.')
}

/// The three numbers of a date.
fn numbers(date: &str) -> Option<[i16; 3]> {
    let mut parts = date.trim().split(['/', '-', '.']).map(str::parse);
    let numbers = [parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?];
    parts.next().is_none().then_some(numbers)
}

fn read_date(date: &str, order: Option<DateOrder>) -> Result<Date, NotATime> {
    let [first, second, third] = numbers(date).ok_or(NotATime::Unreadable)?;
    let same = first == second;
    let (year, month, day) = match order.or_else(|| order_told(date)) {
        _ if first > 31 => (first, second, third),
        Some(DateOrder::DayFirst) => (third, second, first),
        Some(DateOrder::MonthFirst) => (third, first, second),
        None if same => (third, first, second),
        None if first <= 12 && second <= 12 => return Err(NotATime::Ambiguous),
        None => return Err(NotATime::Unreadable),
    };
    let date = |month, day| {
        let part = |number: i16| i8::try_from(number).ok();
        Date::new(full_year(year), part(month)?, part(day)?).ok()
    };
    date(month, day).ok_or_else(|| match order {
        Some(order) if first <= 31 && date(day, month).is_some() => NotATime::OtherOrder(order),
        _ => NotATime::Unreadable,
    })
}

/// The year of one that may be written with two digits.
fn full_year(year: i16) -> i16 {
    match year {
        0..70 => 2000 + year,
        70..100 => 1900 + year,
        _ => year,
    }
}

/// Reads a time of day: `17:45`, `17:45:10`, `5:45 p`, `12:00 AM`, `17.45`.
fn time_of_day(time: &str) -> Option<Time> {
    let time = time.trim().to_ascii_lowercase();
    let clock = time.trim_end_matches(['a', 'p', 'm', '.', ' ']);
    // By itself, 1230 may be a day of December.
    if matches!(time.len(), 4 | 6) && time.bytes().all(|byte| byte.is_ascii_digit()) {
        let part = |at: usize| time.get(at..at + 2).map_or(Some(0), |part| part.parse().ok());
        return Time::new(part(0)?, part(2)?, part(4)?, 0).ok();
    }
    if let Some(whole) = (clock.len() == time.len()).then(|| clock.parse().ok()).flatten() {
        return Some(whole);
    }
    let mark = if clock.contains(':') { ':' } else { '.' };
    // Behind a point a minute has two digits: `5.5` is no time of day.
    if mark == '.' && clock.split('.').skip(1).any(|part| part.len() != 2) {
        return None;
    }
    let mut parts = clock.split(mark).map(str::parse::<i8>);
    let (hour, minute) = (parts.next()?.ok()?, parts.next()?.ok()?);
    let second = parts.next().transpose().ok()?.unwrap_or(0);
    let half = time[clock.len()..].trim_start().chars().next();
    let hour = match half {
        None => hour,
        Some('a') if (1..=12).contains(&hour) => hour % 12,
        Some('p') if (1..=12).contains(&hour) => hour % 12 + 12,
        Some(_) => return None,
    };
    Time::new(hour, minute, second, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_in_every_layout() {
        use DateOrder::{DayFirst, MonthFirst};
        for (date, time, order, expected) in [
            ("08/31/16", "5:45 a", None, "2016-08-31T05:45:00"),
            ("6-13-12", "3:30 PM", Some(MonthFirst), "2012-06-13T15:30:00"),
            ("01/02/17", "12:00 a", Some(MonthFirst), "2017-01-02T00:00:00"),
            ("01/02/17", "12:05 p.m.", Some(DayFirst), "2017-02-01T12:05:00"),
            ("05/05/17", "0:05", None, "2017-05-05T00:05:00"),
            ("31.08.2016", "17:45", None, "2016-08-31T17:45:00"),
            ("2016-08-31", "17:45:10", Some(DayFirst), "2016-08-31T17:45:10"),
            ("31.08.16", "1230", None, "2016-08-31T12:30:00"),
            ("31.08.16", "123015", None, "2016-08-31T12:30:15"),
            ("31.08.16", "17.45", None, "2016-08-31T17:45:00"),
        ] {
            let read = written(date, time, order).map(|time| time.to_string());
            assert_eq!(read.as_deref(), Ok(expected), "{date} {time}");
        }
        assert_eq!(written("01/02/17", "5:45", None), Err(NotATime::Ambiguous));
        assert_eq!(written("13/12/16", "5:45 a", Some(MonthFirst)), Err(NotATime::OtherOrder(MonthFirst)));
        for (date, time, order) in [
            ("13/31/16", "5:45 a", None),
            ("08/31/16", "noon", None),
            ("08/31/16", "13:00 p", None),
            ("08/31/16", "25:00", None),
            ("08/31", "5:00", None),
        ] {
            assert_eq!(written(date, time, order), Err(NotATime::Unreadable), "{date} {time}");
        }
        assert_eq!((order_told("31/08/16"), order_told("01.02.16")), (Some(DayFirst), Some(DayFirst)));
        assert_eq!((order_told("08/31/16"), order_told("2016-08-31")), (Some(MonthFirst), None));
        assert_eq!((order_told("01/02/16"), order_told("x")), (None, None));
    }
}
