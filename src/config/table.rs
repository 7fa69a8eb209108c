//! A table as the file describes it, before its columns are looked up in a schema.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use crate::config::parse::sections::{self, Milliseconds};
use crate::sink;
use crate::tables::{Aggregate, Changes, Late, Reference, Table};

/// A table before its columns are looked up in a schema.
pub struct TablePlan {
    pub(super) section: TableSection,
    /// Where its changes go.
    pub(super) sink: Option<sink::Settings>,
}

/// A table, and where its changes go.
pub struct TableOf {
    pub table: Table,
    pub sink: Option<sink::Settings>,
    pub reference: Option<Reference>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableSection {
    pub(super) name: Spanned<String>,
    pub(super) input: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) key: Vec<Spanned<String>>,
    pub(super) time: Option<Spanned<String>>,
    pub(super) window: Option<Spanned<Milliseconds>>,
    pub(super) hop: Option<Spanned<Milliseconds>>,
    pub(super) columns: Option<Vec<Spanned<String>>>,
    #[serde(default = "aggregates")]
    pub(super) aggregates: Spanned<Vec<Aggregate>>,
    pub(super) interval: Option<Spanned<Milliseconds>>,
    #[serde(default)]
    pub(super) upsert: Vec<Spanned<String>>,
    pub(super) delete: Option<Spanned<String>>,
    pub(super) retention: Option<Spanned<Milliseconds>>,
    pub(super) max_future: Option<Spanned<Milliseconds>>,
    pub(super) late: Option<Spanned<Late>>,
    pub(super) reference: Option<Spanned<ReferenceSection>>,
    #[serde(default)]
    pub(super) changes: Changes,
    pub(super) sink: Option<sections::Sink>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReferenceSection {
    pub(super) path: PathBuf,
    pub(super) key: Spanned<String>,
}

fn aggregates() -> Spanned<Vec<Aggregate>> {
    Spanned::new(0..0, vec![Aggregate::Count, Aggregate::Mean, Aggregate::Min, Aggregate::Max])
}

impl TablePlan {
    /// The file whose columns are joined to its lines.
    pub fn reference(&self) -> Option<&std::path::Path> {
        self.section.reference.as_ref().map(|reference| reference.get_ref().path.as_path())
    }

    pub fn name(&self) -> &str {
        self.section.name.get_ref()
    }

    /// Whether a row may replace one before it.
    pub fn replaces(&self) -> bool {
        !self.section.upsert.is_empty()
    }

    /// The run has ended in good order: what the table's sink holds stays.
    ///
    /// # Errors
    /// As [`sink::Settings::finished`].
    pub fn finished(&self) -> Result<(), sink::Error> {
        self.sink.as_ref().map_or(Ok(()), |sink| sink.finished(0))
    }

    /// Where its changes go.
    pub fn sink(&self) -> Option<&sink::Settings> {
        self.sink.as_ref()
    }

    /// As a test changes it.
    #[cfg(test)]
    pub fn sink_mut(&mut self) -> Option<&mut sink::Settings> {
        self.sink.as_mut()
    }

    pub fn set_connect_timeout(&mut self, timeout: std::time::Duration) {
        if let Some(sink) = &mut self.sink {
            sink.connect_timeout = Some(timeout);
        }
    }
}
