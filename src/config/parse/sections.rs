//! The sections of a dataflow file as serde reads them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use toml::Spanned;
use toml::de::ValueDeserializer;

use crate::config::parse::listed_column::ListedColumn;
use crate::config::parse::time::TimeSection;
use crate::data::cell::DecimalMark;
use crate::data::{Kind, Schema};
use crate::format::{
    BadCell, CellRules, ColumnKeys, Compression, CsvOptions, Decoding, Infinity, PLACE, PayloadFormat, TopicPattern,
    UnknownKeys, decimal, is_unit,
};
use crate::mqtt::{Endpoint, MqttUrl, Password, Protocol, Qos, tls};
use crate::source::Connections;
use crate::{sink, source};

/// Where a message's subtasks run.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// All on the worker that got the message.
    #[default]
    Message,
    /// Each on another worker.
    Subtask,
}

impl std::fmt::Display for Placement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Placement::Message => "message",
            Placement::Subtask => "subtask",
        })
    }
}

/// How the columns of the rows are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaChoice {
    /// Known beforehand, with the column that identifies a row, if there is one.
    Known {
        /// The columns.
        schema: Schema,
        /// The column that identifies a row.
        id: Option<String>,
    },
    /// Names and types from the source; but these columns are as the file says.
    Infer {
        /// The columns that the file lists.
        listed: Vec<(String, Kind)>,
        /// The column that identifies a row.
        id: Option<String>,
    },
}

impl SchemaChoice {
    /// The column that identifies a row, where the file gives one.
    pub fn id(&self) -> Option<&str> {
        match self {
            SchemaChoice::Known { id, .. } | SchemaChoice::Infer { id, .. } => id.as_deref(),
        }
    }
}

/// A dataflow: where rows come from, what is done to them, where results go.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileSections {
    /// Shown in reports; letters, digits, spaces, _, - and .; the file's name if not given.
    #[schemars(with = "Option<String>", length(max = 100))]
    pub name: Option<Spanned<String>>,
    /// What it is for, on the page of `rowmill serve`.
    pub description: Option<String>,
    /// Worker threads a process; `-w` stands over it.
    #[serde(default, deserialize_with = "count")]
    #[schemars(range(min = 1, max = 1024))]
    pub workers: Option<u16>,
    /// Processes of a run; `-n` stands over it.
    #[serde(default, deserialize_with = "count")]
    #[schemars(range(min = 1, max = 1024))]
    pub processes: Option<u16>,
    /// Where the subtasks of a message run.
    #[serde(default)]
    pub placement: Placement,
    /// Where rows come from.
    pub source: Option<SourceSection>,
    /// When rows become a message.
    #[serde(default)]
    pub buffer: BufferSection,
    /// Where rows go that cannot be used, as JSON lines.
    pub dead_letter: Option<SinkSection>,
    /// How often progress is kept.
    #[serde(default)]
    pub checkpoint: CheckpointSection,
    /// Read apart; here so that they are among the names that errors list.
    #[serde(default, rename = "schema")]
    #[schemars(with = "Option<serde_json::Value>")]
    _schema: Option<de::IgnoredAny>,
    #[serde(default, rename = "subtask")]
    #[schemars(with = "Option<serde_json::Value>")]
    _subtask: Option<de::IgnoredAny>,
    #[serde(default, rename = "table")]
    #[schemars(with = "Option<serde_json::Value>")]
    _table: Option<de::IgnoredAny>,
    #[serde(default, rename = "sink")]
    #[schemars(with = "Option<serde_json::Value>")]
    _sink: Option<de::IgnoredAny>,
}

