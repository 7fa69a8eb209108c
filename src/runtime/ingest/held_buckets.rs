//! The buckets that this process has read and works on: of their rows, only counts travel to the first worker.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::data::{Bucket, Stamps, return_bucket};

/// Buckets that stay in the process that has read them; all its workers share them.
#[derive(Clone, Debug, Default)]
pub struct HeldBuckets(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    /// The number of the next bucket.
    next: u64,
    /// Those without an epoch yet, by number.
    waiting: HashMap<u64, Bucket>,
    /// Those in the graph, by epoch: their rows may still become dead letters.
    in_flight: BTreeMap<u64, Arc<Bucket>>,
}

impl HeldBuckets {
    /// Holds a bucket; returns what travels instead of it.
    pub fn hold(&self, bucket: Bucket) -> (Bucket, Stamps) {
        let mut held = self.lock();
        let number = held.next;
        held.next += 1;
        let (token, stamps) = (bucket.without_rows(number), bucket.metadata.stamps_without_origins());
        held.waiting.insert(number, bucket);
        (token, stamps)
    }

    /// The bucket that something travelled for, numbered as that.
    ///
    /// # Panics
    /// If it is not held, or was claimed already.
    pub fn claim(&self, token: &Bucket) -> Arc<Bucket> {
        let mut held = self.lock();
        let bucket = token.held().and_then(|rows| held.waiting.remove(&rows.number));
        let mut bucket = bucket.expect("a bucket is sent once, to the process that holds its rows");
        bucket.metadata.number_as(&token.metadata);
        let bucket = Arc::new(bucket);
        held.in_flight.insert(bucket.metadata.epoch, bucket.clone());
        bucket
    }

    /// The bucket of an epoch in flight, if its rows are held here.
    pub fn bucket(&self, epoch: u64) -> Option<Arc<Bucket>> {
        self.lock().in_flight.get(&epoch).cloned()
    }

    /// Drops the buckets of complete epochs.
    pub fn release(&self, is_complete: impl Fn(u64) -> bool) {
        let mut held = self.lock();
        while let Some(first) = held.in_flight.first_entry().filter(|first| is_complete(*first.key())) {
            return_bucket(first.remove());
        }
    }

    /// Holds a bucket that is numbered already; what travels instead of it, after its way to another process.
    #[cfg(test)]
    pub fn travelled(&self, bucket: Bucket) -> Bucket {
        let numbered = bucket.metadata.clone();
        let sent = crate::data::to_bytes(&self.hold(bucket));
        let (mut token, stamps): (Bucket, Stamps) = crate::data::from_bytes(&sent).expect("what was sent");
        token.metadata.number_as(&numbered);
        token.metadata.stamp(stamps, 0);
        token
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().expect("no holder panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Format, Origin, Route, Row};

    #[test]
    fn a_bucket_is_claimed_with_its_rows_and_stays_until_its_epoch_is_complete() {
        let held = HeldBuckets::default();
        let tokens: Vec<Bucket> = [&b"{}"[..], b"[]"]
            .map(|bytes| {
                let mut bucket = Bucket::default();
                let row = Row { bytes, format: Format::Json, header: None };
                bucket.push(row, 1, Origin { topic: "t".into(), position: 9 });
                held.hold(bucket).0
            })
            .into();
        // Epochs are given in another order.
        for (epoch, token) in tokens.into_iter().rev().enumerate() {
            let mut token = token;
            (token.metadata.epoch, token.metadata.first_row) = (epoch as u64, 10 + epoch as u64);
            token.metadata.route = Route::over(2, 2, 1);
            token.metadata.version = 5 + epoch as u64;
            let bucket = held.claim(&token);
            assert_eq!(bucket.raw.row(0).bytes, if epoch == 0 { b"[]" } else { b"{}" });
            assert_eq!((bucket.metadata.first_row, bucket.metadata.route.home()), (10 + epoch as u64, 3));
            assert_eq!((bucket.metadata.origin(0).position, bucket.metadata.version), (9, 5 + epoch as u64));
        }
        held.release(|epoch| epoch < 1);
        assert!(held.bucket(0).is_none() && held.bucket(1).is_some());
    }
}
