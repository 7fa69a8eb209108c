//! The columns that say when a row was measured, as their names and values show it.

use super::found_columns::{FoundColumn, FoundColumns};
use crate::data::{DateOrder, Kind};
use crate::format::time_rules::{by_format, civil, needs_order, order_told};

/// Names of columns that say when a row was measured, the surest first.
const TIMES: [&str; 12] = [
    "datetime",
    "timestamp",
    "time",
    "ts",
    "dateutc",
    "date_time",
    "received_at",
    "measured_at",
    "datum",
    "zeit",
    "date",
    "dt",
];

/// `[schema.time]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FoundTime {
    pub column: String,
    /// The cells that make it together, if there are several.
    pub from: Vec<String>,
    /// The unit of numbers.
    pub unit: Option<&'static str>,
    /// How texts of digits alone are written.
    pub format: Option<&'static str>,
    pub order: Option<&'static str>,
    /// Whether its texts name no zone.
    pub is_local: bool,
}

impl FoundTime {
    /// The time of rows.
    ///
    /// # Errors
    /// In words: a column has dates whose order nothing tells.
    pub fn of(found: &FoundColumns) -> Result<Option<FoundTime>, String> {
        let last = |column: &FoundColumn| column.name.rsplit('.').next().unwrap_or_default().to_lowercase();
        let rank = |column: &&FoundColumn| {
            let name = last(column);
            let place = TIMES.iter().position(|time| *time == name);
            place.unwrap_or(if name.starts_with("time") || name.ends_with("time") {
                TIMES.len()
            } else {
                TIMES.len() + 1
            })
        };
        let mut candidates: Vec<&FoundColumn> = found.columns.iter().filter(|column| is_time(column)).collect();
        candidates.sort_by_key(rank);
        if let Some(column) = candidates.first() {
            let order = order_of(&column.values).map_err(|date| ambiguous(&column.name, &date))?;
            let format = (column.kind() == Kind::Number).then(|| compact_format(column)).flatten();
            if format.is_some() {
                let column = column.name.clone();
                return Ok(Some(FoundTime { column, format, is_local: true, ..FoundTime::default() }));
            }
            let unit = column.is_numeric().then(|| unit_of(column)).flatten();
            let is_local =
                !column.is_numeric() && column.values.iter().any(|value| value.parse::<jiff::Timestamp>().is_err());
            let column = column.name.clone();
            return Ok(Some(FoundTime { column, unit, order, is_local, ..FoundTime::default() }));
        }
        let joined = found.columns.iter().find(|column| column.name == "dateTime" && column.values.is_empty());
        if let Some(column) = joined {
            return Ok(Some(FoundTime { column: column.name.clone(), is_local: true, ..FoundTime::default() }));
        }
        let date = found.columns.iter().find(|column| all(column, is_date));
        let of_day = found.columns.iter().find(|column| all(column, is_time_of_day));
        let Some(date) = date else { return Ok(None) };
        let order = order_of(&date.values).map_err(|value| ambiguous(&date.name, &value))?;
        let (column, from) = match of_day.filter(|_| !found.has("dateTime")) {
            Some(of_day) => ("dateTime".into(), vec![date.name.clone(), of_day.name.clone()]),
            // Days alone.
            None => (date.name.clone(), Vec::new()),
        };
        Ok(Some(FoundTime { column, from, order, is_local: true, ..FoundTime::default() }))
    }

    /// What is to be said where it is the day alone, and another column may have the time of day.
    pub fn remark(&self, found: &FoundColumns) -> Option<String> {
        const NAMES: [&str; 9] = ["time", "hour", "hhmm", "clock", "zeit", "uhrzeit", "hora", "heure", "time of day"];
        let column = found.columns.iter().find(|column| column.name == self.column)?;
        let is_day = |value: &str| is_date(value) || self.format == Some("%Y%m%d");
        let names_hour = |name: &str| {
            let name = name.rsplit('.').next().unwrap_or_default().to_lowercase().replace('_', " ");
            NAMES.contains(&name.trim_end_matches(" utc").trim_end_matches(" local"))
        };
        let other = found.columns.iter().find(|other| other.name != self.column && names_hour(&other.name))?;
        let (date, name) = (&column.name, &other.name);
        (self.from.is_empty() && all(column, is_day)).then(|| {
            format!(
                "{date} is the day alone, and {name} may be the time of day: [schema.time] with column = \"dateTime\", \
                 from = [{date:?}, {name:?}] and format, such as \"%Y%m%d %H%M\", reads both"
            )
        })
    }
}