/// The columns of the rows.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SchemaSection {
    /// Columns that these come on top of; a column that is in both is as it is listed here.
    pub base: Option<BaseSchema>,
    /// Columns that are numbers.
    #[serde(default)]
    #[schemars(with = "Vec<ListedColumn>")]
    pub number: Vec<Spanned<ListedColumn>>,
    /// Columns that are carried through.
    #[serde(default)]
    #[schemars(with = "Vec<ListedColumn>")]
    pub text: Vec<Spanned<ListedColumn>>,
    /// Identifies a row: carried through, never compared.
    #[schemars(with = "Option<ListedColumn>")]
    pub id: Option<Spanned<ListedColumn>>,
    /// Further words for a missing value, beside an empty cell, `---`, `null` and `nan`; numbers, too: `"-999"`.
    #[serde(default)]
    pub missing: Vec<String>,
    /// Words that are numbers: `{ ON = 1, OFF = 0 }`; `true` and `false` are 1 and 0.
    #[serde(default)]
    pub words: BTreeMap<String, f64>,
    /// The mark before a number's fraction in texts: `.` or `,`.
    #[serde(default, deserialize_with = "decimal")]
    #[schemars(with = "Option<String>")]
    pub decimal: Option<DecimalMark>,
    /// The character between thousands, such as `.`; where nothing else can be meant, it is found.
    #[serde(default, deserialize_with = "thousands")]
    #[schemars(with = "Option<String>")]
    pub thousands: Option<char>,
    /// Units that columns are to have, such as `{ outTemp = "degree_C", hum = "%" }`: numbers of outTemp_F are converted, and
    /// cells such as `70 °F` and `55 %` are read; a number without a unit stays as it is.
    #[serde(default, deserialize_with = "units")]
    pub unit: BTreeMap<String, String>,
    /// What becomes of a cell that its column can't hold: `row`: its row is a dead letter; `missing`: it is missing, and
    /// counted.
    #[serde(default)]
    pub bad_cell: BadCell,
    /// Whether keys without a column are told.
    #[serde(default)]
    pub unknown_keys: UnknownKeys,
    /// When a row was measured.
    #[schemars(with = "Option<TimeSection>")]
    pub time: Option<Spanned<TimeSection>>,
}

fn thousands<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<char>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) if !character.is_alphanumeric() && !"+-".contains(character) => Ok(Some(character)),
        _ => Err(de::Error::custom(format!("{text:?} is no character between thousands, such as \".\" or \",\""))),
    }
}

fn units<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let units = BTreeMap::<String, String>::deserialize(deserializer)?;
    match units.values().find(|unit| !is_unit(unit)) {
        Some(unit) => Err(de::Error::custom(format!(
            "the unit {unit:?} is not known: write one such as degree_C, mbar, mm, percent"
        ))),
        None => Ok(units),
    }
}

/// Columns that are known without a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BaseSchema {
    /// Those of a Davis station.
    Davis,
    /// Those that the source turns out to have.
    Infer,
}

impl SchemaSection {
    fn listed(&self) -> impl Iterator<Item = &Spanned<ListedColumn>> {
        self.number.iter().chain(&self.text).chain(&self.id)
    }

    /// A column with a name that the output has for itself.
    pub fn reserved(&self) -> Option<&Spanned<ListedColumn>> {
        self.listed().find(|column| PLACE.contains(&column.get_ref().name()))
    }

    /// The character that stands both between thousands and before a fraction, where one does.
    pub fn ambiguous_mark(&self) -> Option<char> {
        let mark = match self.decimal? {
            DecimalMark::Point => '.',
            DecimalMark::Comma => ',',
            DecimalMark::Either => return None,
        };
        self.thousands.filter(|thousands| *thousands == mark)
    }

    /// The keys that columns are read from.
    ///
    /// # Errors
    /// What is wrong with a key, and the column with it.
    pub fn keys(&self) -> Result<ColumnKeys, (String, &Spanned<ListedColumn>)> {
        let mut keys = ColumnKeys::default();
        for listed in self.listed() {
            let column = listed.get_ref();
            if let Some(key) = column.from() {
                keys.insert(column.name(), key).map_err(|reason| (reason, listed))?;
            }
        }
        let own = |listed: &&Spanned<ListedColumn>| {
            let name = listed.get_ref().name();
            listed.get_ref().from().is_none() && keys.column(name).is_some_and(|other| other != name)
        };
        match self.listed().find(own) {
            Some(listed) => Err((
                format!(
                    "{0} and {1} are both read from {0:?}",
                    listed.get_ref().name(),
                    keys.column(listed.get_ref().name()).unwrap_or_default()
                ),
                listed,
            )),
            None => Ok(keys),
        }
    }

    /// How the cells of its columns are read, which are read from these keys.
    pub fn decoding(&self, keys: ColumnKeys) -> Decoding {
        let marks = (self.decimal, self.thousands);
        let cells = CellRules::new(self.missing.clone(), self.words.clone(), marks, self.bad_cell);
        let cells = cells.unwrap_or_default().with_units(self.unit.clone());
        let time = self.time.as_ref().map(|time| Arc::new(time.get_ref().clone().column()));
        let (unit, unknown_keys) = (self.unit.clone(), self.unknown_keys);
        Decoding { units: false, unit, cells: cells.map(Arc::new), time, unknown_keys, topic: None, keys }
    }

