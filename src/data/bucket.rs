//! Rows as they arrive: raw bytes of up to *bucket size* rows in one arena.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// How the bytes of a row are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    /// One JSON object.
    Json,
    /// Comma-separated cells.
    Csv,
    /// WeatherLink's tab-separated cells.
    WeatherLink(Layout),
    /// Bytes that the source could not split into rows; never read.
    Broken(Broken),
}

/// Why bytes are not rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum Broken {
    #[error("neither JSON objects nor CSV lines")]
    Unreadable,
    #[error("an empty payload")]
    Empty,
    #[error("longer than max_payload")]
    TooLong,
    #[error("a quote opens a cell and no quote closes it: write it twice, or leave it out")]
    OpenQuote,
}

/// What differs between WeatherLink exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Layout {
    /// The older layout doubles tabs: empty cells separate and mean nothing.
    pub doubled_tabs: bool,
    /// Dates are day first.
    pub day_first: bool,
}

/// The header line that names the cells of a row.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    pub names: &'a [u8],
    /// Rows with one number have one header line; without a number, only its bytes tell.
    pub line: Option<u64>,
}

impl<'a> Header<'a> {
    /// A header line that was just read; of its rows none is compared with the one before it.
    pub fn read(names: &'a [u8]) -> Header<'a> {
        Header { names, line: Some(Header::next_line()) }
    }

    /// A number that no other line has.
    pub fn next_line() -> u64 {
        static LINES: AtomicU64 = AtomicU64::new(0);
        LINES.fetch_add(1, Ordering::Relaxed)
    }
}

/// One measurement as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub bytes: &'a [u8],
    pub format: Format,
    /// What names its cells, if something does.
    pub header: Option<Header<'a>>,
}

/// Where a row came from, for dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The MQTT topic or the file's path.
    pub topic: Arc<str>,
    /// The line of the file, or the running number of the publish, from 1.
    pub position: u64,
}

/// The numbers that the rows of a bucket go out with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// In the order of places; rows in none have their place for a number.
    pub runs: Vec<Run>,
    /// The number of the row after them on their connection, of those that may come again.
    pub next: u64,
}

/// Rows with numbers at equal distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The place of the first row in the input.
    pub place: u64,
    pub rows: u64,
    /// The number of the first row.
    pub first: u64,
    /// How far the number of each is from the one before.
    pub step: u64,
}

impl Numbers {
    /// Whether each row has its place for a number.
    pub fn is_plain(&self) -> bool {
        self.runs.iter().all(|run| run.step == 1 && run.first == run.place)
    }

    /// The number of the row at a place.
    pub fn of(&self, place: u64) -> u64 {
        let run = self.runs.partition_point(|run| run.place <= place).checked_sub(1).map(|run| self.runs[run]);
        run.map_or(place, |Run { place: start, first, step, .. }| first + (place - start) * step)
    }

    /// The place of the row that has a number; `None` if none in a run has.
    pub fn place_of(&self, number: u64) -> Option<u64> {
        self.runs.iter().find_map(|run| {
            let behind = number.checked_sub(run.first)?;
            (behind.is_multiple_of(run.step) && behind / run.step < run.rows).then(|| run.place + behind / run.step)
        })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Span {
    bytes: Range<usize>,
    header: Option<Range<usize>>,
    format: Format,
}

/// The rows of one message before they are decoded.
///
/// Arrival stamps and origins do not travel to the workers that serve the rows: latency and dead letters are the first
/// worker's affair, which a process that reads rows for it sends them as [`Stamps`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Bucket {
    /// The message's timely timestamp, from 0.
    pub epoch: u64,
    /// The place of the first row in the input, from 0.
    pub first_row: u64,
    /// The numbers of its rows.
    pub numbers: Numbers,
    /// Whether what steps remember after it is to be written down.
    pub snapshot: bool,
    arena: Vec<u8>,
    spans: Vec<Span>,
    /// Rows that came at quality of service 0, and never come again.
    once: Vec<Range<usize>>,
    #[serde(skip)]
    arrived: Vec<u64>,
    #[serde(skip)]
    origins: Vec<Origin>,
    /// The number of the last delivery whose rows all stand in this bucket or in one before it; 0 if there is none.
    #[serde(skip)]
    pub delivered: u64,
    /// How many rows of the delivery after it stand in this bucket or in one before it.
    #[serde(skip)]
    pub begun: u64,
    /// When the bucket was closed, in nanoseconds of the source's monotonic clock.
    #[serde(skip)]
    pub closed: u64,
    /// The number of the last header line.
    #[serde(skip)]
    last_header: Option<u64>,
}

/// What of a bucket does not travel with it: when and where its rows came in, and which deliveries it ends.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Stamps {
    arrived: Vec<u64>,
    positions: Vec<u64>,
    /// Topics of so many rows each.
    topics: Vec<(Arc<str>, usize)>,
    delivered: u64,
    begun: u64,
    closed: u64,
}

