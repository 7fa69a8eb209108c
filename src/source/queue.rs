//! Buckets in flight from a source's thread to the dataflow, bounded in number and in bytes.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvError, RecvTimeoutError, Sender, TryRecvError, TrySendError};

use super::byte_budget::ByteBudget;
use super::position::DeliveryRange;
use crate::data::Bucket;

/// Most bytes of waiting buckets.
pub const MAX_WAITING: usize = 32 << 20;

/// Buckets of a queue that lasts longer than a sender sleeps.
const LONG_QUEUE: usize = 256;
/// How often the sender of a full queue checks whether it is half empty.
const FULL_INTERVAL: Duration = Duration::from_micros(200);

/// The sending end, on a source's thread.
pub(crate) struct BucketSender {
    buckets: Sender<(Bucket, DeliveryRange)>,
    room: Arc<ByteBudget>,
}

/// The receiving end, in the dataflow.
pub struct BucketQueue {
    buckets: Receiver<(Bucket, DeliveryRange)>,
    room: Arc<ByteBudget>,
}

/// A queue of at most `capacity` buckets; of any number if not given.
pub(crate) fn queue(capacity: Option<usize>) -> (BucketSender, BucketQueue) {
    let (sender, buckets) = capacity.map_or_else(crossbeam_channel::unbounded, crossbeam_channel::bounded);
    let room = Arc::new(ByteBudget::new(if capacity.is_some() { MAX_WAITING } else { usize::MAX }));
    (BucketSender { buckets: sender, room: room.clone() }, BucketQueue { buckets, room })
}

impl BucketSender {
    /// Waits while the queue is full; false when the receiver is gone. A long queue that was full is waited for until it
    /// is half empty: else each bucket that is taken would wake up the sender for the next one.
    pub fn send(&self, bucket: Bucket, delivery_range: DeliveryRange) -> bool {
        if !self.room.enter(bucket.byte_len()) {
            return false;
        }
        let mut arrival = (bucket, delivery_range);
        if self.buckets.capacity().is_some_and(|capacity| capacity >= LONG_QUEUE) {
            arrival = match self.buckets.try_send(arrival) {
                Ok(()) => return true,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(arrival)) => arrival,
            };
            while 2 * self.buckets.len() > self.buckets.capacity().unwrap_or(0) && !self.room.is_closed() {
                std::thread::sleep(FULL_INTERVAL);
            }
        }
        self.buckets.send(arrival).is_ok()
    }
}

impl BucketQueue {
    /// # Errors
    /// If the source has ended.
    pub fn recv(&self) -> Result<(Bucket, DeliveryRange), RecvError> {
        self.buckets.recv().inspect(|(bucket, _)| self.room.leave(bucket.byte_len()))
    }

    /// # Errors
    /// If no bucket waits, or the source has ended.
    pub fn try_recv(&self) -> Result<(Bucket, DeliveryRange), TryRecvError> {
        self.buckets.try_recv().inspect(|(bucket, _)| self.room.leave(bucket.byte_len()))
    }

    /// # Errors
    /// If none comes in time, or the source has ended.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<(Bucket, DeliveryRange), RecvTimeoutError> {
        self.buckets.recv_timeout(timeout).inspect(|(bucket, _)| self.room.leave(bucket.byte_len()))
    }

    /// How many buckets wait.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// How many may wait.
    pub fn capacity(&self) -> usize {
        self.buckets.capacity().unwrap_or_default()
    }

    /// Whether it is full, in number or in bytes.
    pub fn is_full(&self) -> bool {
        self.buckets.is_full() || self.room.is_full()
    }
}

impl Drop for BucketQueue {
    fn drop(&mut self) {
        self.room.close();
    }
}

/// The capacity in buckets: enough that the dataflow never waits for the reader, and few enough to bound memory.
pub fn queue_capacity(bucket_size: usize) -> usize {
    (16_384 / bucket_size).clamp(2, 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Format, Origin, Row};

    #[test]
    fn large_buckets_wait_where_small_ones_do_not() {
        let bucket = |bytes: usize| {
            let mut bucket = Bucket::default();
            let row = Row { bytes: &vec![b' '; bytes], format: Format::Json, header: None };
            bucket.push(row, 0, Origin { topic: "t".into(), position: 1 });
            bucket
        };
        let (feeder, queue) = queue(Some(100));
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| (0..9).all(|_| feeder.send(bucket(MAX_WAITING / 3), DeliveryRange::default())));
            while queue.len() < 2 {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_millis(50));
            assert_eq!(queue.len(), 2, "a third one is too much, with what it costs beside its bytes");
            (0..9).for_each(|_| assert_eq!(queue.recv().unwrap().0.len(), 1));
            assert!(thread.join().unwrap());
            let thread = scope.spawn(|| (0..9).all(|_| feeder.send(bucket(MAX_WAITING / 3), DeliveryRange::default())));
            drop(queue);
            assert!(!thread.join().unwrap(), "nobody wants more");
        });
    }

    #[test]
    fn a_long_queue_that_was_full_loses_nothing_and_ends_with_its_receiver() {
        let (feeder, queue) = queue(Some(LONG_QUEUE));
        let send = || feeder.send(Bucket::default(), DeliveryRange::default());
        assert!((0..LONG_QUEUE).all(|_| send()));
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| (0..LONG_QUEUE).all(|_| send()));
            (0..2 * LONG_QUEUE).for_each(|_| _ = queue.recv().unwrap());
            assert!(thread.join().unwrap() && queue.is_empty());
            let thread = scope.spawn(|| (0..=LONG_QUEUE).all(|_| send()));
            while !queue.is_full() {
                std::thread::yield_now();
            }
            drop(queue);
            assert!(!thread.join().unwrap(), "nobody wants more");
        });
    }
}
