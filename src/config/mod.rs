//! The dataflow file in TOML: read, checked and described. Nothing here runs.
//!
//! - `parse/`: from text to a [`Dataflow`]; `document`, `overrides`: the text, and the command line's values over it.
//! - `model`, `source_plan`, `table`, `sink_plan`: a dataflow, its sources, tables and sinks, checked, before their columns are looked up in a
//!   schema; `branch`: what a sink takes of the chain, looked up.
//! - `error`, `diagnostic`: the broken rule, and its place in the text.
//! - `sources`: the connections of all sources, and whether their columns agree.
//! - `feedback`, `files`: conflicts of a dataflow with itself, at a broker and in its files.
//! - `late_labels`: tables in which a model may say something of the row of a label alone.
//! - `parsed_settings`: settings by key, for comparison with a checkpoint; `fitted`: the file of fitted params;
//!   `params_files`: such files as they were read at one time; `model_file`: that of one step.
//! - `presented`: what of its results is worth a chart.
//! - `json_schema`, `reference`: what a file can say, for programs and for people.
//!
//! Never here: threads, connections, timely, or the command line's own arguments.

mod branch;
mod diagnostic;
mod document;
mod error;
mod feedback;
mod files;
mod fitted;
mod json_schema;
mod late_labels;
mod model;
mod model_file;
mod overrides;
mod params_files;
mod parse;
mod parsed_settings;
mod presented;
mod reference;
mod sink_plan;
mod source_plan;
mod sources;
mod table;

pub use branch::Branch;
pub use diagnostic::Diagnostic;
pub use fitted::{Fitted, FittedStep};
pub use json_schema::json_schema;
pub use model::{Dataflow, NamedFile, WEATHER};
pub use overrides::{Override, check_key};
pub use params_files::{ParamsFiles, read_params, sha256};
pub use parse::sections::{MOST_WORKERS, Placement, SchemaChoice, parse_duration};
pub use parsed_settings::{ParsedSettings, UnchangedSettings};
pub use presented::{Presented, PresentedTable};
pub use reference::reference;
pub use sink_plan::SinkPlan;
pub use source_plan::SourcePlan;
pub use table::{TableOf, TablePlan};
