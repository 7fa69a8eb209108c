//! Rows from a file or from standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use super::byte_budget::ByteBudget;
use super::source_output::buffer_until_closed;
use crate::data::{Format, Header, Layout, Origin, Row, Schema};
use crate::format::{FileKind, FileRecords, Framing, Inference, weatherlink};
use crate::measure::Clock;
use crate::source::{BucketBuffer, Error, MAX_WAITING, SourceOutput, SourceSettings};

const READ_BUFFER: usize = 1 << 20;

fn open(path: &Path) -> Result<BufReader<File>, Error> {
    let file = File::open(path).map_err(|error| file_error(path, error))?;
    Ok(BufReader::with_capacity(READ_BUFFER, file))
}

fn file_error(path: &Path, error: io::Error) -> Error {
    Error::File { path: path.display().to_string(), error }
}

/// Reads a whole file. Its rows do not arrive over time, so only a full bucket or the end closes a bucket.
pub fn read(
    path: &Path,
    kind: FileKind,
    settings: &SourceSettings,
    mut buffer: BucketBuffer,
    clock: Clock,
    output: &SourceOutput,
) -> Result<(), Error> {
    let max_line = settings.framing.max_payload;
    let day_first = kind == FileKind::WeatherLink && has_day_first(path, max_line)?;
    let records = FileRecords::new(open(path)?, kind, day_first, &settings.framing);
    let records = records.map_err(|error| file_error(path, error))?;
    let topic: Arc<str> = path.display().to_string().into();
    let mut arrivals = 0;
    each_row(records, |row, position| {
        let arrived = clock.now();
        arrivals += 1;
        match buffer.push(row, arrived, Origin { topic: topic.clone(), position }, clock) {
            Some(bucket) => output.send(bucket) && !output.stop.is_set() && !buffer.is_done(),
            None => !buffer.is_done(),
        }
    })
    .map_err(|error| file_error(path, error))?;
    if arrivals == 0 {
        tracing::warn!("{topic} holds no rows");
    }
    buffer.close(clock).map(|bucket| output.send(bucket));
    Ok(())
}

