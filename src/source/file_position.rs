//! How many rows of a file have been taken, where a later run goes on behind them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::acknowledge::Acknowledge;
use super::position::{DeliveryRange, SourcePosition, TakenPublish};
use crate::data::{Bucket, fingerprint};

/// A file as one delivery: an earlier run may have taken its first rows.
#[derive(Debug, Default)]
pub struct FilePosition {
    /// The first row as the earlier run has read it, and how many rows that run has taken.
    earlier: Option<(u64, u64)>,
    /// The first row as this run has read it.
    first: OnceLock<u64>,
    rows: AtomicU64,
}

impl FilePosition {
    /// Goes on where an earlier run has ended.
    pub fn after(position: &SourcePosition) -> FilePosition {
        let earlier = position.begun.map(|(of, rows)| (of.hash, rows));
        FilePosition { earlier, first: OnceLock::new(), rows: AtomicU64::new(earlier.map_or(0, |(_, rows)| rows)) }
    }

    /// The rows that an earlier run has taken.
    pub fn taken(&self) -> u64 {
        self.earlier.map_or(0, |(_, rows)| rows)
    }

    /// Whether the file begins with the row that an earlier run has found there; of a first run, it does.
    pub fn begins_with(&self, row: &[u8]) -> bool {
        let hash = fingerprint(row) as u64;
        let _ = self.first.set(hash);
        self.earlier.is_none_or(|(earlier, _)| earlier == hash)
    }
}

impl Acknowledge for FilePosition {
    fn waits(&self) -> bool {
        false
    }

    fn cover(&self, _: u64, begun: u64) -> DeliveryRange {
        let hash = self.first.get().copied().unwrap_or_default();
        DeliveryRange { begun: Some((TakenPublish { packet_id: 0, hash }, begun)), ..DeliveryRange::default() }
    }

    fn covered_by(&self, bucket: &Bucket) -> DeliveryRange {
        let rows = bucket.len() as u64;
        self.cover(0, self.rows.fetch_add(rows, Ordering::Relaxed) + rows)
    }

    fn complete(&self, _: u64) {}

    fn finish(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Format, Origin, Row};

    #[test]
    fn a_later_run_goes_on_behind_the_rows_that_are_taken_and_knows_the_file_again() {
        let mut bucket = Bucket::new(0, 0);
        for position in 1..=3 {
            let row = Row { bytes: b"{}", format: Format::Json, header: None };
            bucket.push(row, 0, Origin { topic: "f".into(), position });
        }
        let first = FilePosition::after(&SourcePosition::default());
        assert!(first.begins_with(b"a") && first.taken() == 0);
        first.covered_by(&bucket);
        let begun = first.covered_by(&bucket).begun;
        assert_eq!(begun.map(|(_, rows)| rows), Some(6));
        let later = FilePosition::after(&SourcePosition { begun, ..SourcePosition::default() });
        assert!(later.begins_with(b"a") && later.taken() == 6);
        assert_eq!(
            later.covered_by(&bucket).begun.map(|(of, rows)| (of.hash, rows)),
            begun.map(|(of, _)| (of.hash, 9))
        );
        assert!(!FilePosition::after(&SourcePosition { begun, ..SourcePosition::default() }).begins_with(b"b"));
    }
}