impl Bucket {
    pub fn new(epoch: u64, first_row: u64) -> Bucket {
        Bucket { epoch, first_row, ..Bucket::default() }
    }

    /// Appends a row that arrived at `arrived` nanoseconds of the source's clock.
    pub fn push(&mut self, row: Row<'_>, arrived: u64, origin: Origin) {
        let header = row.header.map(|header| self.header(header));
        let start = self.arena.len();
        self.arena.extend_from_slice(row.bytes);
        self.spans.push(Span { bytes: start..self.arena.len(), header, format: row.format });
        self.arrived.push(arrived);
        self.origins.push(origin);
    }

    /// The last row came at quality of service 0.
    pub fn last_comes_once(&mut self) {
        let last = self.len() - 1;
        match self.once.last_mut().filter(|rows| rows.end == last) {
            Some(rows) => rows.end += 1,
            None => self.once.push(last..last + 1),
        }
    }

    /// Its rows in turn, so many each, and whether they never come again.
    pub fn deliveries(&self) -> Vec<(bool, u64)> {
        let (mut runs, mut from) = (Vec::new(), 0);
        for once in &self.once {
            runs.extend([(false, (once.start - from) as u64), (true, once.len() as u64)]);
            from = once.end;
        }
        runs.push((false, (self.len() - from) as u64));
        runs.retain(|(_, rows)| *rows > 0);
        runs
    }

    /// Stores a header once for the run of rows that share it.
    fn header(&mut self, Header { names, line }: Header<'_>) -> Range<usize> {
        let known = line.is_some() && line == self.last_header;
        self.last_header = line;
        if let Some(Span { header: Some(last), .. }) = self.spans.last()
            && (known || self.arena[last.clone()] == *names)
        {
            return last.clone();
        }
        let start = self.arena.len();
        self.arena.extend_from_slice(names);
        start..self.arena.len()
    }

    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// What it holds, in bytes: rows, and what is kept of each beside them.
    pub fn byte_len(&self) -> usize {
        const ROW: usize = size_of::<Span>() + size_of::<u64>() + size_of::<Origin>();
        self.arena.len() + ROW * self.len()
    }

