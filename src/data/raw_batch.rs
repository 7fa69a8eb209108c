//! The bytes of several rows in one arena, and the range of each row.

use std::borrow::Cow;
use std::io;
use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::checksum::checksum;
use super::contiguous;
use super::row::{Format, Header, Row};

#[derive(Clone, Debug)]
struct Span {
    bytes: Range<usize>,
    header: Option<Range<usize>>,
    format: Format,
}

/// Rows as they arrived, before they are decoded.
///
/// Between processes its bytes travel as bytes. If all rows are in a file that every process has open, only their places
/// in it travel, and [`RawBatch::read`] gets the bytes there.
#[derive(Clone, Debug, Default)]
pub struct RawBatch {
    arena: Vec<u8>,
    spans: Vec<Span>,
    /// Topics that tell something of their rows, each with the place of the first row that came under it.
    topics: Vec<(usize, Range<usize>)>,
    /// The number of the last header line.
    last_header: Option<u64>,
    /// The offset of each row in the shared file; of none, if that is not where they are from.
    offsets: Vec<u64>,
    /// What belongs behind the arena's bytes, and is not read yet.
    unread: Option<UnreadRange>,
}

/// A range of the shared file that holds the rows of a batch.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct UnreadRange {
    range: Range<u64>,
    /// The checksum of the rows.
    checksum: u64,
}

/// A batch as it travels.
#[derive(Serialize, Deserialize)]
struct EncodedBatch<'a> {
    /// All bytes, or without the rows' own if they are in a shared file.
    #[serde(borrow, with = "serde_bytes")]
    arena: Cow<'a, [u8]>,
    /// The beginning and the end of each row in the arena with the file's range behind it.
    #[serde(borrow, with = "serde_bytes")]
    rows: Cow<'a, [u8]>,
    /// Consecutive rows with one format and header: how many, and the header's range in the arena.
    runs: Vec<(usize, Format, Option<Range<usize>>)>,
    unread: Option<UnreadRange>,
    /// Topics that tell something of their rows; rows of a file have none.
    topics: Vec<(usize, Range<usize>)>,
}

impl RawBatch {
    /// Appends a row.
    pub fn push(&mut self, row: Row<'_>) {
        let header = row.header.map(|header| self.header(header));
        let start = self.arena.len();
        self.arena.extend_from_slice(row.bytes);
        self.spans.push(Span { bytes: start..self.arena.len(), header, format: row.format });
    }

    /// The last row is at this offset of a file that every process of the run has open.
    pub fn last_is_at(&mut self, offset: u64) {
        // A row without an offset before it: then the bytes of all travel.
        if self.offsets.len() + 1 == self.spans.len() {
            self.offsets.push(offset);
        }
    }

    /// Whether it came from another process without the bytes of its rows, which are in the shared file.
    pub fn is_unread(&self) -> bool {
        self.unread.is_some()
    }

    /// Fills in the bytes that it lacks: `read` gets a buffer for them and the offset of their beginning.
    ///
    /// # Errors
    /// The error of `read`, or other bytes than those that the process with the source has read; the batch then has no
    /// rows.
    pub fn read(&mut self, read: impl FnOnce(&mut [u8], u64) -> io::Result<()>) -> io::Result<()> {
        let Some(UnreadRange { range, checksum }) = self.unread.take() else { return Ok(()) };
        let behind = self.arena.len();
        self.arena.resize(behind + (range.end - range.start) as usize, 0);
        let read = read(&mut self.arena[behind..], range.start).and_then(|()| match self.checksum() == checksum {
            true => Ok(()),
            false => Err(io::Error::other("its bytes are not those that process 0 has read: it was changed meanwhile")),
        });
        read.inspect_err(|_| *self = RawBatch::default())
    }

    fn checksum(&self) -> u64 {
        checksum(self.rows().map(|row| row.bytes))
    }

    /// The range of the shared file with all rows, if it is worth being read again in another process: bytes between
    /// the rows, as those of a line that is too long, are read with them.
    fn in_file(&self) -> Option<Range<u64>> {
        let (first, last) = (self.offsets.first()?, self.offsets.last()?);
        let range = *first..last + self.spans.last()?.bytes.len() as u64;
        let most = 2 * self.arena.len() as u64 + 4096;
        (self.offsets.len() == self.spans.len() && range.end - range.start <= most).then_some(range)
    }

    /// The rows that follow came under this topic, which tells something of them.
    pub fn begin_topic(&mut self, topic: &str) {
        if self.topics.last().is_some_and(|(_, last)| self.arena[last.clone()] == *topic.as_bytes()) {
            return;
        }
        let start = self.arena.len();
        self.arena.extend_from_slice(topic.as_bytes());
        self.topics.push((self.len(), start..self.arena.len()));
    }

