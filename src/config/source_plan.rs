//! A source as the file describes it.

use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::parse::sections::SchemaChoice;
use crate::data::Schema;
use crate::format::Decoding;
use crate::source::{SourceSettings, SourceUrl};

/// A source: where rows come from, and how they are read.
#[derive(Clone)]
pub struct SourcePlan {
    /// What the report, dead letters and errors call it; a source alone may have none.
    pub name: Option<String>,
    /// Its address.
    pub url: SourceUrl,
    /// How rows are read from it.
    pub settings: SourceSettings,
    /// The columns of its rows.
    pub schema: SchemaChoice,
    /// How their cells become values.
    pub decoding: Arc<Decoding>,
    /// Whether the file itself names columns: a built-in schema has more than most stations send.
    pub(super) names_columns: bool,
    /// Whether a sink may publish what it takes again.
    pub(super) allow_loop: bool,
    /// Its span in the document; all of it where it is the only one.
    pub(super) span: Range<usize>,
}

/// The keys of `[[source]]` that `[source]` does not have.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct NamedSourceSection {
    /// Of several sources: what a step's `input`, the report and dead letters call it. Letters, digits, _ and -.
    #[schemars(with = "Option<String>")]
    pub(super) name: Option<Spanned<String>>,
}

impl NamedSourceSection {
    /// Its keys, but for the schema, which is read apart.
    pub const KEYS: [&'static str; 1] = ["name"];
}

impl SourcePlan {
    /// What it is called: its name, or its address.
    pub fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.url.to_string())
    }

    /// The addresses of sources, in words.
    pub fn addresses(sources: &[SourcePlan]) -> String {
        sources.iter().map(|source| source.url.to_string()).collect::<Vec<_>>().join(", ")
    }

    /// What it is to a run, in words.
    pub fn role(&self) -> String {
        self.name.as_ref().map_or_else(|| "the source".into(), |name| format!("the source {name}"))
    }

    /// Its columns, if they are known before a row has come.
    pub fn known(&self) -> Option<&Schema> {
        match &self.schema {
            SchemaChoice::Known { schema, .. } => Some(schema),
            SchemaChoice::Infer { .. } => None,
        }
    }

    /// The columns of its rows, where the file itself names some.
    pub fn named_columns(&self) -> Option<&Schema> {
        self.known().filter(|_| self.names_columns)
    }
}
