//! `[sink]` with an address of HTTP.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::mqtt::Password;

/// A database that takes InfluxDB's line protocol: `http://host:8086/write?db=NAME` of InfluxDB 1, VictoriaMetrics and
/// QuestDB, `http://host:8086/api/v2/write?org=ORG&bucket=BUCKET` of InfluxDB 2. A point replaces the one of the same
/// measurement, tags and time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InfluxDb {
    /// The measurement of the points; of QuestDB the table.
    pub measurement: String,
    /// The columns that are tags; a missing value leaves its tag out. All others are fields.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The number columns that are fields of integers; a row with a fraction there is a dead letter.
    #[serde(default)]
    pub integers: Vec<String>,
    /// The number columns that are fields of booleans: false is 0, all else is true.
    #[serde(default)]
    pub booleans: Vec<String>,
    /// The column of the points' time, in nanoseconds; that of `[schema.time]` if not given. A row without a time is a
    /// dead letter.
    pub time: Option<String>,
    /// What an infinite number is, which line protocol cannot say: a field that is left out as a missing value is, or a
    /// reason to make its row a dead letter.
    #[serde(default)]
    pub infinite: InfiniteField,
    /// Compress what is sent; false for servers that do not take it, such as QuestDB.
    #[serde(default = "compressed")]
    pub gzip: bool,
    /// The user; that of the address if not given.
    pub user: Option<String>,
    /// The password, `{ file = "PATH" }` or `{ env = "NAME" }`; that of the address if not given.
    pub password: Option<Password>,
    /// The token instead of user and password, `{ file = "PATH" }` or `{ env = "NAME" }`.
    pub token: Option<Password>,
    /// The authority that signed the server's certificate, or that certificate itself, which is then trusted whatever
    /// names it has, in PEM form; those of the system if not given.
    pub ca: Option<PathBuf>,
    /// The client's certificate, in PEM form.
    pub certificate: Option<PathBuf>,
    /// The key of the client's certificate, in PEM form.
    pub key: Option<PathBuf>,
}

/// What becomes of an infinite number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InfiniteField {
    /// Its field is left out; that this happens is told once.
    #[default]
    Missing,
    /// Its row is a dead letter.
    Row,
}

fn compressed() -> bool {
    true
}
