//! How the cells of rows are read: `[schema]` of a dataflow file, and what `[source]` says of names.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::cell_rules::{self, CellRules};
use super::column_keys::ColumnKeys;
use super::path::{self, PathStep};
use super::time_rules::TimeColumn;
use super::topic_pattern::TopicPattern;
use crate::data::Schema;
use crate::data::cell::DecimalMark;

/// Whether keys without a column are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnknownKeys {
    /// Each once.
    #[default]
    Warn,
    /// Nothing is said of them.
    Ignore,
}

/// How the cells of rows become values of columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoding {
    /// Whether a name may carry one of WeeWX's unit labels behind the column's name.
    pub units: bool,
    /// The unit of each column whose names may carry labels of others.
    pub unit: BTreeMap<String, String>,
    /// Words, marks and bad cells, where the dataflow file says something of them.
    pub cells: Option<Arc<CellRules>>,
    /// The column with the time of a row, where the dataflow file says something of it.
    pub time: Option<Arc<TimeColumn>>,
    /// What is said of keys without a column.
    pub unknown_keys: UnknownKeys,
    /// Which levels of a row's topic are columns.
    pub topic: Option<Arc<TopicPattern>>,
    /// The keys and paths that columns are read from.
    pub keys: ColumnKeys,
}

impl Decoding {
    /// What the built-in schema `davis` asks for.
    pub fn davis() -> Arc<Decoding> {
        Arc::new(Decoding { units: true, ..Decoding::default() })
    }

    /// Reads a number of a cell's text; as [`cell_rules::number`].
    pub(crate) fn number(&self, text: &str, mark: DecimalMark) -> Option<f64> {
        cell_rules::number(self.cells.as_deref(), text, mark)
    }

    /// Whether levels of the topics are columns.
    pub(crate) fn reads_topics(&self) -> bool {
        self.topic.as_ref().is_some_and(|pattern| pattern.columns().next().is_some())
    }

    /// The places of the columns that cells without a header stand for: all but those that the topic fills, and the time
    /// that other cells make. Cells of the time that are no columns, behind the `own` ones, stand where it would.
    pub(crate) fn places_without_header(&self, schema: &Schema, own: usize) -> Vec<Option<usize>> {
        let of_topic = |name: &str| self.topic.as_ref().is_some_and(|topic| topic.columns().any(|own| own == name));
        let is_made = |name: &str| {
            let of_others = |time: &TimeColumn| !time.from.is_empty() && !time.from.contains(&time.name);
            self.time.as_ref().is_some_and(|time| time.name == name && of_others(time))
        };
        let mut behind = own..schema.columns().len();
        let mut places = Vec::new();
        for (place, column) in schema.columns()[..own].iter().enumerate() {
            if !of_topic(&column.name) && !is_made(&column.name) {
                places.push(Some(place));
            }
            if self.time.as_ref().is_some_and(|time| time.name == column.name) {
                places.extend(behind.by_ref().filter(|place| !of_topic(&schema.columns()[*place].name)).map(Some));
            }
        }
        places
    }

    /// Whether a name in a row is that of a column, of a cell that the time is made of, or the beginning of a path to one.
    pub(crate) fn leads_to_column(&self, schema: &Schema, name: &str) -> bool {
        let begins = |path: &str| {
            // Each key of a foreign row comes by all columns: a path without it need not be read.
            (path.contains(name) || path.contains('\\'))
                && path::parse(path).is_ok_and(|steps| matches!(steps.first(), Some(PathStep::Key(key)) if key == name))
        };
        let of_time = self.time.as_ref().is_some_and(|time| time.from.iter().any(|from| from == name || begins(from)));
        self.place(schema, name).is_some() || of_time || schema.names().any(|column| begins(self.keys.key(column)))
    }

    /// Whether a value of this name is read: as a column, or as a cell of the time.
    pub(crate) fn takes(&self, schema: &Schema, name: &str) -> bool {
        self.place(schema, name).is_some() || self.is_of_time(name)
    }

    /// Whether the time is made of a cell of this name, beside others.
    pub(crate) fn is_of_time(&self, name: &str) -> bool {
        self.time.as_ref().is_some_and(|time| time.from.iter().any(|from| from == name))
    }

    /// The place of the column that a name in a row stands for.
    pub(crate) fn place(&self, schema: &Schema, name: &str) -> Option<usize> {
        let place = |name: &str| self.keys.place(schema, name);
        if self.units { super::weewx::place(name, place) } else { place(name) }
    }
}