    /// Topics that tell something of their rows, with the places of these rows, in order.
    pub fn topics(&self) -> impl Iterator<Item = (Range<usize>, &str)> {
        self.topics.iter().enumerate().map(|(place, (from, topic))| {
            let to = self.topics.get(place + 1).map_or(self.len(), |(next, _)| *next);
            let topic = std::str::from_utf8(&self.arena[topic.clone()]).expect("the bytes of a topic are a text");
            (*from..to, topic)
        })
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

    /// How many rows it holds.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether it holds no row.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The bytes it holds: rows and their ranges.
    pub fn byte_len(&self) -> usize {
        self.arena.len() + size_of::<Span>() * self.len()
    }

    /// The bytes that it has room for.
    pub(super) fn capacity_bytes(&self) -> usize {
        self.arena.capacity() + size_of::<Span>() * self.spans.capacity() + size_of::<u64>() * self.offsets.capacity()
    }

    /// Empties it, as if it were new, and keeps its memory.
    pub(super) fn clear(&mut self) {
        let RawBatch { mut arena, mut spans, mut topics, mut offsets, .. } = std::mem::take(self);
        arena.clear();
        spans.clear();
        topics.clear();
        offsets.clear();
        *self = RawBatch { arena, spans, topics, offsets, ..RawBatch::default() };
    }

    /// The row at a place.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, index: usize) -> Row<'_> {
        let span = &self.spans[index];
        Row {
            bytes: &self.arena[span.bytes.clone()],
            format: span.format,
            header: span.header.clone().map(|range| Header { names: &self.arena[range], line: None }),
        }
    }

    /// All rows, in the order of arrival.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).map(|index| self.row(index))
    }
}

