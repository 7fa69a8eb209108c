//! Sinks by the scheme of their address. A new one is one file beside this one and one line here.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use toml::de::ValueDeserializer;

use super::custom::{CustomSink, SinkConfig};

/// A sink by the scheme of its address.
#[derive(Clone, Copy, Debug)]
pub struct SinkEntry {
    /// The scheme: what stands before `://`.
    pub scheme: &'static str,
    build: fn(ValueDeserializer<'_>, &str) -> Result<CustomSink, toml::de::Error>,
    schema: fn() -> Schema,
}

impl SinkEntry {
    /// The sink with its settings, at an address.
    ///
    /// # Errors
    /// An unknown key, or a value of the wrong type; the span is the file's.
    pub fn build(&self, settings: ValueDeserializer<'_>, url: &str) -> Result<CustomSink, toml::de::Error> {
        (self.build)(settings, url)
    }

    /// The JSON schema of its settings.
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }
}

/// The sinks that a program knows beside topics, files and standard output.
#[derive(Clone, Debug)]
pub struct Sinks(Vec<SinkEntry>);

impl Sinks {
    /// Those that are built in.
    pub fn builtin() -> Sinks {
        Sinks(Vec::new())
    }

    /// These and one more, which replaces an entry of the same scheme.
    pub fn with<T: SinkConfig>(mut self, scheme: &'static str) -> Sinks {
        let build = |settings: ValueDeserializer<'_>, url: &str| Ok(CustomSink::new(T::deserialize(settings)?, url));
        self.0.retain(|entry| entry.scheme != scheme);
        self.0.push(SinkEntry { scheme, build, schema: schema::<T> });
        self
    }

    /// The sink for an address.
    pub fn find(&self, url: &str) -> Option<&SinkEntry> {
        let (scheme, _) = url.split_once("://")?;
        self.0.iter().find(|entry| entry.scheme == scheme)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &SinkEntry> {
        self.0.iter()
    }
}

fn schema<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>()
}
