//! Where a source's thread sends its buckets.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;

use super::acknowledge::Acknowledge;
use super::buffer::{BucketBuffer, FilledBuckets};
use super::error::Error;
use super::queue;
use super::stop::Stop;
use crate::data::Bucket;
use crate::measure::Clock;

/// Where a source's thread sends its buckets.
pub(crate) struct SourceOutput {
    /// `None` once it is dropped.
    pub(super) buckets: Option<queue::BucketSender>,
    pub(super) waker: std::thread::Thread,
    pub(super) stop: Stop,
    /// Maps buckets to delivery ranges; `None` for a source without redelivery.
    pub(super) acknowledge: Option<Arc<dyn Acknowledge>>,
}

impl SourceOutput {
    /// Sends a bucket; waits while the dataflow is behind. False when the receiver is gone.
    pub(super) fn send(&self, bucket: Bucket) -> bool {
        let delivery_range =
            self.acknowledge.as_ref().map(|acknowledge| acknowledge.covered_by(&bucket)).unwrap_or_default();
        let sent = self.buckets.as_ref().is_some_and(|buckets| buckets.send(bucket, delivery_range));
        self.waker.unpark();
        sent
    }
}

impl Drop for SourceOutput {
    /// The dataflow sees the end at once.
    fn drop(&mut self) {
        self.buckets = None;
        self.waker.unpark();
    }
}

/// Takes in arrivals until the channel closes, or until the source is stopped and all that had arrived is taken in;
/// closes buckets in time. With `closes`, the channel closes by itself after the stop.
///
/// `take` pushes the rows of one arrival into the buffer and hands on the buckets they fill.
pub(super) fn buffer_until_closed<T>(
    arrivals: &Receiver<T>,
    closes: bool,
    buffer: &mut BucketBuffer,
    clock: Clock,
    output: &SourceOutput,
    mut take: impl FnMut(&mut BucketBuffer, T, &mut FilledBuckets<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    const LOOK_UP_INTERVAL: Duration = Duration::from_millis(50);
    let mut hand_on = |bucket| output.send(bucket);
    let mut left = None;
    while !buffer.is_done() {
        if output.stop.is_set() && !closes {
            let left = left.get_or_insert(arrivals.len());
            if *left == 0 {
                break;
            }
            *left -= 1;
        }
        let now = std::time::Instant::now();
        let due = buffer.deadline(clock);
        let wait = due.map_or(LOOK_UP_INTERVAL, |due| due.saturating_duration_since(now).min(LOOK_UP_INTERVAL));
        let mut filled = FilledBuckets::new(&mut hand_on);
        let result = match arrivals.recv_timeout(wait) {
            Ok(arrival) => take(buffer, arrival, &mut filled),
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => Ok(()),
            Err(crossbeam_channel::RecvTimeoutError::Disconnected) => break,
        };
        // Queued arrivals are late already; the bucket goes on filling with them.
        let is_due = || buffer.deadline(clock).is_some_and(|due| due <= std::time::Instant::now());
        if arrivals.is_empty() && is_due() {
            buffer.close_due(clock, &mut filled);
        }
        if !filled.finish() {
            return result;
        }
        result?;
    }
    let mut filled = FilledBuckets::new(&mut hand_on);
    buffer.finish(clock, &mut filled);
    filled.finish();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Format, Origin, Row};
    use crate::source::Limits;

    /// Sends `rows` overdue rows through a buffer; the sizes of the messages.
    fn messages(rows: u64, limits: Limits, stopped: bool, closes: bool) -> Vec<usize> {
        let (arrivals_sender, arrivals) = crossbeam_channel::unbounded();
        (1..=rows).for_each(|position| arrivals_sender.send(position).unwrap());
        let kept_open = (!closes).then_some(arrivals_sender);
        let (feeder, buckets) = queue::queue(None);
        let stop = Stop::default();
        if stopped {
            stop.now();
        }
        let output = SourceOutput { buckets: Some(feeder), waker: std::thread::current(), stop, acknowledge: None };
        let (clock, mut buffer) = (Clock::start(), BucketBuffer::new(limits, None));
        std::thread::sleep(Duration::from_millis(5));
        buffer_until_closed(&arrivals, closes, &mut buffer, clock, &output, |buffer, position, filled| {
            let row = Row { bytes: b"{}", format: Format::Json, header: None };
            filled.extend(buffer.push(row, 0, Origin { topic: "t".into(), position }, clock));
            Ok(())
        })
        .unwrap();
        drop((output, kept_open));
        std::iter::from_fn(|| buckets.recv().ok()).map(|(bucket, _)| bucket.len()).collect()
    }

    #[test]
    fn what_has_arrived_is_served_after_the_stop() {
        let limits = Limits { bucket_size: 100, delay: Duration::from_secs(1) };
        for closes in [true, false] {
            assert_eq!(messages(250, limits, true, closes), [100, 100, 50], "{closes}");
        }
    }

    #[test]
    fn a_delay_that_is_over_makes_no_message_of_each_row_that_waits() {
        let limits = Limits { bucket_size: 100, delay: Duration::from_millis(1) };
        assert_eq!(messages(250, limits, false, true), [100, 100, 50]);
    }
}
