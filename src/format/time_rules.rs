//! How the time of a row is written: `[schema.time]` of a dataflow file.
//!
//! The decoder writes the time column anew, as everybody behind it reads it: texts in ISO 8601, numbers in seconds.
//!
//! A local time that stands twice, at a change of clocks, is that of the first pass unless the rows before it say that
//! the clock was set back; one that does not exist is read with the offset before the change.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::{rfc2822, strtime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::data::{DateOrder, rounded_time};

/// The unit of times that are numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimeUnit {
    /// Seconds since 1970.
    #[default]
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

/// How times are written that are not ISO 8601 with an offset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeRules {
    /// The unit of numbers.
    pub unit: TimeUnit,
    /// How texts are written, with the directives of `strptime`; found if not given.
    pub format: Option<String>,
    /// The zone of times that name none; UTC if not given.
    pub zone: Option<TimeZone>,
    /// The order of day and month; dates that need it are no times if it is not given.
    pub order: Option<DateOrder>,
}

/// The column with the time of a row, and how it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeColumn {
    /// The column's name.
    pub name: String,
    /// The cells that make the time together, such as a date and a time of day; the column itself if there are none.
    pub from: Vec<String>,
    /// The column that tells stations apart, each with its own order of rows.
    pub key: Option<String>,
    /// How it is written.
    pub rules: TimeRules,
}

/// Why a text is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotATime {
    /// It is none.
    #[error("is not a time")]
    Unreadable,
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

impl TimeUnit {
    /// A number of this unit as milliseconds since 1970; `None` beyond the year 9999.
    pub fn milliseconds(self, number: f64) -> Option<i64> {
        rounded_time(match self {
            TimeUnit::S => number * 1e3,
            TimeUnit::Ms => number,
            TimeUnit::Us => number / 1e3,
            TimeUnit::Ns => number / 1e6,
        })
    }

    /// The instant of a number of this unit: to the nanosecond if it is a whole one, else to the millisecond.
    fn instant(self, text: &str, number: f64) -> Option<Timestamp> {
        let nanoseconds = match self {
            TimeUnit::S => 1_000_000_000,
            TimeUnit::Ms => 1_000_000,
            TimeUnit::Us => 1_000,
            TimeUnit::Ns => 1,
        };
        let milliseconds = self.milliseconds(number)?;
        let exact = text.parse::<i128>().ok().and_then(|whole| whole.checked_mul(nanoseconds));
        match exact {
            Some(exact) => Timestamp::from_nanosecond(exact).ok(),
            None => Timestamp::from_millisecond(milliseconds).ok(),
        }
    }

    /// Why a number is no time of this unit.
    pub fn refusal(self, number: f64) -> NotATime {
        /// From the year 2000 to 2100, in seconds.
        const CENTURY: std::ops::Range<f64> = 946_684_800.0..4_102_444_800.0;
        let fits = |(_, second): &&(&str, f64)| CENTURY.contains(&(number / second));
        let other = [("ms", 1e3), ("us", 1e6), ("ns", 1e9)].iter().find(fits).map(|(unit, _)| *unit);
        match other.filter(|_| self == TimeUnit::S) {
            Some(unit) => NotATime::OtherUnit(unit),
            None => NotATime::Unreadable,
        }
    }
}

impl TimeRules {
    /// A text as ISO 8601, with the zone's offset where there is a zone; `None` for numbers of seconds, and for times
    /// with an offset, which stay as they are. `order` holds where the rules give none. `second`: of a local
    /// time that stands twice, it is the second one.
    ///
    /// # Errors
    /// A text that is no time.
    pub fn normalized(&self, text: &str, order: Option<DateOrder>, second: bool) -> Result<Option<String>, NotATime> {
        if let Some(format) = &self.format {
            let (local, offset) = by_format(text, format).ok_or(NotATime::OtherFormat)?;
            return match offset {
                Some(offset) => shown(local, offset),
                None => self.of_local(local, second),
            };
        }
        if let Ok(number) = text.parse::<f64>() {
            let time = self.unit.instant(text, number).ok_or_else(|| self.unit.refusal(number))?;
            return Ok((self.unit != TimeUnit::S).then(|| time.to_string()));
        }
        if text.parse::<Timestamp>().is_ok() {
            return Ok(None);
        }
        let order = self.order.or(order);
        match with_offset(text, order) {
            Some((local, offset)) => shown(local?, offset),
            None => self.of_local(civil(text, order)?, second),
        }
    }

