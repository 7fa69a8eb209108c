//! Buckets of complete epochs go back to the threads that read rows, with their memory: otherwise each would be allocated on
//! one thread and freed on another.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use super::Bucket;

/// Most buckets that wait to be used again, and most bytes of them.
const MOST: usize = 256;
const MOST_BYTES: usize = 8 << 20;
/// So many buckets, or so many bytes of them, change threads at once.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 64 << 10;

/// Empty buckets, and the bytes that they have room for.
#[derive(Default)]
struct EmptyBuckets {
    buckets: Vec<Bucket>,
    bytes: usize,
}

thread_local! {
    /// What this thread has taken back, and not handed on yet.
    static TAKEN_BACK: RefCell<EmptyBuckets> = const { RefCell::new(EmptyBuckets { buckets: Vec::new(), bytes: 0 }) };
    /// What this thread fills next.
    static TO_FILL: RefCell<EmptyBuckets> = const { RefCell::new(EmptyBuckets { buckets: Vec::new(), bytes: 0 }) };
}

/// What all threads have taken back.
static RETURNED: Mutex<EmptyBuckets> = Mutex::new(EmptyBuckets { buckets: Vec::new(), bytes: 0 });

impl EmptyBuckets {
    /// Adds a bucket that was in use, unless most of its memory was not.
    fn take_back(&mut self, mut bucket: Bucket) {
        let (held, bytes) = (bucket.byte_len(), bucket.capacity_bytes());
        if bytes <= 4 * held + BATCH_BYTES / BATCH {
            bucket.clear();
            self.bytes += bytes;
            self.buckets.push(bucket);
        }
    }

    /// Whether there are enough of them to change threads.
    fn is_batch(&self) -> bool {
        self.buckets.len() >= BATCH || self.bytes >= BATCH_BYTES
    }

    /// Takes all of the others, or lets go of them if these are too many already.
    fn absorb(&mut self, others: &mut EmptyBuckets) {
        let EmptyBuckets { mut buckets, bytes } = std::mem::take(others);
        if self.buckets.len() + buckets.len() <= MOST && self.bytes + bytes <= MOST_BYTES {
            self.bytes += bytes;
            self.buckets.append(&mut buckets);
        }
        buckets.clear();
        others.buckets = buckets;
    }
}

/// An empty bucket for the next message: one that was given back, or a new one.
pub fn spare_bucket() -> Bucket {
    TO_FILL.with_borrow_mut(|own| {
        // A thread that reads rows never waits for one that gives back.
        if own.buckets.is_empty()
            && let Ok(mut returned) = RETURNED.try_lock()
        {
            own.absorb(&mut returned);
        }
        own.bytes = 0;
        own.buckets.pop().unwrap_or_default()
    })
}

/// Gives back the bucket of a complete epoch, if nobody else holds it.
pub fn return_bucket(bucket: Arc<Bucket>) {
    let Some(bucket) = Arc::into_inner(bucket) else { return };
    TAKEN_BACK.with_borrow_mut(|own| {
        own.take_back(bucket);
        if own.is_batch()
            && let Ok(mut returned) = RETURNED.try_lock()
        {
            returned.absorb(own);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Format, Header, Origin, Row};

    fn bucket(rows: usize, bytes: usize) -> Bucket {
        let mut bucket = Bucket::new(7, 70);
        for position in 0..rows as u64 {
            let header = Some(Header { names: b"a,b", line: Some(3) });
            let row = Row { bytes: &vec![b'1'; bytes], format: Format::Csv, header };
            bucket.raw.begin_topic("weather/roof");
            bucket.push(row, 5, Origin { topic: "t".into(), position });
            bucket.raw.last_is_at(40 * position);
            bucket.metadata.last_comes_once();
            bucket.metadata.mark_second_pass(position as usize);
        }
        (bucket.metadata.delivered, bucket.metadata.barrier, bucket.metadata.closed) = (9, true, 11);
        bucket
    }

    #[test]
    fn a_bucket_comes_back_as_a_new_one_with_its_memory() {
        let mut returned = EmptyBuckets::default();
        returned.take_back(bucket(3, 500));
        let (mut again, mut new) = (returned.buckets.pop().unwrap(), Bucket::default());
        assert_eq!(format!("{again:?}"), format!("{new:?}"));
        assert!(again.capacity_bytes() >= 1500 && new.capacity_bytes() == 0);
        let row = || Row { bytes: b"{}", format: Format::Json, header: None };
        for bucket in [&mut again, &mut new] {
            bucket.push(row(), 1, Origin { topic: "t".into(), position: 1 });
        }
        assert_eq!(format!("{again:?}"), format!("{new:?}"));
    }

    #[test]
    fn no_more_is_kept_than_allowed() {
        let mut returned = EmptyBuckets::default();
        for _ in 0..2 * MOST {
            let mut own = EmptyBuckets::default();
            own.take_back(bucket(1, 100));
            returned.absorb(&mut own);
            assert!(own.buckets.is_empty() && own.bytes == 0);
        }
        assert_eq!(returned.buckets.len(), MOST);
        let (mut large, mut own) = (EmptyBuckets::default(), EmptyBuckets::default());
        for _ in 0..4 {
            own.take_back(bucket(1, MOST_BYTES / 3));
            assert!(own.is_batch());
            large.absorb(&mut own);
        }
        assert!(large.bytes <= MOST_BYTES && (1..=3).contains(&large.buckets.len()), "{}", large.bytes);
    }

    #[test]
    fn a_bucket_with_much_more_room_than_it_used_is_let_go() {
        let mut large = bucket(1, 1 << 20);
        large.clear();
        large.push(
            Row { bytes: b"{}", format: Format::Json, header: None },
            1,
            Origin { topic: "t".into(), position: 1 },
        );
        let mut returned = EmptyBuckets::default();
        returned.take_back(large);
        assert!(returned.buckets.is_empty() && returned.bytes == 0);
    }

    #[test]
    fn what_one_thread_gives_back_another_fills() {
        for _ in 0..4 * BATCH {
            return_bucket(Arc::new(bucket(1, 500)));
        }
        let held = Arc::new(bucket(1, 500));
        return_bucket(held.clone());
        assert_eq!(held.len(), 1, "somebody else holds it");
        let all_empty = std::thread::spawn(|| (0..8 * BATCH).all(|_| spare_bucket().is_empty()));
        assert!(all_empty.join().unwrap());
    }
}
