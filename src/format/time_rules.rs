//! How the time of a row is written: `[schema.time]` of a dataflow file.
//!
//! The decoder writes the time column anew, as everybody behind it reads it: texts in ISO 8601, numbers in seconds.
//!
//! A local time that stands twice, at a change of clocks, is that of the first pass unless the rows before it say that
//! the clock was set back; one that does not exist is read with the offset before the change.

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::fmt::temporal::{Pieces, PiecesOffset};
use jiff::fmt::{rfc2822, strtime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use super::written_dates::{NotATime, civil, needs_order, order_told};
use super::{named_dates, written_dates, zone_words};
use crate::data::{DateOrder, civil_time, compact_format, doubt_of_seconds, is_date_and_time, rounded_time};

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
    /// The unit of numbers; seconds if not given.
    pub unit: Option<TimeUnit>,
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

    /// The instant of a number of this unit as ISO 8601: to the nanosecond if it is a whole one, else to the millisecond.
    fn instant(self, text: &str, number: f64) -> Option<String> {
        let nanoseconds = match self {
            TimeUnit::S => 1_000_000_000,
            TimeUnit::Ms => 1_000_000,
            TimeUnit::Us => 1_000,
            TimeUnit::Ns => 1,
        };
        let milliseconds = self.milliseconds(number)?;
        let exact = text.parse::<i128>().ok().and_then(|whole| whole.checked_mul(nanoseconds));
        let time = civil_time(exact.unwrap_or(i128::from(milliseconds) * 1_000_000))?;
        Some(format!("{time}Z"))
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
    /// The milliseconds since 1970 of a number.
    ///
    /// # Errors
    /// A number that is no time.
    #[inline]
    pub fn of_number(&self, number: f64) -> Result<i64, NotATime> {
        if self.unit.is_none()
            && let Some(format) = compact_format(number)
        {
            return Err(NotATime::Compact(format));
        }
        let unit = self.unit.unwrap_or_default();
        unit.milliseconds(number).ok_or_else(|| unit.refusal(number))
    }

    /// What is to be told of a number that is taken for seconds since 1970 because nothing else is said.
    pub fn doubt(&self, number: f64) -> Option<&'static str> {
        if self.unit.is_some() || self.format.is_some() { None } else { doubt_of_seconds(number) }
    }

    /// A text as ISO 8601, with the zone's offset where there is a zone; `None` for numbers of seconds, and for times of
    /// ISO 8601 with an offset, which stay as they are. `order` holds where the rules give none. `second`: of a local
    /// time that stands twice, it is the second one.
    ///
    /// # Errors
    /// A text that is no time.
    pub fn normalized(&self, text: &str, order: Option<DateOrder>, second: bool) -> Result<Option<String>, NotATime> {
        if let Some(format) = &self.format {
            return match format.strip_suffix("%Z") {
                Some(format) => self.with_letters(text, format),
                None => match by_format(text, format).ok_or(NotATime::OtherFormat)? {
                    (local, Some(offset)) => shown(local, offset),
                    (local, None) => self.of_local(local, second),
                },
            };
        }
        if let Ok(number) = text.parse::<f64>() {
            self.of_number(number)?;
            let unit = self.unit.unwrap_or_default();
            let time = unit.instant(text, number).ok_or_else(|| unit.refusal(number))?;
            // What is behind reads digits that are a date as one.
            return Ok((unit != TimeUnit::S || compact_format(number).is_some()).then_some(time));
        }
        if text.parse::<Timestamp>().is_ok() {
            return of_timestamp(text);
        }
        if let Some((digits, letter)) = zone_words::meter(text.trim()) {
            let (local, _) = by_format(digits, "%y%m%d%H%M%S").ok_or(NotATime::Unreadable)?;
            return self.of_word(local, letter);
        }
        let order = self.order.or(order);
        let text = text.trim();
        if let Some((local, offset)) = with_offset(text, order) {
            return shown(local?, offset);
        }
        if let Some((front, word)) = text.rsplit_once(' ').filter(|(_, word)| zone_words::is_zone(word))
            && let Ok(local) = civil(front, order)
        {
            return self.of_word(local, word);
        }
        if let Some(found) = named_dates::read(text)
            && let Some(word) = &found.zone
        {
            return self.of_word(written_dates::named(&found)?, word);
        }
        self.of_local(civil(text, order)?, second)
    }

    /// A text that ends in letters which stand for an offset, such as `CET`, written before them as `format` says.
    fn with_letters(&self, text: &str, format: &str) -> Result<Option<String>, NotATime> {
        let text = text.trim();
        let front = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let (local, _) = by_format(front, format.trim_end()).ok_or(NotATime::OtherFormat)?;
        self.of_word(local, &text[front.len()..])
    }

    /// A local time with a word for its offset.
    fn of_word(&self, local: DateTime, word: &str) -> Result<Option<String>, NotATime> {
        let offset = zone_words::offset(word, self.zone.as_ref(), local).ok_or(NotATime::UnknownZone)?;
        shown(local, offset)
    }

    /// A local time as ISO 8601, with the zone's offset where there is a zone.
    fn of_local(&self, local: DateTime, second: bool) -> Result<Option<String>, NotATime> {
        let Some(zone) = &self.zone else { return Ok(Some(local.to_string())) };
        let Some(instant) = instant(zone, local, second) else { return shown(local, zone.to_offset(Timestamp::MAX)) };
        let offset = zone.to_offset(instant);
        Ok(Some(instant.display_with_offset(offset).to_string()))
    }

    /// How many seconds apart a local time stands twice in the zone; `None` if it stands once.
    pub fn repeated(&self, local: DateTime) -> Option<i64> {
        match self.zone.as_ref()?.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Fold { before, after } => Some(i64::from(before.seconds() - after.seconds())),
            _ => None,
        }
    }
}