    /// A local time as ISO 8601, with the zone's offset where there is a zone.
    fn of_local(&self, local: DateTime, second: bool) -> Result<Option<String>, NotATime> {
        let Some(zone) = &self.zone else { return Ok(Some(local.to_string())) };
        let instant = instant(zone, local, second).ok_or(NotATime::Unreadable)?;
        let offset = zone.to_offset(instant);
        Ok(Some(instant.display_with_offset(offset).to_string()))
    }

    /// Whether a local time stands twice in the zone.
    pub fn stands_twice(&self, local: DateTime) -> bool {
        let time = self.zone.as_ref().map(|zone| zone.to_ambiguous_timestamp(local).offset());
        matches!(time, Some(AmbiguousOffset::Fold { .. }))
    }
}

/// A local time with its offset as ISO 8601.
fn shown(local: DateTime, offset: Offset) -> Result<Option<String>, NotATime> {
    let time = offset.to_timestamp(local).map_err(|_| NotATime::Unreadable)?;
    Ok(Some(time.display_with_offset(offset).to_string()))
}

/// The local time and the offset of a text that ends in one behind a space, such as `2024-03-01 12:00:00 +0100` or `... UTC`,
/// or that is a date of the internet's messages (RFC 5322); `None` if it is neither.
fn with_offset(text: &str, order: Option<DateOrder>) -> Option<(Result<DateTime, NotATime>, Offset)> {
    let text = text.trim();
    if text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) {
        let time = rfc2822::parse(text).ok()?;
        return Some((Ok(time.datetime()), time.offset()));
    }
    let (local, zone) = text.rsplit_once(' ')?;
    let offset = match zone {
        "UTC" | "utc" | "GMT" | "Z" => Offset::UTC,
        _ if zone.starts_with(['+', '-']) => {
            strtime::parse("%z", zone).or_else(|_| strtime::parse("%:z", zone)).ok()?.offset()?
        }
        _ => return None,
    };
    Some((civil(local, order), offset))
}

/// The local time of a text that is written with directives of `strptime`, with the offset if it names one.
pub fn by_format(text: &str, format: &str) -> Option<(DateTime, Option<Offset>)> {
    let found = strtime::parse(format, text.trim()).ok()?;
    // Dates alone are their beginning, as in pandas.
    let time = if found.hour().is_some() { found.to_time().ok()? } else { Time::midnight() };
    Some((found.to_date().ok()?.to_datetime(time), found.offset()))
}

/// Whether all directives of a format are known.
///
/// # Errors
/// In words: which is not.
pub fn check_format(format: &str) -> Result<(), String> {
    let zoned = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    strtime::format(format, &zoned).map(drop).map_err(|error| format!("{format:?} is no format of times: {error}"))
}

