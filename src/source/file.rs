//! Rows from a file or from standard input.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use super::byte_budget::ByteBudget;
use super::file_position::FilePosition;
use super::source_output::buffer_until_closed;
use crate::data::cell::DecimalMark;
use crate::data::{DateOrder, Format, Header, Origin, Row};
use crate::format::{
    Compression, CsvOptions, DecimalSearch, FileKind, FileRecord, FileRecords, Framing, Inference, Inferred, MOST_ROWS,
    NumberCells, cells_of, csv, each_payload_row,
};
use crate::measure::Clock;
use crate::source::{BucketBuffer, Error, MAX_WAITING, SourceOutput, SourceSettings};

const READ_BUFFER: usize = 1 << 20;

/// A reader's buffer over the bytes of a file, unpacked.
type FileReader = BufReader<Box<dyn Read>>;

fn open(path: &Path, compression: Compression) -> Result<FileReader, Error> {
    let file = File::open(path).and_then(|file| compression.open(file)).map_err(|error| file_error(path, error))?;
    Ok(BufReader::with_capacity(READ_BUFFER, file))
}

fn file_error(path: &Path, error: io::Error) -> Error {
    Error::File { path: path.display().to_string(), error }
}

/// Reads a whole file, but for the rows that an earlier run has taken where there is a `position`. Its rows do not arrive
/// over time, so only a full bucket or the end closes a bucket.
pub fn read(
    path: &Path,
    kind: FileKind,
    settings: &SourceSettings,
    position: Option<&FilePosition>,
    mut buffer: BucketBuffer,
    clock: Clock,
    output: &SourceOutput,
) -> Result<(), Error> {
    let kind = FileKind::of_format(settings.framing.format).unwrap_or(kind);
    let framing = &with_decimal_of(path, kind, &settings.framing)?;
    let order = date_order(path, kind, framing)?;
    let topic: Arc<str> = path.display().to_string().into();
    // A row that is made of a payload may hold the time at which it is read.
    let payload = match kind {
        FileKind::Payloads(_) if position.is_some() => Some(first_line(path, framing.compression)?),
        _ => None,
    };
    let (mut arrivals, mut is_same) = (0, true);
    let taken = position.map_or(0, FilePosition::taken);
    each_record(open(path, framing.compression)?, Some(kind), order, framing, |FileRecord { row, line, offset }| {
        let arrived = clock.now();
        arrivals += 1;
        if arrivals == 1 {
            let begins = payload.as_deref().unwrap_or(row.bytes);
            is_same = position.is_none_or(|position| position.begins_with(begins));
        }
        if arrivals <= taken {
            buffer.pass_over(row, Origin { topic: topic.clone(), position: line });
            return is_same && !output.stop.is_set();
        }
        // The records' input is the file itself: one that is packed is not shared.
        if let Some(offset) = offset.filter(|_| settings.shared_file) {
            buffer.row_is_at(offset);
        }
        match buffer.push(row, arrived, Origin { topic: topic.clone(), position: line }, clock) {
            Some(bucket) => output.send(bucket) && !output.stop.is_set() && !buffer.is_done(),
            None => !buffer.is_done(),
        }
    })
    .map_err(|error| file_error(path, error))?;
    if !is_same || (arrivals < taken && !output.stop.is_set()) {
        return Err(Error::FileChanged { path: path.display().to_string(), taken });
    }
    if arrivals == 0 {
        tracing::warn!("{topic} holds no rows");
    }
    buffer.close(clock).map(|bucket| output.send(bucket));
    if !output.stop.is_set() {
        buffer.end();
    }
    Ok(())
}

