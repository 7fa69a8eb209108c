//! The traits of sources that a program adds, and their registry: a source is polled, and told which deliveries are
//! durable.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use toml::de::ValueDeserializer;

/// The delivery guarantee of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivers {
    /// Delivered once, whether its rows become durable or not.
    AtMostOnce,
    /// Redelivered, even to a later run, until it is acknowledged.
    AtLeastOnce,
}

/// The settings of a source as they stand in `[source]` beside `url`, and what opens it.
///
/// Doc comments of the fields are what the JSON schema and the reference say of them.
pub trait SourceConfig: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The delivery guarantee.
    const DELIVERS: Delivers;

    /// Refuses an address, when the dataflow file is read.
    ///
    /// # Errors
    /// In words: what is wrong with it.
    fn check(&self, _url: &str) -> Result<(), String> {
        Ok(())
    }

    /// Opens the source at an address, on the thread that will poll it.
    ///
    /// # Errors
    /// In words: why it can't be opened. The run fails.
    fn build(&self, url: &str) -> Result<Box<dyn PolledSource>, String>;
}

/// A source that is open. It is polled and acknowledged by one thread of its own.
pub trait PolledSource: Send {
    /// The next delivery; waits for one no longer than `timeout`. A file or a query that is at its end ends the run.
    ///
    /// # Errors
    /// In words: why nothing more can be read. The run fails.
    fn poll(&mut self, timeout: Duration) -> Result<Polled, String>;

    /// All rows of the delivery with this id are durable, or counted as dropped: it need not be redelivered. Called in
    /// the order of delivery, and never for sources that deliver at most once.
    ///
    /// # Errors
    /// In words: why it can't be acknowledged. The run fails.
    fn acknowledge(&mut self, _id: &str) -> Result<(), String> {
        Ok(())
    }
}

/// The result of a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// A delivery.
    Delivery(Payload),
    /// Nothing before the timeout.
    Nothing,
    /// Nothing, and the source is at its end.
    End,
}

/// Rows that are acknowledged together: a JSON object, an array of objects, or CSV lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Identifies the delivery when it is acknowledged or redelivered, and is the topic of its dead letters.
    pub id: String,
    /// The rows.
    pub bytes: Vec<u8>,
}

type OpenSourceFn = dyn Fn() -> Result<Box<dyn PolledSource>, String> + Send + Sync;

/// A source of the registry with its settings and its address.
#[derive(Clone)]
pub struct CustomSource {
    pub(super) url: String,
    pub(super) delivers: Delivers,
    pub(super) open: Arc<OpenSourceFn>,
    refused: Option<String>,
}

impl CustomSource {
    /// Why its address is refused, if it is.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }
}

impl fmt::Debug for CustomSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomSource").field("delivers", &self.delivers).finish_non_exhaustive()
    }
}

/// A source by the scheme of its address.
#[derive(Clone, Copy, Debug)]
pub struct SourceEntry {
    /// The scheme: what stands before `://`.
    pub scheme: &'static str,
    build: fn(ValueDeserializer<'_>, &str) -> Result<CustomSource, toml::de::Error>,
    schema: fn() -> Schema,
}

impl SourceEntry {
    /// The source with its settings, at an address.
    ///
    /// # Errors
    /// An unknown key, or a value of the wrong type; the span is the file's.
    pub fn build(&self, settings: ValueDeserializer<'_>, url: &str) -> Result<CustomSource, toml::de::Error> {
        (self.build)(settings, url)
    }

    /// The JSON schema of its settings.
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }
}

/// The sources that a program knows beside topics, files, standard input and generated rows.
#[derive(Clone, Debug)]
pub struct Sources(Vec<SourceEntry>);

impl Sources {
    /// Those that are built in.
    pub fn builtin() -> Sources {
        Sources(Vec::new())
    }

    /// These and one more, which replaces an entry of the same scheme.
    pub fn with<T: SourceConfig>(mut self, scheme: &'static str) -> Sources {
        self.0.retain(|entry| entry.scheme != scheme);
        self.0.push(SourceEntry { scheme, build: build::<T>, schema: schema::<T> });
        self
    }

    /// The source for an address.
    pub fn find(&self, url: &str) -> Option<&SourceEntry> {
        let (scheme, _) = url.split_once("://")?;
        self.0.iter().find(|entry| entry.scheme == scheme)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &SourceEntry> {
        self.0.iter()
    }
}

fn build<T: SourceConfig>(settings: ValueDeserializer<'_>, url: &str) -> Result<CustomSource, toml::de::Error> {
    let config = T::deserialize(settings)?;
    let (refused, url) = (config.check(url).err(), url.to_owned());
    let address = url.clone();
    Ok(CustomSource { url, delivers: T::DELIVERS, open: Arc::new(move || config.build(&address)), refused })
}

fn schema<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>()
}
