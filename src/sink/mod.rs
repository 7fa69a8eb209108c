//! Where results and dead letters go.

mod dead_letter;
mod deadline;
mod lines;
mod mqtt;
mod parquet;
mod url;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use dead_letter::{DeadLetter, DeadLetters};
pub use deadline::Deadline;
pub use url::{Url, part};

use crate::data::Schema;
use crate::disk::SharedDisk;
use crate::mqtt::Endpoint;
use crate::subtasks::result::{Encoding, Infinity, Output};

/// A sink as a dataflow file describes it.
#[derive(Clone, Debug)]
pub struct Settings {
    pub url: Url,
    /// One file a process instead of one file in the order of epochs.
    pub parts: bool,
    /// Whether publishes carry message and row as MQTT 5 user properties, too.
    pub properties: bool,
    /// How lines say what is infinite.
    pub infinity: Infinity,
    pub endpoint: Option<Endpoint>,
    pub connect_timeout: Option<Duration>,
    /// Where its files are.
    pub disk: SharedDisk,
}

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    Replace,
    /// Refuse it if it holds anything.
    Refuse,
    /// Write behind all that it holds.
    Append,
    /// Write behind its first bytes; the rest goes.
    Resume(u64),
}

/// Why a sink could not write.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {error}")]
    File { path: String, error: std::io::Error },
    #[error("{0}")]
    Broker(String),
    /// The deadline was over.
    #[error("{url}: the broker has not taken {left} publishes in time")]
    Undelivered { url: String, left: u64 },
    /// Whoever read our output has gone: not an error of the run.
    #[error("the reader of standard output has gone")]
    BrokenPipe,
}

/// A line that a sink does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub line: Vec<u8>,
    /// By how many bytes it is too long; `None` where that is not known.
    pub excess: Option<usize>,
    pub reason: String,
}

/// How far the other side of a sink has come, for whoever looks from another thread.
#[derive(Debug, Default)]
pub struct Pulse {
    missing: AtomicU64,
    moves: AtomicU64,
}

impl Pulse {
    /// So many lines are on their way.
    pub fn owe(&self, lines: u64) {
        self.missing.store(lines, Ordering::Relaxed);
    }

    /// The other side has taken something.
    pub fn beat(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// Lines that the other side has not taken.
    pub fn missing(&self) -> u64 {
        self.missing.load(Ordering::Relaxed)
    }

    /// Changes whenever the other side takes something.
    pub fn moves(&self) -> u64 {
        self.moves.load(Ordering::Relaxed)
    }
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

    /// Waits until each line that was written has been taken or refused.
    fn settle(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Lines that will never be taken, since they were last asked for.
    fn refused(&mut self) -> Vec<Refused> {
        Vec::new()
    }

    /// The message of the first line that is neither taken nor refused; `None` if there is none.
    fn waits_from(&self) -> Option<u64> {
        None
    }

    /// Bytes of the file so far; 0 where there is no file of lines.
    fn length(&self) -> u64 {
        0
    }

    /// What its other side has taken, where that may take time.
    fn pulse(&self) -> Option<Arc<Pulse>> {
        None
    }

    /// Ends the sink. Without it a file may lack its end.
    fn close(self: Box<Self>) -> Result<(), Error>;
}

impl Settings {
    /// Whether it may refuse a line after it was written.
    pub fn may_refuse(&self) -> bool {
        self.endpoint.is_some()
    }

    /// What the sink takes.
    pub fn encoding(&self) -> Encoding {
        match &self.url {
            Url::Parquet(_) => Encoding::Columns,
            Url::Csv(_) => Encoding::Csv,
            _ => Encoding::JsonLines,
        }
    }

    /// The file that tells how much of the results is finished, for the dataflow of this name; `None` where that can't
    /// be told. With `remembers`, there is more to tell than that.
    pub fn checkpoint(&self, name: &str, remembers: bool) -> Option<PathBuf> {
        match &self.url {
            Url::Ndjson(path) | Url::Csv(path) if !self.parts => Some(path.with_added_extension("checkpoint")),
            Url::Mqtt(_) => Some(format!("{name}.checkpoint").into()),
            Url::Null if remembers => Some(format!("{name}.checkpoint").into()),
            _ => None,
        }
    }

    /// Refuses a file that must not be replaced.
    ///
    /// # Errors
    /// If it is there and holds anything.
    pub fn check(&self, existing: Existing) -> Result<(), Error> {
        match &self.url {
            Url::Ndjson(path) | Url::Csv(path) | Url::Parquet(path) => self.refuse_results(path, existing),
            _ => Ok(()),
        }
    }

    /// Opens the sink; with `parts`, the file of process `process`. Waits for a broker end with the deadline.
    pub fn open(
        &self,
        schema: &Schema,
        process: usize,
        existing: Existing,
        deadline: &Deadline,
    ) -> Result<Box<dyn Sink>, Error> {
        let path = |path: &Path| if self.parts { url::part(path, process) } else { path.to_owned() };
        let lines = |file: &Path, header: &[u8]| self.lines(&path(file), header, existing);
        Ok(match &self.url {
            Url::Null => Box::new(lines::Null),
            Url::Stdout => Box::new(lines::Lines::stdout()),
            Url::Ndjson(file) => lines(file, b"")?,
            Url::Csv(file) => lines(file, &crate::subtasks::result::Encoder::csv_header(schema))?,
            Url::Parquet(file) => {
                self.refuse_results(&path(file), existing)?;
                Box::new(parquet::Parquet::create(&path(file), schema)?)
            }
            Url::Mqtt(_) => {
                let endpoint = self.endpoint.clone().expect("an MQTT sink has an endpoint");
                let publisher = mqtt::Publisher::start(endpoint, self.connect_timeout, deadline.clone())?;
                Box::new(if self.properties { publisher.with_properties() } else { publisher })
            }
        })
    }

    fn lines(&self, path: &Path, header: &[u8], existing: Existing) -> Result<Box<dyn Sink>, Error> {
        self.refuse_results(path, existing)?;
        let (disk, found) = (&*self.disk, self.found(path));
        Ok(Box::new(match existing {
            Existing::Resume(length) => lines::Lines::resume(disk, path, header, length)?,
            Existing::Append if found > 0 => lines::Lines::append(disk, path, header)?,
            _ => lines::Lines::create(disk, path, header)?,
        }))
    }

    fn refuse_results(&self, path: &Path, existing: Existing) -> Result<(), Error> {
        if existing != Existing::Refuse || self.found(path) == 0 {
            return Ok(());
        }
        let reason = "holds results whose rows will not come again: move it away, or pass --fresh to replace it";
        Err(Error::File { path: path.display().to_string(), error: std::io::Error::other(reason) })
    }

    /// Bytes of a file that may not be there.
    fn found(&self, path: &Path) -> u64 {
        self.disk.length(path).ok().flatten().unwrap_or(0)
    }
}

pub use mqtt::{Place, Publisher};