/// A local time with its offset as ISO 8601.
fn shown(local: DateTime, offset: Offset) -> Result<Option<String>, NotATime> {
    if let Ok(time) = offset.to_timestamp(local) {
        return Ok(Some(time.display_with_offset(offset).to_string()));
    }
    let (sign, minutes) = (if offset.seconds() < 0 { '-' } else { '+' }, offset.seconds().abs() / 60);
    let shown = format!("{local}{sign}{:02}:{:02}", minutes / 60, minutes % 60);
    is_date_and_time(&shown).then_some(Some(shown)).ok_or(NotATime::Unreadable)
}

/// A time of ISO 8601 with an offset; `None` if it is written as all others: with a `T`, and minutes in the offset.
fn of_timestamp(text: &str) -> Result<Option<String>, NotATime> {
    let plain = matches!(text.as_bytes(), [_, _, _, _, b'-', _, _, b'-', _, _, b'T', _, _, b':', ..])
        && matches!(text.as_bytes(), [.., b'Z'] | [.., b'+' | b'-', _, _, b':', b'0'..=b'9', b'0'..=b'9']);
    if plain {
        return Ok(None);
    }
    let pieces = Pieces::parse(text).map_err(|_| NotATime::Unreadable)?;
    let offset = match pieces.offset() {
        Some(PiecesOffset::Numeric(offset)) => offset.offset(),
        _ => Offset::UTC,
    };
    shown(pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight())), offset)
}