    pub fn choice(self) -> SchemaChoice {
        let of = |listed: &[Spanned<ListedColumn>], kind| {
            listed.iter().map(|column| (column.get_ref().name().to_owned(), kind)).collect::<Vec<_>>()
        };
        let id = self.id.as_ref().map(|id| id.get_ref().name().to_owned());
        let named = [of(&self.number, Kind::Number), of(&self.text, Kind::Text)].concat();
        let other_id = id.iter().filter(|id| named.iter().all(|(name, _)| name != *id)).cloned();
        let other_id: Vec<_> = other_id.map(|id| (id, Kind::Text)).collect();
        // A time of several cells is a column of its own.
        let time = self.time.map(Spanned::into_inner).filter(|time| !time.from.is_empty());
        let time: Vec<_> = time.map(|time| (time.name().to_owned(), Kind::Text)).into_iter().collect();
        let listed = [other_id, named, time].concat();
        match self.base {
            None => SchemaChoice::Known { schema: Schema::new(listed), id },
            Some(BaseSchema::Davis) => SchemaChoice::Known { schema: Schema::davis().overlaid(listed), id },
            Some(BaseSchema::Infer) => SchemaChoice::Infer { listed, id },
        }
    }
}

/// Where rows come from: a topic of a broker, a file, standard input, or generated rows.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceSection {
    /// `mqtt://HOST/TOPIC`, `mqtts://`, `ws://`, `wss://`, a .csv .ndjson .json .txt file, `-`, or
    /// `generate:rows=N,seed=S` (`,rate=R`: on a schedule); `--source` stands over it.
    #[schemars(with = "Option<String>")]
    pub url: Option<source::SourceUrl>,
    /// MQTT's quality of service: 0, 1 or 2.
    #[serde(default)]
    #[schemars(with = "u8", range(max = 2), extend("default" = 1))]
    pub qos: Qos,
    /// The login's name; or both in the address: `mqtt://user:password@host/topic`, shown nowhere.
    pub user: Option<String>,
    /// The login's password.
    pub password: Option<Password>,
    /// The version of MQTT; that of the broker if not given.
    pub protocol: Option<Protocol>,
    /// The session's name; `rowmill-NAME` of this dataflow if not given.
    pub client_id: Option<String>,
    /// Whether the broker keeps what is published while nobody runs; deliveries are acknowledged when results are
    /// durable.
    #[serde(default)]
    pub session: bool,
    /// One connection a topic, shared out among processes: `url` needs no topic then; or a number, to which the broker hands
    /// out rows.
    #[schemars(with = "Option<Connections>")]
    pub connections: Option<Spanned<Connections>>,
    /// What the levels of topics are, such as `weather/{station}/loop`: values of columns; where one is `{column}`, it
    /// names the column whose value the payload is. Files have none, and ignore it.
    #[schemars(with = "Option<String>")]
    pub topic: Option<Spanned<TopicPattern>>,
    /// With `{column}` in `topic`: values of one row may come so far apart, such as `2s`; a row closes early when a
    /// column comes again. Each value is a row of its own if not given.
    #[schemars(with = "Option<String>")]
    pub collect: Option<Spanned<Milliseconds>>,
    /// With `{column}` in `topic`, and payloads that are objects: the path of the value in them, such as `value`. The
    /// columns that other values in them are named for, such as that of the time, have these; of collected values those
    /// of the last one.
    #[schemars(with = "Option<String>")]
    pub value: Option<Spanned<String>>,
    /// Whether publishes of an earlier time are taken that the broker has retained.
    #[serde(default = "yes")]
    pub retained: bool,
    /// How CSV is written; what is not given is found from the first lines.
    #[serde(default)]
    pub csv: CsvOptions,
    /// Where the rows are inside of a JSON payload, or of a line of a file: the path of an array, such as
    /// `data.conditions`, or of an object whose arrays are columns, such as `hourly`; `.` is the payload itself. With
    /// `{device}` as a step, it goes on in the members of an object, whose keys are the column `device`, as it does with
    /// `[*]` in the elements of an array (`sensors[*].data`) and with `*` in the values of an object; a value without a key
    /// is the column `value`. Rows have what they lack from the object around them, by its paths, and from the elements
    /// that were passed through, by their keys. Arrays of cells behind one with their names are rows of these names.
    #[schemars(with = "Option<String>")]
    pub rows: Option<Spanned<String>>,
    /// What payloads and files hold: with `auto`, what they are recognised as.
    #[serde(default)]
    pub format: PayloadFormat,
    /// How payloads and files are packed: with `auto`, as their first bytes say.
    #[serde(default)]
    pub compression: Compression,
    /// Whether names may carry WeeWX's unit labels, as `outTemp_F` does; so it is for the schema `davis` if not given.
    pub units: Option<bool>,
    /// Whether a sink, a table or the dead letters may publish what the source takes again.
    #[serde(default)]
    pub allow_loop: bool,
    /// For `mqtts://` and `wss://`: who signed the broker's certificate, or that certificate itself, which is then
    /// trusted whatever names it has; the system's if not given.
    pub ca: Option<PathBuf>,
    /// For `mqtts://`: the client's certificate.
    pub certificate: Option<PathBuf>,
    /// For `mqtts://`: the key of the client's certificate.
    pub key: Option<PathBuf>,
    /// The longest payload and line, in bytes; longer ones are dead letters.
    #[serde(default = "max_payload", deserialize_with = "payload_size")]
    #[schemars(range(min = 1, max = 1_073_741_824))]
    pub max_payload: usize,
    /// How long the first connection may take, such as `1m`; for ever if not given.
    #[serde(default, deserialize_with = "optional_duration")]
    #[schemars(with = "Option<String>")]
    pub connect_timeout: Option<Duration>,
    /// How long a lost connection may stay away, such as `1h`; for ever if not given.
    #[serde(default, deserialize_with = "optional_duration")]
    #[schemars(with = "Option<String>")]
    pub reconnect_timeout: Option<Duration>,
}

