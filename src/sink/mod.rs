//! Where results and dead letters go.

mod dead_letter;
mod lines;
mod mqtt;
mod parquet;
mod url;

use std::time::Duration;

pub use dead_letter::{DeadLetter, DeadLetters};
pub use url::Url;

use crate::data::Schema;
use crate::mqtt::Endpoint;
use crate::subtasks::result::{Encoding, Output};

/// A sink as a dataflow file describes it.
#[derive(Clone, Debug)]
pub struct Settings {
    pub url: Url,
    /// One file a process instead of one file in the order of epochs.
    pub parts: bool,
    pub endpoint: Option<Endpoint>,
    pub connect_timeout: Option<Duration>,
}

/// Why a sink could not write.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {error}")]
    File { path: String, error: std::io::Error },
    #[error("{0}")]
    Broker(String),
    /// Whoever read our output has gone: not an error of the run.
    #[error("the reader of standard output has gone")]
    BrokenPipe,
}

/// Takes encoded messages in the order of epochs.
pub trait Sink {
    /// # Errors
    /// When nothing more can be written.
    fn write(&mut self, output: Output) -> Result<(), Error>;

    /// Makes what was written visible.
    fn flush(&mut self) -> Result<(), Error>;

    /// Flushes, and waits until what was written would outlive this machine, as far as the sink can promise it.
    fn sync(&mut self) -> Result<(), Error> {
        self.flush()
    }

    /// Ends the sink. Without it a file may lack its end.
    fn close(self: Box<Self>) -> Result<(), Error>;
}

impl Settings {
    /// What the sink takes.
    pub fn encoding(&self) -> Encoding {
        match &self.url {
            Url::Parquet(_) => Encoding::Columns,
            Url::Csv(_) => Encoding::Csv,
            _ => Encoding::JsonLines,
        }
    }

    /// Opens the sink; with `parts`, the file of process `process`.
    pub fn open(&self, schema: &Schema, process: usize) -> Result<Box<dyn Sink>, Error> {
        let path = |path: &std::path::Path| if self.parts { url::part(path, process) } else { path.to_owned() };
        Ok(match &self.url {
            Url::Null => Box::new(lines::Null),
            Url::Stdout => Box::new(lines::Lines::stdout()),
            Url::Ndjson(file) => Box::new(lines::Lines::create(&path(file), b"")?),
            Url::Csv(file) => {
                Box::new(lines::Lines::create(&path(file), &crate::subtasks::result::Encoder::csv_header(schema))?)
            }
            Url::Parquet(file) => Box::new(parquet::Parquet::create(&path(file), schema)?),
            Url::Mqtt(_) => {
                let endpoint = self.endpoint.clone().expect("an MQTT sink has an endpoint");
                Box::new(mqtt::Publisher::start(endpoint, self.connect_timeout)?)
            }
        })
    }
}

pub use mqtt::Publisher;
