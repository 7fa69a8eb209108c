//! Dates written as one number, such as `20240301` and `202403011200`: not seconds since 1970.

use jiff::civil::DateTime;
use jiff::fmt::strtime;

/// The format of a number that is a date up to the year 2100, and not one of our time as seconds since 1970.
pub fn compact_format(number: f64) -> Option<&'static str> {
    /// Where dates up to 2100 are, by their digits: of our time, seconds and milliseconds are beside them.
    const DATES: [std::ops::Range<f64>; 4] = [1.97e7..2.101e7, 1.97e9..2.101e9, 1e11..1e12, 1.97e13..2.101e13];
    if number.fract() != 0.0 || !DATES.iter().any(|dates| dates.contains(&number)) {
        return None;
    }
    let digits = (number as u64).to_string();
    match digits.len() {
        8 => reads(&digits, "%Y%m%d"),
        10 => reads(&digits, "%Y%m%d%H"),
        12 => reads(&digits, "%Y%m%d%H%M").or_else(|| reads(&digits, "%y%m%d%H%M%S")),
        14 => reads(&digits, "%Y%m%d%H%M%S"),
        _ => None,
    }
}

/// The date that a text of 8, 12 or 14 digits is, as ISO 8601 has it without separators; ten may be seconds since 1970.
pub(super) fn date_of_digits(text: &str) -> Option<DateTime> {
    if !matches!(text.len(), 8 | 12 | 14) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let found = strtime::parse(compact_format(text.parse().ok()?)?, text).ok()?;
    let time = if found.hour().is_some() { found.to_time().ok()? } else { jiff::civil::Time::midnight() };
    Some(found.to_date().ok()?.to_datetime(time))
}

/// The format, if digits are a date by it.
fn reads(digits: &str, format: &'static str) -> Option<&'static str> {
    let found = strtime::parse(format, digits).ok()?;
    found.to_date().ok().filter(|date| (1970..=2100).contains(&date.year())).map(|_| format)
}

/// What a number tells that, as seconds since 1970, lies outside of the years in which something is measured and sent.
pub fn doubt_of_seconds(number: f64) -> Option<&'static str> {
    /// From 1990 to 2100.
    const MEASURED: std::ops::Range<f64> = 631_152_000.0..4_102_444_800.0;
    if MEASURED.contains(&number) || !number.is_finite() {
        return None;
    }
    let digits = format!("{number:06}");
    Some(match number {
        _ if digits.len() == 6 && reads(&digits, "%y%m%d").is_some() => {
            "a date such as 240301 needs format = \"%y%m%d\""
        }
        20_000.0..80_000.0 => "days since 1900, as spreadsheets count them, are to be written as dates",
        _ => "numbers of another kind need unit or format",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_without_separators_are_no_seconds() {
        for (number, expected) in [
            (20_240_301.0, Some("%Y%m%d")),
            (2_024_030_113.0, Some("%Y%m%d%H")),
            (202_403_011_200.0, Some("%Y%m%d%H%M")),
            (241_027_023_000.0, Some("%y%m%d%H%M%S")),
            (20_240_301_120_000.0, Some("%Y%m%d%H%M%S")),
            (1_709_294_400.0, None),
            (1_709_294_400_000.0, None),
            (20_241_301.0, None),
            (20_240_301.5, None),
            (21_010_101.0, None),
            (0.0, None),
            (f64::NAN, None),
        ] {
            assert_eq!(compact_format(number), expected, "{number}");
        }
        assert_eq!(doubt_of_seconds(1_709_294_400.0), None);
        for (number, part) in [(240_301.0, "%y%m%d"), (45_352.5, "spreadsheets"), (60.0, "unit"), (9e9, "unit")] {
            assert!(doubt_of_seconds(number).unwrap().contains(part), "{number}");
        }
    }
}