macro_rules! endpoint {
    ($section:ty) => {
        impl $section {
            /// The endpoint of an MQTT address.
            ///
            /// # Errors
            /// Files for TLS that can't be used.
            pub fn endpoint(&self, url: &MqttUrl) -> Result<Endpoint, String> {
                let Self { qos, user, password, client_id, protocol, ca, certificate, key, .. } = self.clone();
                let tls = tls::TlsFiles { ca, certificate, key };
                if tls.any() && !url.tls {
                    return Err(format!(
                        "{url} has no TLS: write mqtts://, or leave out `ca`, `certificate` and `key`"
                    ));
                }
                if url.login.is_some() && (user.is_some() || password.is_some()) {
                    return Err(format!("{url} has a login in its address: leave out `user` and `password`"));
                }
                let given = Endpoint { qos, client_id, protocol, tls: tls.read()?, ..Endpoint::anonymous(url.clone()) };
                let (user, password) = (user.or(given.user), password.or(given.password));
                Ok(Endpoint { user, password, ..given })
            }
        }
    };
}

endpoint!(SourceSection);
endpoint!(SinkSection);

fn yes() -> bool {
    true
}

fn max_payload() -> usize {
    crate::format::MAX_PAYLOAD
}

/// When rows become a message.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BufferSection {
    /// Rows a message; it closes at 32 MiB, too.
    #[serde(deserialize_with = "bucket_size")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub bucket_size: usize,
    /// How long the oldest row of a partial message waits, while no row comes behind it; files ignore it.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String", extend("default" = "1s"))]
    pub delay: Duration,
    /// Rows of a message are put in the order of this column, of numbers or of dates; as they came if not given.
    #[schemars(with = "Option<String>")]
    pub sort: Option<Spanned<String>>,
}

impl Default for BufferSection {
    fn default() -> BufferSection {
        BufferSection { bucket_size: 1000, delay: Duration::from_secs(1), sort: None }
    }
}

/// How often progress is kept.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CheckpointSection {
    /// How often at most results are made durable, and deliveries acknowledged.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String", extend("default" = "100ms"))]
    pub every: Duration,
}

impl Default for CheckpointSection {
    fn default() -> CheckpointSection {
        CheckpointSection { every: Duration::from_millis(100) }
    }
}

