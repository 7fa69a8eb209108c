//! What a connection hears of its deliveries.

use super::position::DeliveryRange;
use crate::data::Bucket;

/// Knows which deliveries a bucket ends, and hears when they are durable.
pub trait Acknowledge: Send + Sync {
    /// Whether anyone waits to hear what is durable.
    fn waits(&self) -> bool;

    /// The deliveries up to `delivered` that no bucket before has ended, and the one after it if its first `begun` rows
    /// have been taken in; none of them is acknowledged yet.
    fn cover(&self, delivered: u64, begun: u64) -> DeliveryRange;

    /// What a bucket says of deliveries, if anyone waits to hear of them.
    fn covered_by(&self, bucket: &Bucket) -> DeliveryRange {
        if self.waits() {
            self.cover(bucket.metadata.delivered, bucket.metadata.begun)
        } else {
            DeliveryRange::default()
        }
    }

    /// The rows of all deliveries up to `number` are durable.
    fn complete(&self, number: u64);

    /// Nothing more will be complete.
    fn finish(&self);
}
