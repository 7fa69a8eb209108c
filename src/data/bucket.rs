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
}

impl Bucket {
    /// A bucket without rows yet, for a message with this epoch and place in the input.
    pub fn new(epoch: u64, first_row: u64) -> Bucket {
        Bucket { raw: RawBatch::default(), metadata: BatchMetadata::new(epoch, first_row) }
    }

    /// Appends a row that arrived at `arrived` nanoseconds of the source's clock.
    pub fn push(&mut self, row: Row<'_>, arrived: u64, origin: Origin) {
        self.raw.push(row);
        self.metadata.push(arrived, origin);
    }

    /// How many rows it holds.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether it holds no row.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The bytes it holds: rows and their metadata.
    pub fn byte_len(&self) -> usize {
        self.raw.byte_len() + BatchMetadata::ROW * self.len()
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
