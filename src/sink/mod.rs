//! Where results and dead letters go.

mod claimed_file;
mod custom;
mod dead_letter;
mod deadline;
mod error;
mod existing;
mod kind;
mod line_file;
mod lines;
mod mqtt;
mod parquet;
mod progress;
mod row_log;
mod settings;
mod tail;
mod unfinished;
mod url;

pub use custom::{CsvLines, CustomSink, JsonLines, OpenSink, ResultInput, SinkConfig, SinkEntry, Sinks};
pub use dead_letter::{DeadLetter, DeadLetters};
pub use deadline::Deadline;
pub use error::Error;
pub use existing::{Existing, FileEnd};
pub use kind::{RefusedLine, Sink};
pub use mqtt::{LinePosition, Publisher};
pub use progress::SinkProgress;
pub use settings::{SinkSettings, replace};
pub use tail::Tail;
pub use url::{SinkUrl, part};
