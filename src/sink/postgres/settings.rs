//! `[sink]` with an address of PostgreSQL.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::name::TableName;
use crate::mqtt::Password;

/// A table of PostgreSQL or TimescaleDB.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// The table, `weather` or `schema.weather`. It is created if it is not there: numbers as double precision, texts as
    /// text, the time column of `[schema.time]` as timestamptz; a hypertable where TimescaleDB is installed.
    pub table: TableName,
    /// The columns that tell rows apart: a row replaces the one that has the same values there.
    #[serde(default)]
    pub key: Vec<String>,
    /// Add the columns that the table lacks; without it they are an error.
    #[serde(default)]
    pub add_columns: bool,
    /// The user; that of the address if not given.
    pub user: Option<String>,
    /// The password, `{ file = "PATH" }` or `{ env = "NAME" }`; that of the address if not given.
    pub password: Option<Password>,
    /// The authority that signed the server's certificate, or that certificate itself, which is then trusted whatever
    /// names it has, in PEM form; those of the system if not given. With it, `sslmode` is `verify-full` unless the address says something else.
    pub ca: Option<PathBuf>,
}