/// The local time and the offset of a text that ends in one, such as `2024-03-01 12:00:00 +0100`, or that is a date of the
/// internet's messages (RFC 5322); `None` if it is neither.
fn with_offset(text: &str, order: Option<DateOrder>) -> Option<(Result<DateTime, NotATime>, Offset)> {
    if text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && let Ok(time) = rfc2822::parse(text)
    {
        return Some((Ok(time.datetime()), time.offset()));
    }
    if let Some(front) = text.strip_suffix('Z') {
        return Some((civil(front, order), Offset::UTC));
    }
    // Before an offset stands a time of day: a sign in front of it is a date's.
    let time = text.find(':').or_else(|| text.rfind('T'));
    let sign = match time {
        Some(time) => time + text[time..].rfind(['+', '-'])?,
        None => text.rfind([' ']).map(|space| space + 1).filter(|at| text[*at..].starts_with(['+', '-']))?,
    };
    let (front, sign) = text.split_at(sign);
    // What stands close behind a date that is not ISO's is the end of a span.
    let is_iso = matches!(text.as_bytes(), [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', ..]);
    if sign.starts_with('-') && !is_iso && !front.ends_with(' ') {
        return None;
    }
    let minutes = if sign.len() == 3 { format!("{sign}00") } else { sign.to_owned() };
    let offset = strtime::parse("%z", &minutes).or_else(|_| strtime::parse("%:z", &minutes)).ok()?.offset()?;
    // The zones of the world.
    let is_offset = (-12 * 3600..=14 * 3600).contains(&offset.seconds());
    is_offset.then(|| (civil(front, order), offset))
}

/// The local time of a text that is written with directives of `strptime`, with the offset if it names one.
pub fn by_format(text: &str, format: &str) -> Option<(DateTime, Option<Offset>)> {
    let text = text.trim();
    match by_directives(text, format) {
        None if format.contains("%H") || format.contains("%T") || format.contains("%R") => {
            // The hour 24 is the end of the day.
            let ends = text.rmatch_indices("24").find_map(|(at, _)| {
                let begin = format!("{}00{}", &text[..at], &text[at + 2..]);
                by_directives(&begin, format).filter(|(time, _)| time.time() == Time::midnight())
            })?;
            Some((ends.0.tomorrow().ok()?, ends.1))
        }
        found => found,
    }
}

fn by_directives(text: &str, format: &str) -> Option<(DateTime, Option<Offset>)> {
    let found = strtime::parse(format, text).ok()?;
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

/// The order of day and month that is searched for among the rows: of CSV, if its time has none.
pub fn order_wanted(time: Option<&TimeColumn>) -> bool {
    time.is_some_and(|time| time.rules.order.is_none() && time.rules.format.is_none())
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
    fn years_run_to_the_end_of_9999() {
        for (text, rules, shown) in [
            ("9999-12-31T23:59:59Z", TimeRules::default(), "9999-12-31T23:59:59+00:00"),
            ("9999-12-31T23:59:59.5+01:00", TimeRules::default(), "9999-12-31T23:59:59.5+01:00"),
            ("9999-12-31 23:59:59", TimeRules::default(), "9999-12-31T23:59:59"),
            ("9999-12-31 23:59:59", berlin(), "9999-12-31T23:59:59+01:00"),
        ] {
            assert_eq!(rules.normalized(text, None, false), Ok(Some(shown.into())), "{text}");
        }
        assert!(TimeRules::default().normalized("9999-12-31T23:59:59-01:00", None, false).is_err());
        let unit = |unit| TimeRules { unit: Some(unit), ..TimeRules::default() };
        let last = unit(TimeUnit::Ms).normalized("253402300799000", None, false);
        assert_eq!(last, Ok(Some("9999-12-31T23:59:59Z".into())));
        let seconds = unit(TimeUnit::S).normalized("20240301", None, false);
        assert_eq!(seconds, Ok(Some("1970-08-23T06:18:21Z".into())));
    }

    #[test]
    fn numbers_are_of_a_unit() {
        for (unit, text, shown) in [
            (TimeUnit::S, "1700000000.25", None),
            (TimeUnit::Ms, "1700000000250", Some("2023-11-14T22:13:20.25Z")),
            (TimeUnit::Us, "1700000000250000", Some("2023-11-14T22:13:20.25Z")),
            (TimeUnit::Ns, "1700000000250000000", Some("2023-11-14T22:13:20.25Z")),
        ] {
            let rules = TimeRules { unit: Some(unit), ..TimeRules::default() };
            assert_eq!(rules.normalized(text, None, false), Ok(shown.map(str::to_owned)), "{text}");
            assert_eq!(unit.milliseconds(text.parse().unwrap()), Some(1_700_000_000_250));
        }
        for (text, shown) in
            [("1700000000250001", "2023-11-14T22:13:20.250001Z"), ("1700000000250000.4", "2023-11-14T22:13:20.25Z")]
        {
            let rules = TimeRules { unit: Some(TimeUnit::Us), ..TimeRules::default() };
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
        // Written as all others, whatever the zone is.
        for (text, shown) in [
            ("2024-03-01 12:00:00+01", "2024-03-01T12:00:00+01:00"),
            ("20240301T120000Z", "2024-03-01T12:00:00+00:00"),
            ("2024-03-01T12:00:00+0100", "2024-03-01T12:00:00+01:00"),
            ("2024-03-01T12:00:00.5+01:00[Europe/Berlin]", "2024-03-01T12:00:00.5+01:00"),
            ("1.3.2024 12:00+01:00", "2024-03-01T12:00:00+01:00"),
        ] {
            for rules in [berlin(), TimeRules::default()] {
                assert_eq!(rules.normalized(text, None, false), Ok(Some(shown.into())), "{text}");
            }
        }
        for same in ["2024-03-01T12:00Z", "2024-03-01T12:00:00.25-08:00"] {
            assert_eq!(berlin().normalized(same, None, false), Ok(None), "{same}");
        }
    }

    #[test]
    fn letters_behind_a_time_say_its_offset() {
        for (text, shown) in [
            ("2024-10-27 02:30:00 CEST", "2024-10-27T02:30:00+02:00"),
            ("2024-10-27 02:30:00 CET", "2024-10-27T02:30:00+01:00"),
            ("27.10.2024 2:30 CET", "2024-10-27T02:30:00+01:00"),
            // A logger without summer time.
            ("2024-07-01 12:00 CET", "2024-07-01T12:00:00+01:00"),
            ("Fri Mar  1 12:00:00 CET 2024", "2024-03-01T12:00:00+01:00"),
            ("Fri Mar  1 12:00:00 UTC 2024", "2024-03-01T12:00:00+00:00"),
            ("241027023000S", "2024-10-27T02:30:00+02:00"),
            ("241027023000W", "2024-10-27T02:30:00+01:00"),
            ("240301120000W", "2024-03-01T12:00:00+01:00"),
        ] {
            for second in [false, true] {
                assert_eq!(berlin().normalized(text, None, second), Ok(Some(shown.into())), "{text}");
            }
        }
        let by = |format: &str, text: &str| {
            TimeRules { format: Some(format.into()), ..berlin() }
                .normalized(text, None, false)
                .map(Option::unwrap_or_default)
        };
        assert_eq!(by("%y%m%d%H%M%S%Z", "241027023000W").as_deref(), Ok("2024-10-27T02:30:00+01:00"));
        assert_eq!(by("%d.%m.%Y %H:%M %Z", "27.10.2024 02:30 CEST").as_deref(), Ok("2024-10-27T02:30:00+02:00"));
        for (text, rules) in [
            ("2024-03-01 12:00:00 CET", TimeRules::default()),
            ("241027023000S", TimeRules::default()),
            ("2024-03-01 12:00:00 PST", berlin()),
        ] {
            assert_eq!(rules.normalized(text, None, false), Err(NotATime::UnknownZone), "{text}");
        }
        assert_eq!(berlin().normalized("241327023000S", None, false), Err(NotATime::Unreadable));
    }

    #[test]
    fn the_hour_24_is_the_end_of_the_day() {
        for (text, shown) in [
            ("2/29/2024 24:00", "2024-03-01T00:00:00"),
            ("2/28/2024 2400", "2024-02-29T00:00:00"),
            ("2023-12-31 24:00:00", "2024-01-01T00:00:00"),
            ("2023-12-31T24:00:00Z", "2024-01-01T00:00:00+00:00"),
            ("2023-12-31T24:00:00+01:00", "2024-01-01T00:00:00+01:00"),
            ("31-Dec-2023 24:00", "2024-01-01T00:00:00"),
        ] {
            let rules = TimeRules { order: Some(DateOrder::MonthFirst), ..TimeRules::default() };
            assert_eq!(rules.normalized(text, None, false), Ok(Some(shown.into())), "{text}");
        }
        for (format, text, shown) in [
            ("%m/%d/%Y %H%M", "2/28/2024 2400", Some("2024-02-29T00:00:00")),
            ("%Y%m%d%H", "2024022924", Some("2024-03-01T00:00:00")),
            ("%H:%M:%S %d.%m.%y", "24:00:00 24.12.24", Some("2024-12-25T00:00:00")),
            ("%m/%d/%Y %H%M", "2/28/2024 2401", None),
            ("%m/%d/%Y %H%M", "2/30/2024 0000", None),
        ] {
            let rules = TimeRules { format: Some(format.into()), ..TimeRules::default() };
            assert_eq!(rules.normalized(text, None, false).ok().flatten().as_deref(), shown, "{text}");
        }
        assert!(TimeRules::default().normalized("2024-03-01 24:30", None, false).is_err());
    }

    #[test]
    fn what_is_no_time_says_what_to_do() {
        let rules = TimeRules::default();
        for (text, shown) in [
            ("01-Mar-2024 12:00", "2024-03-01T12:00:00"),
            ("March 1, 2024 12:00 PM", "2024-03-01T12:00:00"),
            ("01-MAR-24 12.00.00 PM", "2024-03-01T12:00:00"),
            ("25/12/23 00.30", "2023-12-25T00:30:00"),
        ] {
            assert_eq!(rules.normalized(text, None, false), Ok(Some(shown.into())), "{text}");
        }
        for (text, order, part) in [
            ("2024-03-01 12h30", None, "format"),
            ("soon", None, "is not a time"),
            ("04/15/2024 12:00", Some(DateOrder::DayFirst), "day first"),
            ("15/04/2024 12:00", Some(DateOrder::MonthFirst), "month first"),
            ("20240301", None, "format = \"%Y%m%d\""),
        ] {
            let said = rules.normalized(text, order, false).unwrap_err().to_string();
            assert!(said.contains(part), "{text}: {said}");
        }
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
        let apart = |text: &str| rules.repeated(civil(text, None).unwrap());
        assert_eq!(apart("2016-10-30T02:00:00"), Some(3600));
        assert_eq!((apart("2016-10-30T03:00:00"), apart("2016-03-27T02:30:00")), (None, None));
    }

    /// The end of a span is no offset.
    #[test]
    fn what_stands_behind_a_time_may_be_no_offset() {
        let offset = |text| with_offset(text, Some(DateOrder::DayFirst)).map(|(_, offset)| offset.seconds());
        for none in ["01.03.2024 00:00-01:00", "01.03.2024 12:00-13:00", "2024-03-01 2024-03-01", "2024-03-01 12:00-13"]
        {
            assert_eq!(offset(none), None, "{none}");
        }
        for (text, hours) in
            [("2024-03-01 12:00-05", -5), ("01.03.2024 12:00 -0500", -5), ("2024-03-01 12:00:00 +01", 1)]
        {
            assert_eq!(offset(text), Some(hours * 3600), "{text}");
        }
    }
}
