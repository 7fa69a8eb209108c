//! What addresses of a scheme stand for, as registries of sources and sinks hold it.

use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use toml::de::ValueDeserializer;

use crate::inlined_schema::inlined_schema;

type BuildFn<T> = fn(ValueDeserializer<'_>, &str) -> Result<T, toml::de::Error>;

/// What addresses of one scheme stand for.
#[derive(Clone, Debug)]
pub struct Scheme<T> {
    /// What stands before `://`.
    pub name: &'static str,
    /// Another word for it: a longer one, or the one of encrypted connections.
    pub other_name: Option<&'static str>,
    build: BuildFn<T>,
    schema: fn() -> Schema,
}

impl<T> Scheme<T> {
    /// One of a type, with its settings, at an address.
    ///
    /// # Errors
    /// An unknown key, or a value of the wrong type; the span is the file's.
    pub fn build(&self, settings: ValueDeserializer<'_>, url: &str) -> Result<T, toml::de::Error> {
        (self.build)(settings, url)
    }

    /// A regular expression of its addresses.
    pub fn pattern(&self) -> String {
        let names: Vec<&str> = std::iter::once(self.name).chain(self.other_name).collect();
        if let [name] = names[..] { format!("^{name}://") } else { format!("^({})://", names.join("|")) }
    }

    /// The JSON schema of the settings.
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }
}

/// Schemes by their names.
#[derive(Clone, Debug)]
pub struct Schemes<T>(Vec<Scheme<T>>);

impl<T> Schemes<T> {
    /// None.
    pub fn none() -> Schemes<T> {
        Schemes(Vec::new())
    }

    /// These and one more with settings of type `S`, which replaces one of the same name.
    pub(crate) fn with_settings<S>(mut self, name: &'static str, build: BuildFn<T>) -> Schemes<T>
    where
        S: DeserializeOwned + JsonSchema,
    {
        self.0.retain(|scheme| scheme.name != name);
        self.0.push(Scheme { name, other_name: None, build, schema: inlined_schema::<S> });
        self
    }

    /// The last one has another name, too.
    #[cfg(any(feature = "postgres", feature = "influxdb"))]
    pub(crate) fn or(mut self, name: &'static str) -> Schemes<T> {
        self.0.last_mut().into_iter().for_each(|scheme| scheme.other_name = Some(name));
        self
    }

    /// The scheme of an address.
    pub fn find(&self, url: &str) -> Option<&Scheme<T>> {
        let (name, _) = url.split_once("://")?;
        self.0.iter().find(|scheme| scheme.name == name || scheme.other_name == Some(name))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Scheme<T>> {
        self.0.iter()
    }
}
