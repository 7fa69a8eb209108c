//! The bytes of several rows in one arena, and the range of each row.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::row::{Format, Header, Row};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Span {
    bytes: Range<usize>,
    header: Option<Range<usize>>,
    format: Format,
}

/// Rows as they arrived, before they are decoded.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RawBatch {
    arena: Vec<u8>,
    spans: Vec<Span>,
    /// The number of the last header line.
    #[serde(skip)]
    last_header: Option<u64>,
}

impl RawBatch {
    /// Appends a row.
    pub fn push(&mut self, row: Row<'_>) {
        let header = row.header.map(|header| self.header(header));
        let start = self.arena.len();
        self.arena.extend_from_slice(row.bytes);
        self.spans.push(Span { bytes: start..self.arena.len(), header, format: row.format });
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

#[cfg(test)]
mod tests {
    use super::*;

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
