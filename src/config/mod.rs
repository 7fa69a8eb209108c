//! The dataflow file: a chain of subtasks with source and sink, in TOML. Here it is read and checked; nothing here runs.

mod diagnostic;
mod document;
mod error;
mod feedback;
mod files;
mod fitted;
mod json_schema;
mod model;
mod nearest;
mod overrides;
mod parse;
mod parsed_settings;
mod reference;
mod table;

pub use diagnostic::Diagnostic;
pub use fitted::{Fitted, FittedStep};
pub use json_schema::json_schema;
pub use model::{Dataflow, NamedFile, WEATHER};
pub use overrides::Override;
pub use parse::sections::{MOST_WORKERS, Placement, SchemaChoice, parse_duration};
pub use parsed_settings::{ParsedSettings, UnchangedSettings};
pub use reference::reference;
pub use table::{TableOf, TablePlan};