fn ambiguous(name: &str, date: &str) -> String {
    format!(
        "{name}: {date:?} may have the day or the month first: [schema.time] with order = \"day-first\" or \"month-first\" says it"
    )
}

fn all(column: &FoundColumn, is: impl Fn(&str) -> bool) -> bool {
    !column.values.is_empty() && column.values.iter().all(|value| is(value))
}

/// Whether a column's values are times, or look like dates with a time.
fn is_time(column: &FoundColumn) -> bool {
    match column.is_numeric() {
        true => {
            let name = column.name.rsplit('.').next().unwrap_or_default().to_lowercase();
            const PARTS: [&str; 8] = ["time", "date", "epoch", "utc", "datum", "zeit", "fecha", "stamp"];
            let named = TIMES.contains(&&*name) || PARTS.iter().any(|part| name.contains(part));
            named && (unit_of(column).is_some() || compact_format(column).is_some())
        }
        false => all(column, |value| {
            let is_whole = value.contains(':') && !is_time_of_day(value);
            value.parse::<jiff::Timestamp>().is_ok() || is_whole && is_civil(value)
        }),
    }
}

fn is_civil(value: &str) -> bool {
    [DateOrder::DayFirst, DateOrder::MonthFirst].into_iter().any(|order| civil(value, Some(order)).is_ok())
}

fn is_date(value: &str) -> bool {
    !value.contains(':') && value.len() >= 6 && is_civil(value)
}

fn is_time_of_day(value: &str) -> bool {
    value.contains(':') && civil(&format!("2000-01-01 {value}"), None).is_ok() && !is_civil(value)
}

/// How digits alone are written that are all dates from 1900 to 2100, such as 2024030113.
fn compact_format(column: &FoundColumn) -> Option<&'static str> {
    const FORMATS: [(usize, &str); 4] = [(8, "%Y%m%d"), (10, "%Y%m%d%H"), (12, "%Y%m%d%H%M"), (14, "%Y%m%d%H%M%S")];
    let length = column.values.first()?.len();
    let (_, format) = FORMATS.into_iter().find(|(digits, _)| *digits == length)?;
    let is_date = |value: &str| {
        let year = value.get(..4).and_then(|year| year.parse().ok()).is_some_and(|year| (1900..=2100).contains(&year));
        value.len() == length && year && by_format(value, format).is_some()
    };
    all(column, is_date).then_some(format)
}

/// The unit in which a column's numbers are times of this century.
fn unit_of(column: &FoundColumn) -> Option<&'static str> {
    const UNITS: [(&str, f64); 4] = [("s", 1.0), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)];
    const CENTURY: std::ops::Range<f64> = 946_684_800.0..4_102_444_800.0;
    let numbers: Vec<f64> = column.values.iter().filter_map(|value| value.parse().ok()).collect();
    let fits = |(_, second): &&(&str, f64)| {
        !numbers.is_empty() && numbers.iter().all(|number| CENTURY.contains(&(number / second)))
    };
    UNITS.iter().find(fits).map(|(unit, _)| *unit)
}

/// The order of day and month that some value tells; `Err` with a value of which nothing tells it.
fn order_of(values: &[String]) -> Result<Option<&'static str>, String> {
    let unsure = values.iter().find(|value| needs_order(value));
    match values.iter().find_map(|value| order_told(value)) {
        Some(DateOrder::DayFirst) => Ok(Some("day-first")),
        Some(DateOrder::MonthFirst) => Ok(Some("month-first")),
        None => unsure.map_or(Ok(None), |date| Err(date.clone())),
    }
}