/// Calls `f` with each row and its line until it returns false.
fn each_row<R: BufRead>(mut records: FileRecords<R>, mut f: impl FnMut(Row<'_>, u64) -> bool) -> io::Result<()> {
    while let Some((row, position)) = records.next_row()? {
        if !f(row, position) {
            break;
        }
    }
    Ok(())
}

/// Whether some date of a WeatherLink export can only be read with the day first.
fn has_day_first(path: &Path, max_line: usize) -> Result<bool, Error> {
    let mut reader = open(path)?;
    let mut line = Vec::new();
    let mut found = false;
    loop {
        line.clear();
        let read = io::Read::take(&mut reader, max_line as u64).read_until(b'\n', &mut line);
        if read.map_err(|error| file_error(path, error))? == 0 {
            return Ok(found);
        }
        let date = line.split(|byte| *byte == b'\t').next().unwrap_or_default();
        found |= weatherlink::is_day_first(String::from_utf8_lossy(date).trim());
    }
}

/// The schema of all rows of a file.
pub fn infer(path: &Path, kind: FileKind, framing: &Framing) -> Result<Schema, Error> {
    let mut inference = Inference::default();
    let mut scan = || -> io::Result<()> {
        let file = BufReader::with_capacity(READ_BUFFER, File::open(path)?);
        let mut records = FileRecords::new(file, kind, false, &framing.without_columns())?;
        if let Some(header) = records.header() {
            inference.observe_header(header.names, records.format());
        }
        while let Some((row, _)) = records.next_row()? {
            inference.observe(row);
        }
        Ok(())
    };
    scan().map_err(|error| file_error(path, error))?;
    Ok(inference.schema())
}

/// Whether a path can be read only once, such as a FIFO: its rows arrive over time, as those of standard input.
pub fn is_stream(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// An input that is read once, from beginning to end.
pub struct StreamInput {
    /// Its name in errors and in the rows' origins.
    shown: String,
    topic: Arc<str>,
    /// Detected from its first bytes if not given.
    kind: Option<FileKind>,
    open: Box<dyn FnOnce() -> io::Result<Box<dyn Read>> + Send>,
}

impl StreamInput {
    pub fn stdin() -> StreamInput {
        let open = || -> io::Result<Box<dyn Read>> { Ok(Box::new(io::stdin())) };
        StreamInput { shown: "standard input".into(), topic: "-".into(), kind: None, open: Box::new(open) }
    }

    pub fn file(path: &Path, kind: FileKind) -> StreamInput {
        let (shown, path) = (path.display().to_string(), path.to_owned());
        let open = move || -> io::Result<Box<dyn Read>> { Ok(Box::new(File::open(path)?)) };
        StreamInput { topic: shown.as_str().into(), shown, kind: Some(kind), open: Box::new(open) }
    }
}

/// Reads a stream. Its rows arrive over time, so `delay` closes buckets, too.
pub fn read_stream(
    stream: StreamInput,
    settings: SourceSettings,
    mut buffer: BucketBuffer,
    clock: Clock,
    output: &SourceOutput,
) -> Result<(), Error> {
    let path = &stream.shown.clone();
    let (sender, lines) = crossbeam_channel::bounded::<Result<FileLine, io::Error>>(1024);
    let room = Arc::new(ByteBudget::new(MAX_WAITING));
    let taken = ClosingQueue(room.clone());
    // A blocking read can't be interrupted: the process ends without this thread.
    std::thread::spawn(move || {
        if let Err(error) = read_lines(stream, &settings, clock, &room, &sender) {
            let _ = sender.send(Err(error));
        }
    });
    buffer_until_closed(&lines, false, &mut buffer, clock, output, |buffer, line, filled| {
        let line = line.map_err(|error| Error::File { path: path.clone(), error })?;
        taken.0.leave(line.bytes.len());
        let origin = Origin { topic: line.topic, position: line.position };
        let header = line.header.as_ref().map(|(names, number)| Header { names, line: *number });
        let row = Row { bytes: &line.bytes, format: line.format, header };
        filled.extend(buffer.push(row, line.arrived, origin, clock));
        Ok(())
    })
}

/// The byte budget of waiting lines, closed on drop: the receiver is gone.
struct ClosingQueue(Arc<ByteBudget>);

impl Drop for ClosingQueue {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct FileLine {
    bytes: Vec<u8>,
    format: Format,
    header: Option<(Arc<[u8]>, Option<u64>)>,
    topic: Arc<str>,
    position: u64,
    arrived: u64,
}

fn read_lines(
    stream: StreamInput,
    settings: &SourceSettings,
    clock: Clock,
    room: &ByteBudget,
    sender: &crossbeam_channel::Sender<Result<FileLine, io::Error>>,
) -> io::Result<()> {
    let reader = BufReader::with_capacity(READ_BUFFER, (stream.open)()?);
    let records = match stream.kind {
        Some(kind) => FileRecords::new(reader, kind, false, &settings.framing)?,
        None => FileRecords::sniffed(reader, false, &settings.framing)?,
    };
    let header = records.header().map(|header| (Arc::from(header.names), header.line));
    let topic = stream.topic;
    each_row(records, |row, position| {
        let line = FileLine {
            bytes: row.bytes.to_vec(),
            format: day_first(row),
            header: header.clone(),
            topic: topic.clone(),
            position,
            arrived: clock.now(),
        };
        room.enter(line.bytes.len()) && sender.send(Ok(line)).is_ok()
    })
}

/// A stream can't be scanned beforehand: each row decides by itself whether its dates have the day first.
fn day_first(row: Row<'_>) -> Format {
    match row.format {
        Format::WeatherLink(layout) => {
            let date = row.bytes.split(|byte| *byte == b'\t').next().unwrap_or_default();
            let day_first = weatherlink::is_day_first(String::from_utf8_lossy(date).trim());
            Format::WeatherLink(Layout { day_first, ..layout })
        }
        format => format,
    }
}