    pub fn row(&self, index: usize) -> Row<'_> {
        let span = &self.spans[index];
        Row {
            bytes: &self.arena[span.bytes.clone()],
            format: span.format,
            header: span.header.clone().map(|range| Header { names: &self.arena[range], line: None }),
        }
    }

    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).map(|index| self.row(index))
    }

    /// Nanoseconds of the source's clock at which each row arrived (or was due).
    pub fn arrived(&self) -> &[u64] {
        &self.arrived
    }

    /// Which of its rows has this number; `None` if none has.
    pub fn place_of(&self, row: u64) -> Option<usize> {
        let place = if self.numbers.runs.is_empty() { Some(row) } else { self.numbers.place_of(row) };
        usize::try_from(place?.checked_sub(self.first_row)?).ok().filter(|index| *index < self.len())
    }

    pub fn origin(&self, index: usize) -> &Origin {
        &self.origins[index]
    }

    /// What another process needs to know of the rows beside their bytes.
    pub fn stamps(&self) -> Stamps {
        let runs = self.origins.chunk_by(|a, b| a.topic == b.topic);
        Stamps {
            arrived: self.arrived.clone(),
            positions: self.origins.iter().map(|origin| origin.position).collect(),
            topics: runs.map(|run| (run[0].topic.clone(), run.len())).collect(),
            delivered: self.delivered,
            begun: self.begun,
            closed: self.closed,
        }
    }

    /// Puts stamps on the rows of a bucket that came without them. `ahead` is how far this process' clock is ahead of
    /// the one that made them, in nanoseconds.
    pub fn stamp(&mut self, stamps: Stamps, ahead: i64) {
        let Stamps { mut arrived, positions, topics, delivered, begun, closed } = stamps;
        arrived.iter_mut().for_each(|stamp| *stamp = stamp.saturating_add_signed(ahead));
        let topics = topics.iter().flat_map(|(topic, rows)| std::iter::repeat_n(topic, *rows));
        let origins = topics.zip(positions).map(|(topic, position)| Origin { topic: topic.clone(), position });
        (self.arrived, self.origins) = (arrived, origins.collect());
        (self.delivered, self.begun) = (delivered, begun);
        self.closed = closed.saturating_add_signed(ahead);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_share_one_header() {
        let origin = Origin { topic: "t".into(), position: 1 };
        let mut bucket = Bucket::new(3, 10);
        for cells in [&b"1,2"[..], b"3,4"] {
            // Read twice, as with two publishes.
            let row = Row { bytes: cells, format: Format::Csv, header: Some(Header::read(b"a,b")) };
            bucket.push(row, 5, origin.clone());
        }
        assert_eq!(bucket.arena.len(), 9);
        assert!(bucket.byte_len() > 2 * 64);
        assert_eq!(bucket.row(1).header.unwrap().names, b"a,b");
        assert_eq!(bucket.row(1).bytes, b"3,4");
    }

    /// If each row were compared with its header, this would take minutes.
    #[test]
    fn a_long_header_is_not_compared_for_each_row() {
        let names = vec![b','; 1 << 20];
        let header = Some(Header::read(&names));
        let origin = Origin { topic: "t".into(), position: 1 };
        let since = std::time::Instant::now();
        let mut bucket = Bucket::default();
        for _ in 0..1_000_000 {
            bucket.push(Row { bytes: b"1", format: Format::Csv, header }, 5, origin.clone());
        }
        assert!(since.elapsed() < std::time::Duration::from_secs(30), "{:?}", since.elapsed());
        assert_eq!(bucket.arena.len(), (1 << 20) + 1_000_000);
        let other = Header::read(&names[1..]);
        bucket.push(Row { bytes: b"1", format: Format::Csv, header: Some(other) }, 5, origin);
        assert_eq!(bucket.row(1_000_000).header.unwrap().names.len(), (1 << 20) - 1);
    }

    #[test]
    fn rows_that_come_once_are_told_apart() {
        let mut bucket = Bucket::default();
        for once in [false, true, true, false, true] {
            let row = Row { bytes: b"{}", format: Format::Json, header: None };
            bucket.push(row, 0, Origin { topic: "t".into(), position: 1 });
            if once {
                bucket.last_comes_once();
            }
        }
        assert_eq!(bucket.deliveries(), [(false, 1), (true, 2), (false, 1), (true, 1)]);
    }

    #[test]
    fn stamps_follow_a_bucket_to_another_clock() {
        let mut bucket = Bucket::default();
        for (place, topic) in [(1, "a"), (2, "a"), (3, "b")] {
            let row = Row { bytes: b"{}", format: Format::Json, header: None };
            bucket.push(row, 10 * place, Origin { topic: topic.into(), position: place });
        }
        (bucket.delivered, bucket.begun, bucket.closed) = (7, 2, 40);
        let sent = crate::data::to_bytes(&(&bucket, bucket.stamps()));
        let (mut received, stamps): (Bucket, Stamps) = crate::data::from_bytes(&sent).unwrap();
        received.stamp(stamps, -15);
        assert_eq!(received.arrived(), [0, 5, 15]);
        assert!((0..3).all(|row| received.origin(row) == bucket.origin(row)));
        assert_eq!((received.delivered, received.begun, received.closed), (7, 2, 25));
    }
}
