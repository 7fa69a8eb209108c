//! A table as the file describes it, before its columns are looked up in a schema.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::parse::sections::{self, Milliseconds};
use crate::sink;
use crate::tables::{Aggregate, ChangeFormat, Late, Reference, ScoreAverage, ScoreMetric, Table};

/// A table before its columns are looked up in a schema.
#[derive(Clone)]
pub struct TablePlan {
    pub(super) section: TableSection,
    /// Where its changes go.
    pub(super) sink: Option<sink::SinkSettings>,
}

/// A table, and where its changes go.
pub struct TableOf {
    /// What it is: keys, windows, aggregates.
    pub table: Table,
    /// Where its changes go.
    pub sink: Option<sink::SinkSettings>,
    /// The file that its rows are joined with.
    pub reference: Option<Reference>,
}

/// Rows summarised by key and window, right whatever order they come in.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TableSection {
    /// Letters, digits, _, - and .
    #[schemars(with = "String")]
    pub(super) name: Spanned<String>,
    /// `raw`, or the step behind which it takes its rows; `raw` if not given.
    #[schemars(with = "Option<String>")]
    pub(super) input: Option<Spanned<String>>,
    /// A line for each different value of these columns.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) key: Vec<Spanned<String>>,
    /// When a row was measured: seconds since 1970 or a date; the column of `[schema.time]`, or `dateTime`,
    /// if not given.
    #[schemars(with = "Option<String>")]
    pub(super) time: Option<Spanned<String>>,
    /// How long a window is, such as `1h`; one line a key for ever if not given.
    #[schemars(with = "Option<String>")]
    pub(super) window: Option<Spanned<Milliseconds>>,
    /// A window begins every so often; as long as the window if not given.
    #[schemars(with = "Option<String>")]
    pub(super) hop: Option<Spanned<Milliseconds>>,
    /// What is summarised; all other number columns if not given.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) columns: Option<Vec<Spanned<String>>>,
    /// count, sum, mean, min, max, std, median, p90 (any quantile), ~p99 (one from a sketch), distinct, outliers,
    /// completeness.
    #[serde(default = "aggregates")]
    #[schemars(with = "Vec<String>", extend("default" = ["count", "mean", "min", "max"]))]
    pub(super) aggregates: Spanned<Vec<Aggregate>>,
    /// How far apart a station's rows should be, for completeness.
    #[schemars(with = "Option<String>")]
    pub(super) interval: Option<Spanned<Milliseconds>>,
    /// A row replaces the one before it with the same values here; all count if not given.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) upsert: Vec<Spanned<String>>,
    /// With `upsert`: values that a row lacks are those of the row that it replaces, so that a label joins its prediction.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) combine_first: Option<Spanned<bool>>,
    /// Predictions that are measured beside their labels.
    pub(super) score: Option<ScoreSection>,
    /// A row that is not 0 here takes the one away that it would replace.
    #[schemars(with = "Option<String>")]
    pub(super) delete: Option<Spanned<String>>,
    /// Windows go so long after their end, by the times of their key's rows; never if not given.
    #[schemars(with = "Option<String>")]
    pub(super) retention: Option<Spanned<Milliseconds>>,
    /// Rows dated further ahead of this machine's clock are dead letters and move no window; `10m` if not given.
    #[schemars(with = "Option<String>")]
    pub(super) max_future: Option<Spanned<Milliseconds>>,
    /// What becomes of rows that come after their window has gone; `dead_letter` if not given.
    #[schemars(with = "Option<Late>")]
    pub(super) late: Option<Spanned<Late>>,
    /// A file whose other columns stand behind each line; reread when it changes.
    #[schemars(with = "Option<ReferenceSection>")]
    pub(super) reference: Option<Spanned<ReferenceSection>>,
    /// How changes are told: upsert and delete lines, or - and + lines.
    #[serde(default)]
    pub(super) changes: ChangeFormat,
    /// Where changes go; a .csv or .parquet file gets the whole table at the end.
    pub(super) sink: Option<sections::SinkSection>,
}

/// Predictions beside labels: metrics over the rows that have both, as columns `PREDICTION_METRIC`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScoreSection {
    /// The column of predictions.
    #[schemars(with = "String")]
    pub(super) prediction: Spanned<String>,
    /// The column of labels: what it turned out to be.
    #[schemars(with = "String")]
    pub(super) label: Spanned<String>,
    /// mae, rmse, mape, r2 of numbers; accuracy, precision, recall, f1, confusion of classes; log_loss, roc_auc of
    /// probabilities.
    #[schemars(with = "Vec<ScoreMetric>")]
    pub(super) metrics: Spanned<Vec<ScoreMetric>>,
    /// The column with the probability of `positive`, for log_loss and roc_auc.
    #[schemars(with = "Option<String>")]
    pub(super) probability: Option<Spanned<String>>,
    /// The label that `probability` and `average = "binary"` are about.
    #[schemars(with = "Option<PositiveLabel>")]
    pub(super) positive: Option<Spanned<PositiveLabel>>,
    /// Of which labels precision, recall and f1 are; of `positive` if it is given (`binary`), else the mean over all
    /// (`macro`).
    #[schemars(with = "Option<ScoreAverage>")]
    pub(super) average: Option<Spanned<ScoreAverage>>,
    /// The labels of the confusion and of `probabilities`.
    #[schemars(with = "Option<Vec<PositiveLabel>>")]
    pub(super) classes: Option<Spanned<Vec<PositiveLabel>>>,
    /// The columns with the probability of each of `classes`, in their order: log_loss is that of several classes.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) probabilities: Option<Spanned<Vec<Spanned<String>>>>,
}

/// A label.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum PositiveLabel {
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(String),
}

/// A file that is joined to a table.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReferenceSection {
    /// The .csv file.
    pub(super) path: PathBuf,
    /// The column, of file and table, that it is joined by.
    #[schemars(with = "String")]
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

    /// The table's name.
    pub fn name(&self) -> &str {
        self.section.name.get_ref()
    }

    /// Whether a row may replace one before it.
    pub fn replaces(&self) -> bool {
        !self.section.upsert.is_empty()
    }

    /// Called when the run has ended without an error: the contents of the table's sink stay.
    ///
    /// # Errors
    /// As [`sink::SinkSettings::finished`].
    pub fn finished(&self) -> Result<(), sink::Error> {
        self.sink.as_ref().map_or(Ok(()), |sink| sink.finished(0))
    }

    /// Where its changes go.
    pub fn sink(&self) -> Option<&sink::SinkSettings> {
        self.sink.as_ref()
    }

    /// The same, to be changed.
    pub fn sink_mut(&mut self) -> Option<&mut sink::SinkSettings> {
        self.sink.as_mut()
    }

    /// How long the first connection of its sink with a broker may take.
    pub fn set_connect_timeout(&mut self, timeout: std::time::Duration) {
        if let Some(sink) = &mut self.sink {
            sink.connect_timeout = Some(timeout);
        }
    }
}
