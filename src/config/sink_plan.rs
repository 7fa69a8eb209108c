//! A sink as the file describes it, before its columns are looked up in a schema.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

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
}

impl BranchSection {
    /// Its keys.
    pub const KEYS: [&'static str; 4] = ["name", "where", "after", "columns"];
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
        let BranchSection { r#where, columns, .. } = &self.branch;
        let rows = r#where.as_ref().map(|text| format!("where {}", text.get_ref()));
        let columns = columns.as_ref().map(|columns| {
            let names: Vec<&str> = columns.get_ref().iter().map(|name| name.get_ref().as_str()).collect();
            format!("columns {}", names.join(", "))
        });
        rows.into_iter().chain(columns).map(|part| format!(", {part}")).collect()
    }
}