/// Where lines go: a file, standard output, a topic of a broker, or nowhere.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SinkSection {
    /// A .ndjson .csv .parquet file, `-`, `mqtt://HOST/TOPIC`, `mqtts://`, `ws://`, `wss://`, or `null`. Dead letters are
    /// JSON lines. In a sink's topic, `{NAME}` is the row's text in that column.
    #[schemars(with = "Option<String>")]
    pub url: Option<sink::SinkUrl>,
    /// One file a process, for speed.
    #[serde(default)]
    pub parts: bool,
    /// For `mqtt://`: publishes carry message and row as MQTT 5 user properties, too.
    #[serde(default)]
    pub properties: bool,
    /// How text says what is infinite.
    pub infinity: Option<Infinity>,
    /// MQTT's quality of service: 0, 1 or 2.
    #[serde(default)]
    #[schemars(with = "u8", range(max = 2), extend("default" = 1))]
    pub qos: Qos,
    /// The login's name.
    pub user: Option<String>,
    /// The login's password.
    pub password: Option<Password>,
    /// The version of MQTT; that of the broker if not given.
    pub protocol: Option<Protocol>,
    /// The name of the connection at the broker.
    pub client_id: Option<String>,
    /// For `mqtts://` and `wss://`: who signed the broker's certificate, or that certificate itself, which is then
    /// trusted whatever names it has; the system's if not given.
    pub ca: Option<PathBuf>,
    /// For `mqtts://`: the client's certificate.
    pub certificate: Option<PathBuf>,
    /// For `mqtts://`: the key of the client's certificate.
    pub key: Option<PathBuf>,
}

fn bucket_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    const LARGEST: i64 = 10_000_000;
    let rows = i64::deserialize(deserializer)?;
    match rows {
        1..=LARGEST => Ok(rows as usize),
        _ => Err(de::Error::custom(format!("bucket_size is {rows}: it must be between 1 and {LARGEST} rows"))),
    }
}

fn payload_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    const LARGEST: i64 = 1 << 30;
    let bytes = i64::deserialize(deserializer)?;
    match bytes {
        1..=LARGEST => Ok(bytes as usize),
        _ => Err(de::Error::custom(format!("max_payload is {bytes}: it must be between 1 and {LARGEST} bytes"))),
    }
}

/// A bound on payloads, as it stands in a section that is read apart.
pub(crate) fn max_payload_of(value: ValueDeserializer<'_>) -> Result<usize, toml::de::Error> {
    payload_size(value)
}

/// The most worker threads of a process, and the most processes.
pub const MOST_WORKERS: u16 = 1024;

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    let count = i64::deserialize(deserializer)?;
    match u16::try_from(count) {
        Ok(count @ 1..=MOST_WORKERS) => Ok(Some(count)),
        _ => Err(de::Error::custom(format!("{count}: it must be between 1 and {MOST_WORKERS}"))),
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(de::Error::custom)
}

fn optional_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// A duration of more than nothing, in milliseconds.
#[derive(Clone, Copy)]
pub(crate) struct Milliseconds(pub i64);

impl Milliseconds {
    /// The same, as a duration.
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0.unsigned_abs())
    }
}

impl<'de> Deserialize<'de> for Milliseconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Milliseconds, D::Error> {
        match i64::try_from(duration(deserializer)?.as_millis()) {
            Ok(length @ 1..) => Ok(Milliseconds(length)),
            _ => Err(de::Error::custom("it must be between 1ms and 1000years")),
        }
    }
}

/// Reads a duration such as `500ms`, `1s`, `2m 30s` or `0`.
///
/// # Errors
/// Another text, or more than a thousand years: no clock counts so far.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    // A clock can tell no time that lies much further away.
    const MAX_INTERVAL: Duration = Duration::from_secs(1000 * 31_557_600);
    let read = humantime::parse_duration(text);
    let read = read.map_err(|error| format!("{text:?} is not a duration such as \"500ms\" or \"1s\": {error}"))?;
    if read <= MAX_INTERVAL { Ok(read) } else { Err(format!("{text:?} is too long: at most 1000years")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_that_no_clock_can_tell_is_refused() {
        assert_eq!(parse_duration("1m 30s"), Ok(Duration::from_secs(90)));
        let longest = parse_duration("1000years").unwrap();
        assert!(std::time::Instant::now().checked_add(longest).is_some());
        for wrong in ["1001years", "584000000000years", "18446744073709551615s", "soon"] {
            assert!(parse_duration(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }
}
