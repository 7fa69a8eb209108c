//! WeatherLink's tab-separated export: its header lines, its cells, its dates.

use jiff::civil::{Date, Time};

use crate::data::Layout;
use crate::format::csv;

/// The column names and the layout given by an export's header lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportHeader {
    /// The names, joined by tabs; names that repeat are numbered as pandas does (`Hi`, `Hi.1`).
    pub names: String,
    /// Whether cells are between two tabs each.
    pub doubled_tabs: bool,
}

/// Whether a line belongs to the header: rows begin with a date.
pub fn is_header(line: &str) -> bool {
    !line.trim_start_matches('\u{feff}').trim_start().starts_with(|c: char| c.is_ascii_digit())
}

/// Joins the cells of the header lines, one above the other, by a space.
pub fn header(lines: &[&str]) -> ExportHeader {
    let rows: Vec<Vec<&str>> = lines
        .iter()
        .map(|line| line.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']))
        .filter(|line| line.chars().any(|c| c.is_alphanumeric()))
        .map(|line| line.split('\t').map(str::trim).collect())
        .collect();
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let name = |place: usize| {
        let cells = rows.iter().filter_map(|row| row.get(place).copied()).filter(|cell| !cell.is_empty());
        cells.collect::<Vec<_>>().join(" ")
    };
    let names: Vec<String> = (0..width).map(name).collect();
    // The last cells of a line may be empty in either layout: a trailing tab.
    let used = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
    let doubled_tabs = names[..used].iter().any(String::is_empty);
    let names: Vec<String> = names.into_iter().take(used).filter(|name| !name.is_empty()).collect();
    ExportHeader { names: csv::numbered(names).join("\t"), doubled_tabs }
}

/// The cells of a row.
pub fn cells(line: &str, doubled_tabs: bool) -> impl Iterator<Item = &str> {
    let line = line.trim_end_matches(['\r', '\n']);
    line.split('\t').map(str::trim).filter(move |cell| !doubled_tabs || !cell.is_empty())
}

/// Whether a date is valid only with the day first.
pub fn is_day_first(date: &str) -> bool {
    let mut parts = date.split(['/', '-', '.']).map(str::parse::<u32>);
    date.contains('.') || matches!((parts.next(), parts.next()), (Some(Ok(13..=31)), Some(Ok(1..=12))))
}

/// Reads a date and a time of day, such as `08/31/16` and `5:45 a`, as local time in ISO 8601.
pub fn date_time(date: &str, time: &str, layout: Layout) -> Option<String> {
    Some(read_date(date, layout.day_first)?.to_datetime(read_time(time)?).to_string())
}

fn read_date(date: &str, day_first: bool) -> Option<Date> {
    let parts: Vec<i16> = date.trim().split(['/', '-', '.']).map(str::parse).collect::<Result<_, _>>().ok()?;
    let [first, second, third] = parts[..] else { return None };
    let (year, month, day) = match (first > 31, day_first) {
        (true, _) => (first, second, third),
        (false, true) => (third, second, first),
        (false, false) => (third, first, second),
    };
    let year = match year {
        0..70 => 2000 + year,
        70..100 => 1900 + year,
        _ => year,
    };
    Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()
}

fn read_time(time: &str) -> Option<Time> {
    let time = time.trim().to_ascii_lowercase();
    let clock = time.trim_end_matches(['a', 'p', 'm', '.', ' ']);
    let mut parts = clock.split(':').map(str::parse::<i8>);
    let (hour, minute) = (parts.next()?.ok()?, parts.next()?.ok()?);
    let second = parts.next().transpose().ok()?.unwrap_or(0);
    let half = time[clock.len()..].trim_start().chars().next();
    let hour = match half {
        None => hour,
        Some('a') => hour % 12,
        Some('p') => hour % 12 + 12,
        Some(_) => return None,
    };
    Time::new(hour, minute, second, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_header_lines_make_one() {
        let header = header(&["\t\tTemp\tHi Solar\tIn Air\t\r\n", "Date\tTime\tOut\tRad. \tDensity\tBar  \r\n"]);
        assert_eq!(header.names, "Date\tTime\tTemp Out\tHi Solar Rad.\tIn Air Density\tBar");
        assert!(!header.doubled_tabs);
    }

    #[test]
    fn doubled_tabs_and_dashes_are_no_columns() {
        let lines = ["\t\t\t\tHeat\tTemp\tHi\tHi\n", "Date\t\tTime\t\tIndex\tOut\tTemp\tTemp\n", "-------\n"];
        let header = header(&lines);
        assert_eq!(header.names, "Date\tTime\tHeat Index\tTemp Out\tHi Temp\tHi Temp.1");
        assert!(header.doubled_tabs);
        let row: Vec<_> = cells("6-13-12\t\t3:30 PM   \t76.4\t---\t1\t2\t\n", true).collect();
        assert_eq!(row, ["6-13-12", "3:30 PM", "76.4", "---", "1", "2"]);
    }

    #[test]
    fn dates_and_times_in_every_layout() {
        let month_first = Layout { doubled_tabs: false, day_first: false };
        let day_first = Layout { day_first: true, ..month_first };
        for (date, time, layout, expected) in [
            ("08/31/16", "5:45 a", month_first, "2016-08-31T05:45:00"),
            ("6-13-12", "3:30 PM", month_first, "2012-06-13T15:30:00"),
            ("01/01/17", "12:00 a", month_first, "2017-01-01T00:00:00"),
            ("01/01/17", "12:05 p", month_first, "2017-01-01T12:05:00"),
            ("31.08.2016", "17:45", day_first, "2016-08-31T17:45:00"),
            ("2016-08-31", "17:45:10", month_first, "2016-08-31T17:45:10"),
        ] {
            assert_eq!(date_time(date, time, layout).as_deref(), Some(expected), "{date} {time}");
        }
        assert_eq!(date_time("13/31/16", "5:45 a", month_first), None);
        assert_eq!(date_time("08/31/16", "noon", month_first), None);
    }

    #[test]
    fn day_first_is_known_by_a_day_above_twelve() {
        assert!(is_day_first("31/08/16") && is_day_first("01.02.16"));
        assert!(!is_day_first("08/31/16") && !is_day_first("2016-08-31"));
    }
}
