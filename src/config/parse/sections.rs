//! The sections of a dataflow file as serde reads them.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use crate::data::{Kind, Schema};
use crate::format::{Infinity, PLACE};
use crate::mqtt::{Endpoint, Password, Qos, Url, tls};
use crate::source::Connections;
use crate::{sink, source};

/// Where a message's subtasks run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, Deserialize, clap::ValueEnum)]
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
    Known { schema: Schema, id: Option<String> },
    /// Names and types from the source.
    Infer,
}

impl SchemaChoice {
    pub fn id(&self) -> Option<&str> {
        match self {
            SchemaChoice::Known { id, .. } => id.as_deref(),
            SchemaChoice::Infer => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub name: Option<Spanned<String>>,
    pub description: Option<String>,
    #[serde(default, deserialize_with = "count")]
    pub workers: Option<u16>,
    #[serde(default, deserialize_with = "count")]
    pub processes: Option<u16>,
    #[serde(default)]
    pub placement: Placement,
    pub source: Option<Source>,
    #[serde(default)]
    pub buffer: BufferSection,
    pub sink: Option<Sink>,
    pub dead_letter: Option<Sink>,
    #[serde(default)]
    pub checkpoint: CheckpointSection,
    /// Read apart; here so that they are among the names that errors list.
    #[serde(default, rename = "schema")]
    _schema: Option<de::IgnoredAny>,
    #[serde(default, rename = "subtask")]
    _subtask: Option<de::IgnoredAny>,
    #[serde(default, rename = "table")]
    _table: Option<de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SchemaSection {
    #[serde(default)]
    pub number: Vec<Spanned<String>>,
    #[serde(default)]
    pub text: Vec<Spanned<String>>,
    pub id: Option<Spanned<String>>,
}

impl SchemaSection {
    /// A column with a name that the output has for itself.
    pub fn reserved(&self) -> Option<&Spanned<String>> {
        let mut names = self.number.iter().chain(&self.text).chain(&self.id);
        names.find(|name| PLACE.contains(&name.get_ref().as_str()))
    }

    pub fn choice(self) -> SchemaChoice {
        let names = |listed: &[Spanned<String>]| listed.iter().map(|name| name.get_ref().clone()).collect::<Vec<_>>();
        let (number, text, id) = (names(&self.number), names(&self.text), self.id.map(Spanned::into_inner));
        let other_id = id.iter().filter(|id| !number.contains(id) && !text.contains(id)).cloned();
        let other_id = other_id.map(|id| (id, Kind::Text)).collect::<Vec<_>>();
        let number = number.into_iter().map(|name| (name, Kind::Number));
        let text = text.into_iter().map(|name| (name, Kind::Text));
        SchemaChoice::Known { schema: Schema::new(other_id.into_iter().chain(number).chain(text)), id }
    }
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    pub url: Option<source::Url>,
    #[serde(default)]
    pub qos: Qos,
    pub user: Option<String>,
    pub password: Option<Password>,
    pub client_id: Option<String>,
    /// Whether the broker keeps a session, under the dataflow's name if no `client_id` is given.
    #[serde(default)]
    pub session: bool,
    pub connections: Option<Spanned<Connections>>,
    /// Whether publishes of an earlier time are taken that the broker has retained.
    #[serde(default = "yes")]
    pub retained: bool,
    /// Whether what the dataflow publishes may come back as rows.
    #[serde(default)]
    pub allow_loop: bool,
    pub ca: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    #[serde(default = "max_payload", deserialize_with = "payload_size")]
    pub max_payload: usize,
    #[serde(default, deserialize_with = "optional_duration")]
    pub connect_timeout: Option<Duration>,
    #[serde(default, deserialize_with = "optional_duration")]
    pub reconnect_timeout: Option<Duration>,
}

macro_rules! endpoint {
    ($section:ty) => {
        impl $section {
            /// The endpoint of an MQTT address.
            ///
            /// # Errors
            /// Files for TLS that can't be used.
            pub fn endpoint(&self, url: &Url) -> Result<Endpoint, String> {
                let Self { qos, user, password, client_id, ca, certificate, key, .. } = self.clone();
                let tls = tls::Files { ca, certificate, key };
                if tls.any() && !url.tls {
                    return Err(format!(
                        "{url} has no TLS: write mqtts://, or leave out `ca`, `certificate` and `key`"
                    ));
                }
                if url.login.is_some() && (user.is_some() || password.is_some()) {
                    return Err(format!("{url} has a login in its address: leave out `user` and `password`"));
                }
                let given = Endpoint { qos, client_id, tls: tls.read()?, ..Endpoint::anonymous(url.clone()) };
                let (user, password) = (user.or(given.user), password.or(given.password));
                Ok(Endpoint { user, password, ..given })
            }
        }
    };
}

endpoint!(Source);
endpoint!(Sink);

fn yes() -> bool {
    true
}

fn max_payload() -> usize {
    source::MAX_PAYLOAD
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BufferSection {
    #[serde(deserialize_with = "bucket_size")]
    pub bucket_size: usize,
    #[serde(deserialize_with = "duration")]
    pub delay: Duration,
}

impl Default for BufferSection {
    fn default() -> BufferSection {
        BufferSection { bucket_size: 1000, delay: Duration::from_secs(1) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CheckpointSection {
    #[serde(deserialize_with = "duration")]
    pub every: Duration,
}

impl Default for CheckpointSection {
    fn default() -> CheckpointSection {
        CheckpointSection { every: Duration::from_millis(100) }
    }
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sink {
    pub url: Option<sink::Url>,
    #[serde(default)]
    pub parts: bool,
    /// Whether publishes carry message and row as MQTT 5 user properties.
    #[serde(default)]
    pub properties: bool,
    pub infinity: Option<Infinity>,
    #[serde(default)]
    pub qos: Qos,
    pub user: Option<String>,
    pub password: Option<Password>,
    pub client_id: Option<String>,
    pub ca: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
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
pub(crate) struct Milliseconds(pub i64);

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
    const LONGEST: Duration = Duration::from_secs(1000 * 31_557_600);
    let read = humantime::parse_duration(text);
    let read = read.map_err(|error| format!("{text:?} is not a duration such as \"500ms\" or \"1s\": {error}"))?;
    if read <= LONGEST { Ok(read) } else { Err(format!("{text:?} is too long: at most 1000years")) }
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