/// The instant of a local time; of one that stands twice, the second one if asked for.
fn instant(zone: &TimeZone, local: DateTime, second: bool) -> Option<Timestamp> {
    let time = zone.to_ambiguous_timestamp(local);
    match (time.offset(), second) {
        (AmbiguousOffset::Fold { .. }, true) => time.later().ok(),
        _ => time.compatible().ok(),
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
    let (date, time) = text.split_once([' ', 'T', '\t']).unwrap_or((text, "0:00"));
    written(date, time, order)
}

/// Reads a date and a time of day, such as `08/31/16` and `5:45 a`.
///
/// # Errors
/// As [`civil`].
pub fn written(date: &str, time: &str, order: Option<DateOrder>) -> Result<DateTime, NotATime> {
    let time = time_of_day(time).ok_or(NotATime::Unreadable)?;
    Ok(read_date(date, order)?.to_datetime(time))
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

/// The order of day and month that is searched for among the rows: of CSV, if its time has none.
pub fn order_wanted(time: Option<&TimeColumn>) -> bool {
    time.is_some_and(|time| time.rules.order.is_none() && time.rules.format.is_none())
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
    let year = match year {
        0..70 => 2000 + year,
        70..100 => 1900 + year,
        _ => year,
    };
    let part = |number: i16| i8::try_from(number).map_err(|_| NotATime::Unreadable);
    Date::new(year, part(month)?, part(day)?).map_err(|_| NotATime::Unreadable)
}

/// Reads a time of day: `17:45`, `17:45:10`, `5:45 p`, `12:00 AM`.
fn time_of_day(time: &str) -> Option<Time> {
    let time = time.trim().to_ascii_lowercase();
    let clock = time.trim_end_matches(['a', 'p', 'm', '.', ' ']);
    if let Some(whole) = (clock.len() == time.len()).then(|| clock.parse().ok()).flatten() {
        return Some(whole);
    }
    let mut parts = clock.split(':').map(str::parse::<i8>);
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

    fn berlin() -> TimeRules {
        TimeRules { zone: Some(TimeZone::get("Europe/Berlin").unwrap()), ..TimeRules::default() }
    }

    /// As `pandas.to_datetime` reads them with this format.
    #[test]
    fn texts_are_written_as_a_format_says() {
        let read = |format: &str, text: &str| {
            let rules = TimeRules { format: Some(format.into()), ..berlin() };
            rules.normalized(text, None, false).map(Option::unwrap_or_default).map_err(|error| error.to_string())
        };
        for (format, text, shown) in [
            ("%Y%m%d%H", "2024030113", "2024-03-01T13:00:00+01:00"),
            ("%Y%m%d", " 20240301 ", "2024-03-01T00:00:00+01:00"),
            ("%d/%m/%Y %H.%M", "01/03/2024 12.30", "2024-03-01T12:30:00+01:00"),
            ("%d %b %Y %I:%M:%S %p", "05 Jul 2024 01:02:03 PM", "2024-07-05T13:02:03+02:00"),
            ("%Y-%m-%d %H:%M:%S%z", "2024-03-01 12:00:00+0530", "2024-03-01T12:00:00+05:30"),
        ] {
            assert_eq!(read(format, text).as_deref(), Ok(shown), "{text}");
        }
        for (format, text) in [("%Y%m%d%H", "20240301"), ("%Y%m%d", "2024-03-01"), ("%Y%m%d", "20241301")] {
            assert!(read(format, text).is_err_and(|reason| reason.contains("`format`")), "{text}");
        }
        assert!(check_format("%Y-%m-%d %H:%M").is_ok() && check_format("%Y %J").is_err());
    }

    #[test]
    fn numbers_are_of_a_unit() {
        for (unit, text, shown) in [
            (TimeUnit::S, "1700000000.25", None),
            (TimeUnit::Ms, "1700000000250", Some("2023-11-14T22:13:20.25Z")),
            (TimeUnit::Us, "1700000000250000", Some("2023-11-14T22:13:20.25Z")),
            (TimeUnit::Ns, "1700000000250000000", Some("2023-11-14T22:13:20.25Z")),
        ] {
            let rules = TimeRules { unit, ..TimeRules::default() };
            assert_eq!(rules.normalized(text, None, false), Ok(shown.map(str::to_owned)), "{text}");
            assert_eq!(unit.milliseconds(text.parse().unwrap()), Some(1_700_000_000_250));
        }
        for (text, shown) in
            [("1700000000250001", "2023-11-14T22:13:20.250001Z"), ("1700000000250000.4", "2023-11-14T22:13:20.25Z")]
        {
            let rules = TimeRules { unit: TimeUnit::Us, ..TimeRules::default() };
            assert_eq!(rules.normalized(text, None, false), Ok(Some(shown.into())), "{text}");
        }
        for (text, reason) in [
            ("1700000000250", "say unit = \"ms\""),
            ("1700000000250000", "say unit = \"us\""),
            ("1700000000250000000", "say unit = \"ns\""),
            ("1e30", "is not a time"),
        ] {
            let said = TimeRules::default().normalized(text, None, false).unwrap_err().to_string();
            assert!(said.contains(reason), "{text}: {said}");
        }
        for wrong in ["", "yesterday", "nan", "inf", "1e300", "01/02/23 5:00", "31/31/23 5:00"] {
            assert!(TimeRules::default().normalized(wrong, None, false).is_err(), "{wrong}");
        }
        let utc = TimeRules { zone: Some(TimeZone::UTC), ..TimeRules::default() };
        assert_eq!(utc.normalized("14.11.23 22:13", None, false), Ok(Some("2023-11-14T22:13:00+00:00".into())));
        assert_eq!(
            TimeRules::default().normalized("2023-11-14 22:13", None, false),
            Ok(Some("2023-11-14T22:13:00".into()))
        );
    }

    #[test]
    fn offsets_behind_a_space_hold_whatever_the_zone_is() {
        for (text, shown) in [
            ("2024-03-01 13:00:00 +0100", "2024-03-01T13:00:00+01:00"),
            ("2024-03-01 13:00:00.5 -05:30", "2024-03-01T13:00:00.5-05:30"),
            ("2024-03-01 12:00:00 UTC", "2024-03-01T12:00:00+00:00"),
            ("01.03.2024 12:00 GMT", "2024-03-01T12:00:00+00:00"),
            ("Fri, 01 Mar 2024 12:00:00 GMT", "2024-03-01T12:00:00+00:00"),
        ] {
            assert_eq!(berlin().normalized(text, None, false), Ok(Some(shown.into())), "{text}");
        }
        assert_eq!(berlin().normalized("01/02/23 5:00 UTC", None, false), Err(NotATime::Ambiguous));
        assert!(berlin().normalized("2024-03-01 13:00:00 CET", None, false).is_err());
    }

    #[test]
    fn the_repeated_and_the_missing_hour() {
        // datetime(2016, 10, 30, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=0 or 1).astimezone(UTC)
        let rules = berlin();
        let shown = |text: &str, second| rules.normalized(text, None, second).unwrap().unwrap();
        assert_eq!(shown("30.10.16 2:30", false), "2016-10-30T02:30:00+02:00");
        assert_eq!(shown("30.10.16 2:30", true), "2016-10-30T02:30:00+01:00");
        assert_eq!(shown("30.10.16 3:00", true), "2016-10-30T03:00:00+01:00");
        assert_eq!(shown("2016-03-27T02:30:00", false), "2016-03-27T03:30:00+02:00");
        for same in ["1477787400", "2016-10-30T02:30:00Z"] {
            assert_eq!(rules.normalized(same, None, false), Ok(None), "{same}");
        }
        let local = |text: &str| rules.stands_twice(civil(text, None).unwrap());
        assert!(local("2016-10-30T02:00:00") && !local("2016-10-30T03:00:00") && !local("2016-03-27T02:30:00"));
    }

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
        ] {
            let read = written(date, time, order).map(|time| time.to_string());
            assert_eq!(read.as_deref(), Ok(expected), "{date} {time}");
        }
        assert_eq!(written("01/02/17", "5:45", None), Err(NotATime::Ambiguous));
        for (date, time, order) in [
            ("13/31/16", "5:45 a", None),
            ("13/12/16", "5:45 a", Some(MonthFirst)),
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
