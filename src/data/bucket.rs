//! Up to *bucket size* rows as they arrived: one message before it is decoded.

use serde::{Deserialize, Serialize};

use super::batch_metadata::{BatchMetadata, Origin};
use super::raw_batch::RawBatch;
use super::row::Row;

/// The rows of one message before they are decoded.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Bucket {
    /// Their bytes.
    pub raw: RawBatch,
    /// Their metadata.
    pub metadata: BatchMetadata,
    /// Its rows, if they are in the process that has read them.
    held: Option<HeldRows>,
}

/// Rows that stay in the process that has read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRows {
    /// The number under which that process holds them.
    pub number: u64,
    /// How many there are.
    rows: usize,
    /// Their bytes.
    bytes: usize,
}

impl Bucket {
    /// A bucket without rows yet, for a message with this epoch and place in the input.
    pub fn new(epoch: u64, first_row: u64) -> Bucket {
        Bucket { raw: RawBatch::default(), metadata: BatchMetadata::new(epoch, first_row), held: None }
    }

    /// Appends a row that arrived at `arrived` nanoseconds of the source's clock.
    pub fn push(&mut self, row: Row<'_>, arrived: u64, origin: Origin) {
        self.raw.push(row);
        self.metadata.push(arrived, origin);
    }

    /// The same without its rows, which this process holds under a number.
    pub fn without_rows(&self, number: u64) -> Bucket {
        let held = Some(HeldRows { number, rows: self.len(), bytes: self.raw.byte_len() });
        Bucket { raw: RawBatch::default(), metadata: self.metadata.without_rows(), held }
    }

    /// Where its rows are, if they are in the process that has read them.
    pub fn held(&self) -> Option<HeldRows> {
        self.held
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.held.map_or_else(|| self.raw.len(), |held| held.rows)
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its bytes, wherever they are: rows and their metadata.
    pub fn byte_len(&self) -> usize {
        self.held.map_or_else(|| self.raw.byte_len(), |held| held.bytes) + BatchMetadata::ROW * self.len()
    }

    /// The bytes that it has room for.
    pub(super) fn capacity_bytes(&self) -> usize {
        self.raw.capacity_bytes() + self.metadata.capacity_bytes()
    }

    /// Empties it, as if it were new, and keeps its memory.
    pub(super) fn clear(&mut self) {
        self.raw.clear();
        self.metadata.clear();
        self.held = None;
    }

    /// Runs of its rows in order: whether they are never redelivered, and how many.
    pub fn deliveries(&self) -> Vec<(bool, u64)> {
        self.metadata.deliveries(self.len())
    }

    /// The place of the row with this number; `None` if there is none.
    pub fn place_of(&self, number: u64) -> Option<usize> {
        self.metadata.place_of(number).filter(|index| *index < self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Format;

    #[test]
    fn what_travels_for_held_rows_has_their_counts_and_none_of_their_bytes() {
        let mut bucket = Bucket::new(0, 0);
        for position in 1..=3 {
            let row = Row { bytes: b"{\"secret\":1}", format: Format::Json, header: None };
            bucket.push(row, 10 * position, Origin { topic: "topic".into(), position });
        }
        bucket.metadata.last_comes_once();
        let token = bucket.without_rows(7);
        let bytes = crate::data::to_bytes(&(&token, bucket.metadata.stamps_without_origins()));
        assert!(!bytes.windows(3).any(|part| part == b"sec" || part == b"top"));
        let (mut there, stamps): (Bucket, crate::data::Stamps) = crate::data::from_bytes(&bytes).unwrap();
        there.metadata.stamp(stamps, 5);
        assert_eq!((there.len(), there.byte_len(), there.is_empty()), (3, bucket.byte_len(), false));
        assert_eq!(there.held().map(|held| held.number), Some(7));
        assert_eq!(there.deliveries(), bucket.deliveries());
        assert_eq!(there.metadata.arrived(), [15, 25, 35]);
    }
}
