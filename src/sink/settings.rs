//! A sink as a dataflow file describes it, and how it is opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::custom::CustomSink;
use super::deadline::Deadline;
use super::error::Error;
use super::existing::Existing;
use super::kind::{LastTransaction, TypedSink};
use super::mqtt::SinkTopic;
use super::opening::{Opening, RowsOrigin};
use super::tail::{self, Tail};
use super::url::{self, SinkUrl};
use super::{claimed_file, line_file, lines, mqtt, parquet, row_log, unfinished};
use crate::data::Schema;
use crate::disk::{Disk, SharedDisk};
use crate::format::{Encoding, Infinity};
use crate::mqtt::Endpoint;

/// A sink as a dataflow file describes it.
#[derive(Clone, Debug)]
pub struct SinkSettings {
    /// Where it goes.
    pub url: SinkUrl,
    /// One file per process instead of one file in the order of epochs.
    pub parts: bool,
    /// Whether publishes carry message and row as MQTT 5 user properties, too.
    pub properties: bool,
    /// How lines write infinite numbers.
    pub infinity: Infinity,
    /// Whether a file that can't be read before it is closed logs its rows beside it until then.
    pub logged: bool,
    /// The broker, where it goes to one.
    pub endpoint: Option<Endpoint>,
    /// The topic of each row, where that of the address has columns.
    pub topic: Option<SinkTopic>,
    /// The sink of the registry, if it is one.
    pub custom: Option<CustomSink>,
    /// Whose results it gets.
    pub origin: RowsOrigin,
    /// How long the first connection may take; unlimited if not given.
    pub connect_timeout: Option<Duration>,
    /// The disk of its files.
    pub disk: SharedDisk,
}

impl SinkSettings {
    /// A sink at an address, with the defaults of a dataflow file.
    pub fn at(url: SinkUrl) -> SinkSettings {
        SinkSettings {
            url,
            parts: false,
            properties: false,
            infinity: Infinity::default(),
            logged: false,
            endpoint: None,
            topic: None,
            custom: None,
            origin: RowsOrigin::default(),
            connect_timeout: None,
            disk: crate::disk::os_disk(),
        }
    }

    /// Whether it may refuse a line after it was written.
    pub fn may_refuse(&self) -> bool {
        self.endpoint.is_some() || self.custom.as_ref().is_some_and(CustomSink::may_refuse)
    }

    /// The broker, as process `process` is known to it: two clients with one id would take the connection from each
    /// other.
    pub fn endpoint_of(&self, process: usize) -> Option<Endpoint> {
        let endpoint = self.endpoint.clone()?;
        let client_id = endpoint.client_id.map(|id| if process > 0 { format!("{id}.{process}") } else { id });
        Some(Endpoint { client_id, ..endpoint })
    }

    /// Whether it takes results in transactions, with the run's progress in each.
    pub fn is_transactional(&self) -> bool {
        self.custom.as_ref().is_some_and(CustomSink::is_transactional)
    }

    /// Whether results stay there that no checkpoint covers.
    pub fn stays(&self) -> bool {
        self.endpoint.is_some()
    }

    /// The encoding that the sink takes.
    pub fn encoding(&self) -> Encoding {
        match &self.url {
            SinkUrl::Parquet(_) => Encoding::Columns,
            SinkUrl::Csv(_) => Encoding::Csv,
            SinkUrl::Custom(_) => self.custom.as_ref().map_or(Encoding::JsonLines, CustomSink::encoding),
            _ => Encoding::JsonLines,
        }
    }

    /// The checkpoint of the dataflow of this name; `None` for a sink that has none. With `remembers`, there are
    /// keyed states to store, too.
    pub fn checkpoint(&self, name: &str, remembers: bool) -> Option<PathBuf> {
        match &self.url {
            SinkUrl::Ndjson(path) | SinkUrl::Csv(path) if !self.parts => Some(path.with_added_extension("checkpoint")),
            SinkUrl::Mqtt(_) | SinkUrl::Custom(_) => Some(format!("{name}.checkpoint").into()),
            SinkUrl::Null if remembers => Some(format!("{name}.checkpoint").into()),
            _ => None,
        }
    }

