//! A sink as the file describes it, before its columns are looked up in a schema.

use humantime::format_duration;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::error::{SpannedError, Wrong};
use crate::config::parse::sections::Milliseconds;
use crate::sink::{SinkSettings, SinkUrl};

/// A sink before its columns are looked up in a schema.
#[derive(Clone)]
pub struct SinkPlan {
    /// Where it goes.
    pub settings: SinkSettings,
    pub(super) branch: BranchSection,
    /// Its span in the document.
    pub(super) span: std::ops::Range<usize>,
}

/// What a sink takes of the chain: the keys of `[sink]` that dead letters and tables do not have.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct BranchSection {
    /// What the status, the report and errors call the sink; its address if not given. Letters, digits, _ and -.
    #[schemars(with = "Option<String>")]
    pub(super) name: Option<Spanned<String>>,
    /// The sink takes the rows for which this is true, as `query` takes it: `outTemp > 35`; all if not given.
    #[schemars(with = "Option<String>")]
    pub(super) r#where: Option<Spanned<String>>,
    /// The sink takes the rows as they are behind this step, or `raw`; the end of the chain if not given.
    #[schemars(with = "Option<String>")]
    pub(super) after: Option<Spanned<String>>,
    /// The columns that the sink takes, in this order, behind `message` and `row`; all if not given.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) columns: Option<Spanned<Vec<Spanned<String>>>>,
    /// An alert: the sink takes the row with which `where` has been true for so long in the rows' own time, such as `5m`,
    /// and no more until it is no longer true. Its column `alert` says `firing`. A row that is older than the latest of
    /// its key changes nothing.
    #[schemars(with = "Option<String>")]
    pub(super) r#for: Option<Spanned<Milliseconds>>,
    /// An alert; `true`: the sink also takes the row with which `where` is no longer true, its column `alert` says
    /// `resolved`. Without `for`, it fires at once.
    #[schemars(with = "Option<bool>")]
    pub(super) resolve: Option<Spanned<bool>>,
    /// With `for` or `resolve`: each value of these columns has an alert of its own; all rows have one if not given.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) by: Option<Spanned<Vec<Spanned<String>>>>,
    /// With `for`: a row that is dated so far ahead of this machine's clock changes nothing; `10m` if not given.
    #[schemars(with = "Option<String>")]
    pub(super) max_future: Option<Spanned<Milliseconds>>,
}

impl BranchSection {
    /// Its keys.
    pub const KEYS: [&'static str; 8] = ["name", "where", "after", "columns", "for", "resolve", "by", "max_future"];

    /// Whether it takes the rows only with which a condition begins or ends to be true.
    pub fn is_alert(&self) -> bool {
        self.r#for.is_some() || self.resolve.is_some()
    }

    /// Refuses an alert without a condition, and options of an alert where there is none.
    pub fn check_alert(&self) -> Result<(), SpannedError> {
        let BranchSection { r#where, r#for, resolve, by, max_future, .. } = self;
        let is_alert = r#for.as_ref().map(Spanned::span).or(resolve.as_ref().map(Spanned::span));
        if let (Some(at), None) = (&is_alert, r#where) {
            return Err(Wrong::AlertWithoutWhere.at(at.clone()));
        }
        match (by, max_future) {
            (Some(by), _) if is_alert.is_none() => Err(Wrong::OptionOfAlert("by").at(by.span())),
            (Some(by), _) if by.get_ref().is_empty() => Err(Wrong::NoColumns.at(by.span())),
            (_, Some(most)) if is_alert.is_none() => Err(Wrong::OptionOfAlert("max_future").at(most.span())),
            (_, Some(most)) if r#for.is_none() => Err(Wrong::FutureWithoutHold.at(most.span())),
            _ => Ok(()),
        }
    }
}

impl SinkPlan {
    /// What it is called: its name, or its address.
    pub fn shown(&self) -> String {
        self.branch.name.as_ref().map_or_else(|| self.settings.url.to_string(), |name| name.get_ref().clone())
    }

    /// What it is to a run, in words.
    pub fn role(&self) -> String {
        self.branch.name.as_ref().map_or_else(|| "the sink".into(), |name| format!("the sink {}", name.get_ref()))
    }

    /// Whether it has a name of its own.
    pub fn is_named(&self) -> bool {
        self.branch.name.is_some()
    }

    /// Whether it takes the rows only with which a condition begins or ends to be true.
    pub fn is_alert(&self) -> bool {
        self.branch.is_alert()
    }

    /// The file that a checkpoint knows the end of: one of lines, which all processes share.
    pub fn checkpointed_file(&self) -> Option<String> {
        let SinkSettings { url, parts, .. } = &self.settings;
        match url {
            SinkUrl::Ndjson(path) | SinkUrl::Csv(path) if !parts => Some(path.display().to_string()),
            _ => None,
        }
    }

    /// What it takes of the chain, in words; nothing if it is all that is at its end.
    pub fn taken(&self) -> String {
        let BranchSection { r#where, columns, r#for, by, resolve, .. } = &self.branch;
        let rows = r#where.as_ref().map(|text| format!("where {}", text.get_ref()));
        let length = r#for.as_ref().map(|length| format!("for {}", format_duration(length.get_ref().duration())));
        let ends = resolve.as_ref().filter(|resolve| *resolve.get_ref()).map(|_| "resolve".to_owned());
        let named = |word: &str, names: &Spanned<Vec<Spanned<String>>>| {
            let names: Vec<&str> = names.get_ref().iter().map(|name| name.get_ref().as_str()).collect();
            format!("{word} {}", names.join(", "))
        };
        let keys = by.as_ref().map(|by| named("by", by));
        let columns = columns.as_ref().map(|columns| named("columns", columns));
        let parts = [rows, length, keys, ends, columns].into_iter().flatten();
        parts.map(|part| format!(", {part}")).collect()
    }
}
