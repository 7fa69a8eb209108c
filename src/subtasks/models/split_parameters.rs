//! The parameters of a model that learns, read apart: what it appends to the rows, and how it learns.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, de};

use super::{Model, ModelOutput};
use crate::data::Kind;

/// The parameters of every model, whether it learns or not.
pub const MODEL_PARAMETERS: [&str; 3] = ["outputs", "prefix", "skip_empty"];

/// What a model appends to the rows.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Appended {
    /// What it says of a row; the first of what it can if not given.
    pub outputs: Option<Vec<ModelOutput>>,
    /// Stands before the names of the new columns.
    pub prefix: String,
    /// Whether rows without a value in any of its columns are passed over; not said if not given.
    pub skip_empty: Option<bool>,
}

impl Appended {
    /// Whether rows without a value in any of its columns are passed over.
    pub fn skips_empty(&self) -> bool {
        self.skip_empty == Some(true)
    }

    /// What a model says of a row.
    pub fn outputs<M: Model>(&self) -> Vec<ModelOutput> {
        self.outputs.clone().unwrap_or_else(|| vec![M::OUTPUTS[0]])
    }

    /// The new columns: those that `of` says for each output, behind the prefix.
    ///
    /// # Errors
    /// As `of`.
    pub fn columns<M: Model>(
        &self,
        of: impl Fn(ModelOutput) -> Result<Vec<(String, Kind)>, String>,
    ) -> Result<Vec<(String, Kind)>, String> {
        let mut new = Vec::new();
        for output in self.outputs::<M>() {
            new.extend(of(output)?.into_iter().map(|(name, kind)| (format!("{}{name}", self.prefix), kind)));
        }
        Ok(new)
    }
}

/// Reads [`Appended`] and whatever `P` takes from one table.
pub fn split<'de, P: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<(Appended, P), D::Error> {
    deserializer.deserialize_map(Both(PhantomData))
}

struct Both<P>(PhantomData<P>);

impl<'de, P: Deserialize<'de>> Visitor<'de> for Both<P> {
    type Value = (Appended, P);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a table of parameters")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<(Appended, P), M::Error> {
        let mut appended = Appended::default();
        let own = P::deserialize(MapAccessDeserializer::new(Others { map, appended: &mut appended }))?;
        Ok((appended, own))
    }
}

/// A table without the keys of [`Appended`], which are read on the way.
struct Others<'a, M> {
    map: M,
    appended: &'a mut Appended,
}

impl<'de, M: MapAccess<'de>> MapAccess<'de> for Others<'_, M> {
    type Error = M::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, mut seed: K) -> Result<Option<K::Value>, M::Error> {
        loop {
            match self.map.next_key_seed(Key(seed))? {
                None => return Ok(None),
                Some(Read::Other(key)) => return Ok(Some(key)),
                Some(Read::Outputs(back)) => {
                    self.appended.outputs = Some(self.map.next_value()?);
                    seed = back;
                }
                Some(Read::Prefix(back)) => {
                    self.appended.prefix = self.map.next_value()?;
                    seed = back;
                }
                Some(Read::SkipEmpty(back)) => {
                    self.appended.skip_empty = Some(self.map.next_value()?);
                    seed = back;
                }
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, M::Error> {
        self.map.next_value_seed(seed)
    }
}

/// A key: one of [`Appended`], with the seed that it does not need, or another.
enum Read<K, V> {
    Outputs(K),
    Prefix(K),
    SkipEmpty(K),
    Other(V),
}

struct Key<K>(K);

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for Key<K> {
    type Value = Read<K, K::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de, K: DeserializeSeed<'de>> Visitor<'de> for Key<K> {
    type Value = Read<K, K::Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a parameter")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
        match key {
            "outputs" => Ok(Read::Outputs(self.0)),
            "prefix" => Ok(Read::Prefix(self.0)),
            "skip_empty" => Ok(Read::SkipEmpty(self.0)),
            _ => {
                let key: StrDeserializer<'_, E> = key.into_deserializer();
                self.0.deserialize(key).map(Read::Other)
            }
        }
    }

    fn visit_bytes<E: Error>(self, key: &[u8]) -> Result<Self::Value, E> {
        let key = std::str::from_utf8(key).map_err(E::custom)?;
        self.visit_str(key)
    }
}