    /// What the sink's last transaction has left; a `fresh` run forgets it.
    ///
    /// # Errors
    /// If the sink can't be asked.
    pub fn committed(&self, fresh: bool, deadline: &Deadline) -> Result<Option<LastTransaction>, Error> {
        let custom = self.custom.as_ref();
        custom.map_or(Ok(None), |custom| custom.committed(&self.opening(Existing::Append, deadline), fresh))
    }

    fn opening(&self, existing: Existing, deadline: &Deadline) -> Opening {
        let (origin, connect_timeout) = (self.origin.clone(), self.connect_timeout);
        Opening { origin, existing, connect_timeout, deadline: deadline.clone() }
    }

    /// Refuses a file that holds anything but the header of a CSV file.
    ///
    /// # Errors
    /// If it does.
    pub fn check_empty(&self) -> Result<(), Error> {
        match &self.url {
            SinkUrl::Csv(path) if claimed_file::holds_lines(&*self.disk, path) => Err(Error::holds_results(path)),
            SinkUrl::Ndjson(path) | SinkUrl::Parquet(path)
                if self.disk.length(path).is_ok_and(|found| found.is_some_and(|length| length > 0)) =>
            {
                Err(Error::holds_results(path))
            }
            _ => Ok(()),
        }
    }

    /// The whole lines of a sink of one file behind its first `start` bytes.
    ///
    /// # Errors
    /// Lines that no run has written.
    pub fn tail(&self, start: u64) -> Result<Tail, Error> {
        let (path, csv) = match &self.url {
            SinkUrl::Ndjson(path) => (path, false),
            SinkUrl::Csv(path) => (path, true),
            _ => return Ok(Tail { end: start, ..Tail::default() }),
        };
        tail::read(&*self.disk, path, start, csv)
            .map_err(|error| Error::File { path: path.display().to_string(), error })
    }

