//! `[schema.time]`: when a row was measured.

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use crate::data::DateOrder;
use crate::format::time_rules::{by_format, check_format};
use crate::format::{TimeColumn, TimeRules, TimeUnit};

/// When a row was measured: for windows, `sort` and interpolation by time.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TimeSection {
    /// The column of the time; `dateTime` if not given. Local times of a text column become ISO 8601 with the zone's
    /// offset; numbers of another unit than seconds become ISO 8601 in a text column, seconds in a number column.
    #[schemars(with = "Option<String>")]
    pub column: Option<Spanned<String>>,
    /// The cells that make the time together, such as `["Date", "Time"]`: columns, or keys and paths of the rows that need no
    /// column. A row that lacks one of them has no time.
    pub from: Vec<String>,
    /// The unit of times that are numbers; `s` if not given, and a number such as 20240301 is refused then.
    pub unit: Option<TimeUnit>,
    /// How texts are written, with the directives of `strptime`, such as `%Y%m%d%H`; ISO 8601, dates with separators or
    /// English months, and the `240301120000W` of Dutch meters are found if not given. `%Z` at the end stands for letters that
    /// the zone knows, such as CET.
    #[serde(deserialize_with = "time_format")]
    pub format: Option<String>,
    /// The zone of times that name none, such as `Europe/Berlin` or `+01:00`; UTC if not given. In the hour that stands
    /// twice, rows that step back by about an hour are behind the change.
    #[serde(deserialize_with = "zone")]
    #[schemars(with = "Option<String>")]
    pub zone: Option<TimeZone>,
    /// The order of day and month in dates that are written with numbers; only needed where the rows do not tell.
    pub order: Option<DateOrder>,
    /// The text column that tells stations of one topic or file apart, for the hour that stands twice; `station` if there
    /// is one.
    #[schemars(with = "Option<String>")]
    pub key: Option<Spanned<String>>,
}

impl TimeSection {
    /// The column's name.
    pub fn name(&self) -> &str {
        self.column.as_ref().map_or("dateTime", |column| column.get_ref())
    }

    /// The column with the rules of its times.
    pub fn column(self) -> TimeColumn {
        let name = self.name().to_owned();
        let TimeSection { from, unit, format, zone, order, key, .. } = self;
        let key = key.map_or_else(|| "station".to_owned(), Spanned::into_inner);
        TimeColumn { name, from, key: Some(key), rules: TimeRules { unit, format, zone, order } }
    }
}

fn time_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let format = String::deserialize(deserializer)?;
    check_format(&format).map_err(de::Error::custom)?;
    Ok(Some(format))
}

fn zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TimeZone>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let offset = || {
        let by = |format: &str| by_format(&format!("1970-01-01 {name}"), format).and_then(|(_, offset)| offset);
        by("%Y-%m-%d %:z").or_else(|| by("%Y-%m-%d %z"))
    };
    let known = TimeZone::get(&name).ok().or_else(|| offset().map(TimeZone::fixed));
    known.map(Some).ok_or_else(|| {
        de::Error::custom(format!("the time zone {name:?} is not known: write one such as Europe/Berlin, or +01:00"))
    })
}