impl Serialize for RawBatch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let in_file = self.in_file();
        let (mut arena, mut rows) = (Cow::Borrowed(&self.arena[..]), Vec::<[usize; 2]>::with_capacity(self.len()));
        let mut runs: Vec<(usize, Format, Option<Range<usize>>)> = Vec::new();
        for Span { bytes, header, format } in &self.spans {
            rows.push([bytes.start, bytes.end]);
            match runs.last_mut() {
                Some((count, of, named)) if of == format && named == header => *count += 1,
                _ => runs.push((1, *format, header.clone())),
            }
        }
        if let Some(range) = &in_file {
            let mut headers = Vec::new();
            for header in runs.iter_mut().filter_map(|(_, _, header)| header.as_mut()) {
                let start = headers.len();
                headers.extend_from_slice(&self.arena[header.clone()]);
                *header = start..headers.len();
            }
            for (row, offset) in rows.iter_mut().zip(&self.offsets) {
                let start = headers.len() + (offset - range.start) as usize;
                *row = [start, start + row[1] - row[0]];
            }
            arena = headers.into();
        }
        let rows = Cow::Borrowed(contiguous::bytes(&rows));
        let topics = if in_file.is_some() { Vec::new() } else { self.topics.clone() };
        let unread = in_file.map(|range| UnreadRange { range, checksum: self.checksum() });
        EncodedBatch { arena, rows, runs, unread: unread.or(self.unread.clone()), topics }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawBatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawBatch, D::Error> {
        let EncodedBatch { arena, rows, runs, unread, topics } = EncodedBatch::deserialize(deserializer)?;
        let rows: Vec<[usize; 2]> = contiguous::values(&rows).map_err(serde::de::Error::custom)?;
        let of_rows = runs.into_iter().flat_map(|(count, format, header)| std::iter::repeat_n((format, header), count));
        let span = |([start, end], (format, header)): (&[usize; 2], _)| Span { bytes: *start..*end, header, format };
        let spans: Vec<Span> = rows.iter().zip(of_rows).map(span).collect();
        if spans.len() != rows.len() {
            return Err(serde::de::Error::custom("rows without a format"));
        }
        Ok(RawBatch { arena: arena.into_owned(), spans, unread, topics, ..RawBatch::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(batch: &RawBatch) -> RawBatch {
        crate::data::from_bytes(&crate::data::to_bytes(batch)).unwrap()
    }

    fn shown(batch: &RawBatch) -> Vec<(Vec<u8>, Format, Option<Vec<u8>>)> {
        batch
            .rows()
            .map(|row| (row.bytes.to_vec(), row.format, row.header.map(|header| header.names.to_vec())))
            .collect()
    }

    /// Rows of two formats and two headers, whose lines stand in a file with blank lines and a skipped end between them.
    fn mixed() -> (RawBatch, Vec<u8>) {
        let (mut batch, mut file) = (RawBatch::default(), b"\xef\xbb\xbfa,b\r\n\n".to_vec());
        let rows = [
            ("1,2", Format::Csv, Some(&b"a,b"[..])),
            ("3,4", Format::Csv, Some(b"a,b")),
            ("5,\"6\n7\"", Format::Csv, Some(b"b,a")),
            ("{\"x\":1}", Format::Json, None),
        ];
        for (bytes, format, names) in rows {
            batch.push(Row { bytes: bytes.as_bytes(), format, header: names.map(Header::read) });
            batch.last_is_at(file.len() as u64);
            file.extend_from_slice(bytes.as_bytes());
            file.extend_from_slice(b"\r\n \n");
        }
        (batch, file)
    }

    #[test]
    fn rows_travel_as_bytes_or_as_places_in_a_shared_file() {
        let (batch, file) = mixed();
        let mut shipped = batch.clone();
        shipped.offsets.pop();
        let there = again(&shipped);
        assert_eq!((there.is_unread(), shown(&there)), (false, shown(&batch)));
        assert_eq!(there.byte_len(), batch.byte_len());
        let mut there = again(&again(&batch));
        assert!(there.is_unread());
        let places = crate::data::to_bytes(&batch);
        assert!(!places.windows(4).any(|bytes| bytes == b"\"x\":"), "no row's bytes travel");
        let read = |buffer: &mut [u8], from: u64| {
            buffer.copy_from_slice(&file[from as usize..from as usize + buffer.len()]);
            Ok(())
        };
        there.read(read).unwrap();
        assert_eq!((there.is_unread(), shown(&there)), (false, shown(&batch)));
        let (mut lost, mut changed) = (again(&batch), again(&batch));
        assert!(lost.read(|_, _| Err(io::ErrorKind::UnexpectedEof.into())).is_err() && lost.is_empty());
        let error = changed.read(|buffer, from| {
            read(buffer, from)?;
            buffer[1] = b';';
            Ok(())
        });
        assert!(error.unwrap_err().to_string().contains("changed meanwhile") && changed.is_empty());
    }

    #[test]
    fn a_range_of_which_most_is_no_row_is_not_read_again() {
        let mut batch = RawBatch::default();
        for offset in [0, 1 << 30] {
            batch.push(Row { bytes: b"{}", format: Format::Json, header: None });
            batch.last_is_at(offset);
        }
        assert_eq!((again(&batch).is_unread(), shown(&again(&batch))), (false, shown(&batch)));
    }

    #[test]
    fn rows_share_one_header() {
        let mut batch = RawBatch::default();
        for cells in [&b"1,2"[..], b"3,4"] {
            // Read twice, as from two publishes.
            let row = Row { bytes: cells, format: Format::Csv, header: Some(Header::read(b"a,b")) };
            batch.push(row);
        }
        assert_eq!(batch.arena.len(), 9);
        assert!(batch.byte_len() > 2 * 40);
        assert_eq!(batch.row(1).header.unwrap().names, b"a,b");
        assert_eq!(batch.row(1).bytes, b"3,4");
    }

    #[test]
    fn rows_know_the_topic_they_came_under() {
        let mut batch = RawBatch::default();
        for topic in ["w/a", "w/a", "w/b", "w/a"] {
            batch.begin_topic(topic);
            batch.push(Row { bytes: b"{}", format: Format::Json, header: None });
        }
        let topics: Vec<_> = batch.topics().collect();
        assert_eq!(topics, [(0..2, "w/a"), (2..3, "w/b"), (3..4, "w/a")]);
        assert!(again(&batch).topics().eq(topics));
        assert_eq!(batch.row(3).bytes, b"{}");
        assert_eq!(RawBatch::default().topics().count(), 0);
    }

    /// Comparing each row with its header would take minutes.
    #[test]
    fn a_long_header_is_not_compared_for_each_row() {
        let names = vec![b','; 1 << 20];
        let header = Some(Header::read(&names));
        let since = std::time::Instant::now();
        let mut batch = RawBatch::default();
        for _ in 0..1_000_000 {
            batch.push(Row { bytes: b"1", format: Format::Csv, header });
        }
        assert!(since.elapsed() < std::time::Duration::from_secs(30), "{:?}", since.elapsed());
        assert_eq!(batch.arena.len(), (1 << 20) + 1_000_000);
        let other = Header::read(&names[1..]);
        batch.push(Row { bytes: b"1", format: Format::Csv, header: Some(other) });
        assert_eq!(batch.row(1_000_000).header.unwrap().names.len(), (1 << 20) - 1);
    }
}
