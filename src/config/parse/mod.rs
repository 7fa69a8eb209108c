//! From the text of a dataflow file to a checked dataflow.
//!
//! - `file`: reads the sections into a dataflow and checks it as a whole; `overlay`: puts overrides in.
//! - `sections`, `listed_column`: the sections as serde reads them, whose doc comments are the JSON schema's.
//! - `schema`, `source`, `sink`, `subtasks`, `table`, `time`: from a section to the settings of the model; `custom`: of the registry.
//! - `sparkplug`: whether all messages come that Sparkplug B needs.
//! - `topic`: the filters of a source, and what the levels of topics are.
//!
//! Never here: a rule without the span that it points at, unless it is about the file as a whole.

mod custom;
pub(crate) mod file;
mod listed_column;
mod overlay;
mod schema;
pub(crate) mod sections;
pub(crate) mod sink;
mod source;
mod sparkplug;
mod subtasks;
pub(crate) mod table;
mod time;
mod topic;