/// Calls `f` with each record until it returns false. Without a kind, the first bytes tell it.
pub(super) fn each_record(
    reader: impl BufRead,
    kind: Option<FileKind>,
    order: Option<DateOrder>,
    framing: &Framing,
    mut f: impl FnMut(FileRecord<'_>) -> bool,
) -> io::Result<()> {
    let mut records = match kind {
        Some(FileKind::Payloads(format)) => {
            // The rows of a payload stand nowhere in the file.
            return each_payload_row(reader, format, framing, |row, line| f(FileRecord { row, line, offset: None }));
        }
        Some(kind) => FileRecords::new(reader, kind, order, framing)?,
        None => FileRecords::sniffed(reader, framing)?,
    }
    .telling();
    while let Some(record) = records.next_record()? {
        if !f(record) {
            break;
        }
    }
    Ok(())
}

/// The order of day and month that some date of a file tells, however far behind; `None` where none is needed.
fn date_order(path: &Path, kind: FileKind, framing: &Framing) -> Result<Option<DateOrder>, Error> {
    let time = framing.decoding.time.as_ref();
    let said = time.is_some_and(|time| time.rules.order.is_some() || time.rules.format.is_some());
    if said || matches!(kind, FileKind::Ndjson | FileKind::Payloads(_)) || kind == FileKind::Csv && time.is_none() {
        return Ok(None);
    }
    // It is not searched for at the beginning if one is given.
    let records = FileRecords::new(open(path, framing.compression)?, kind, Some(DateOrder::MonthFirst), framing);
    records.and_then(FileRecords::told_order).map_err(|error| file_error(path, error))
}

/// The framing with the decimal mark that the first rows of a CSV file have, where none is said.
pub(super) fn with_decimal<'f, R: BufRead>(
    open: impl FnOnce() -> io::Result<R>,
    kind: FileKind,
    framing: &'f Framing,
) -> io::Result<Cow<'f, Framing>> {
    let said =
        framing.csv.decimal.is_some() || framing.decoding.cells.as_ref().is_some_and(|cells| cells.has_decimal());
    if said || !matches!(kind, FileKind::Csv | FileKind::WeatherLink) {
        return Ok(Cow::Borrowed(framing));
    }
    let mut records = FileRecords::new(open()?, kind, Some(DateOrder::MonthFirst), framing)?;
    let separator = match records.format() {
        Format::Csv => b',',
        Format::Separated(separated) => separated.separator,
        // A WeatherLink export has no thousands.
        _ => return Ok(Cow::Borrowed(framing)),
    };
    let mut search = DecimalSearch::beside(separator);
    let mut numbers: Option<(Vec<u8>, NumberCells)> = None;
    let mut rows = 0;
    // Beside other separators than commas, the first number that tells is waited for: rows before it would be read otherwise.
    while rows < MOST_ROWS || separator != b',' && search.is_open() {
        let Some((row, _)) = records.next_row()? else { break };
        let header = row.header.map_or(&[][..], |header| header.names);
        if numbers.as_ref().is_none_or(|(known, _)| known != header) {
            let names = row.header.map(|header| csv::names(&String::from_utf8_lossy(header.names), separator));
            numbers = Some((header.to_vec(), NumberCells::under(names, framing)));
        }
        let cells = cells_of(row).into_iter().flat_map(|(cells, _)| cells);
        if let Some((_, numbers)) = &numbers {
            numbers.of(cells).for_each(|cell| search.observe_cell(&cell));
        }
        rows += 1;
    }
    Ok(match search.settled().or((separator == b',').then_some(DecimalMark::Point)) {
        None => Cow::Borrowed(framing),
        decimal => Cow::Owned(Framing { csv: CsvOptions { decimal, ..framing.csv.clone() }, ..framing.clone() }),
    })
}

/// The same of the file at a path.
fn with_decimal_of<'f>(path: &Path, kind: FileKind, framing: &'f Framing) -> Result<Cow<'f, Framing>, Error> {
    let open = || Ok(BufReader::with_capacity(READ_BUFFER, framing.compression.open(File::open(path)?)?));
    with_decimal(open, kind, framing).map_err(|error| file_error(path, error))
}

/// The first line of a file, up to a kilobyte of it, without its end.
fn first_line(path: &Path, compression: Compression) -> Result<Vec<u8>, Error> {
    let mut line = Vec::new();
    let read = open(path, compression)?.take(1024).read_until(b'\n', &mut line);
    read.map_err(|error| file_error(path, error))?;
    line.truncate(line.trim_ascii_end().len());
    Ok(line)
}

/// The schema of all rows of a file.
pub fn infer(path: &Path, kind: FileKind, framing: &Framing) -> Result<Inferred, Error> {
    let mut inference = Inference::by(framing);
    let kind = FileKind::of_format(framing.format).unwrap_or(kind);
    let framing = &with_decimal_of(path, kind, &framing.without_columns())?.into_owned();
    let mut scan = || -> io::Result<()> {
        let file = BufReader::with_capacity(READ_BUFFER, framing.compression.open(File::open(path)?)?);
        if let FileKind::Payloads(format) = kind {
            return each_payload_row(file, format, framing, |row, _| {
                inference.observe(row);
                true
            });
        }
        // Dates are not read here, in whatever order they are.
        let mut records = FileRecords::new(file, kind, Some(DateOrder::MonthFirst), framing)?;
        if let Some(header) = records.header() {
            inference.observe_header(header.names, records.format());
        }
        while let Some((row, line)) = records.next_row()? {
            inference.observe_at(row, line);
        }
        Ok(())
    };
    scan().map_err(|error| file_error(path, error))?;
    Ok(inference.found())
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
    let framing = &settings.framing;
    let reader = BufReader::with_capacity(READ_BUFFER, framing.compression.open((stream.open)()?)?);
    let kind = FileKind::of_format(framing.format).or(stream.kind);
    let mut header: Option<(Arc<[u8]>, Option<u64>)> = None;
    let topic = stream.topic;
    each_record(reader, kind, None, framing, |FileRecord { row, line: position, .. }| {
        if row.header.map(|header| header.line) != header.as_ref().map(|(_, line)| *line) {
            header = row.header.map(|header| (Arc::from(header.names), header.line));
        }
        let line = FileLine {
            bytes: row.bytes.to_vec(),
            format: row.format,
            header: header.clone(),
            topic: topic.clone(),
            position,
            arrived: clock.now(),
        };
        room.enter(line.bytes.len()) && sender.send(Ok(line)).is_ok()
    })
}