    /// A hash of the last kilobyte before `length` of a sink of one file.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn fingerprint(&self, length: u64) -> Result<u64, Error> {
        let Some(path) = self.file(0) else { return Ok(0) };
        let fingerprint = self.disk.open(&path).and_then(|file| claimed_file::fingerprint(&*file, length));
        fingerprint.map_err(|error| Error::File { path: path.display().to_string(), error })
    }

    /// The next message and row behind those that interrupted runs of so many processes have left in logs; 0 without
    /// logs.
    ///
    /// # Errors
    /// A log that can't be read.
    pub fn logged_end(&self, processes: usize) -> Result<(u64, u64), Error> {
        let (mut next_epoch, mut next_row) = (0, 0);
        let SinkUrl::Parquet(_) = &self.url else { return Ok((0, 0)) };
        let paths = (0..if self.parts { processes } else { 1 }).filter_map(|process| self.file(process));
        for path in paths {
            let read = row_log::is_there(&*self.disk, &path).and_then(|is_there| {
                if !is_there {
                    return Ok(());
                }
                let read = row_log::read(&*self.disk, &path, |_, message| {
                    next_epoch = next_epoch.max(message.epoch + 1);
                    next_row = message.ids.iter().fold(next_row, |next, id| next.max(id + 1));
                    Ok(true)
                });
                read.map(drop)
            });
            read.map_err(|error| Error::File { path: row_log::path_of(&path).display().to_string(), error })?;
        }
        Ok((next_epoch, next_row))
    }

    /// Cuts off what interrupted runs have left in the log from a message on: its rows come again.
    ///
    /// # Errors
    /// A log that can't be changed.
    pub fn cut_log(&self, from: u64) -> Result<(), Error> {
        let SinkUrl::Parquet(path) = &self.url else { return Ok(()) };
        let cut = row_log::cut(&*self.disk, path, from);
        cut.map_err(|error| Error::File { path: row_log::path_of(path).display().to_string(), error })
    }

    /// The file that process `process` writes, if the sink is a file.
    pub fn file(&self, process: usize) -> Option<PathBuf> {
        match &self.url {
            SinkUrl::Ndjson(path) | SinkUrl::Csv(path) | SinkUrl::Parquet(path) if self.parts => {
                Some(url::part(path, process))
            }
            SinkUrl::Ndjson(path) | SinkUrl::Csv(path) | SinkUrl::Parquet(path) => Some(path.clone()),
            SinkUrl::Mqtt(_) | SinkUrl::Stdout | SinkUrl::Null | SinkUrl::Custom(_) => None,
        }
    }

    /// The same sink with a temporary file beside its own, which replaces that when it is complete; `None` if it is no
    /// regular file.
    pub fn aside(&self) -> (SinkSettings, Option<(PathBuf, PathBuf)>) {
        let mut aside = self.clone();
        let file = match &mut aside.url {
            SinkUrl::Ndjson(path) | SinkUrl::Csv(path) | SinkUrl::Parquet(path) => path,
            SinkUrl::Mqtt(_) | SinkUrl::Stdout | SinkUrl::Null | SinkUrl::Custom(_) => return (aside, None),
        };
        // The target of a link.
        let path = std::fs::canonicalize(&*file).unwrap_or_else(|_| file.clone());
        if std::fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            return (aside, None);
        }
        *file = path.with_added_extension("new");
        let made = file.clone();
        (aside, Some((made, path)))
    }

    /// The run has ended without an error: what process `process` has written stays.
    ///
    /// # Errors
    /// A mark that can't be removed.
    pub fn finished(&self, process: usize) -> Result<(), Error> {
        let Some(path) = self.file(process) else { return Ok(()) };
        unfinished::finished(&path).map_err(|error| Error::File { path: path.display().to_string(), error })
    }

    /// Opens the sink; with `parts`, the file of process `process`. The deadline ends waits for a broker.
    pub fn open(
        &self,
        schema: &Schema,
        process: usize,
        existing: Existing,
        deadline: &Deadline,
    ) -> Result<TypedSink, Error> {
        let file = || self.file(process).expect("the sink is a file");
        let lines = |header: &[u8]| line_file::LineFile::open(&self.disk, &file(), header, existing);
        Ok(match &self.url {
            SinkUrl::Custom(_) => {
                let custom = self.custom.as_ref().expect("a sink of the registry has been built");
                custom.open(schema, &self.opening(existing, deadline))?
            }
            SinkUrl::Null => TypedSink::Lines(Box::new(lines::NullSink)),
            SinkUrl::Stdout => TypedSink::Lines(Box::new(lines::LineSink::stdout())),
            SinkUrl::Ndjson(_) => TypedSink::Lines(Box::new(lines(b"")?)),
            SinkUrl::Csv(_) => TypedSink::Lines(Box::new(lines(&crate::format::Encoder::csv_header(schema))?)),
            SinkUrl::Parquet(_) => {
                let parquet = parquet::Parquet::create(&self.disk, &file(), schema, existing, self.logged)?;
                TypedSink::Columns(Box::new(parquet))
            }
            SinkUrl::Mqtt(_) => {
                if let Some(column) = self.topic.as_ref().and_then(|topic| topic.no_text(schema)) {
                    return Err(Error::TopicColumn { url: self.url.to_string(), column: column.to_owned() });
                }
                let endpoint = self.endpoint_of(process).expect("an MQTT sink has an endpoint");
                let publisher = mqtt::Publisher::start(endpoint, self.connect_timeout, deadline.clone())?;
                let publisher = publisher.with_topic(self.topic.clone());
                TypedSink::Lines(Box::new(if self.properties { publisher.with_properties()? } else { publisher }))
            }
        })
    }
}

/// Replaces a file by a temporary one that is complete now.
///
/// # Errors
/// A file that can't be moved.
pub fn replace(disk: &dyn Disk, aside: &Path, path: &Path) -> Result<(), Error> {
    let replaced = disk.rename(aside, path).and_then(|()| disk.sync_directory_of(path));
    replaced.map_err(|error| Error::File { path: path.display().to_string(), error })
}
