//! Acknowledgement of a connection's deliveries, once their rows are durable.

use super::position::DeliveryRange;
use crate::data::Bucket;
use crate::measure::BrokerLink;

/// Maps buckets to the deliveries that end in them, and acknowledges those that are durable.
pub trait Acknowledge: Send + Sync {
    /// Whether acknowledgements wait until rows are durable.
    fn waits(&self) -> bool;

    /// The delivery range of a bucket: deliveries up to `delivered` that no earlier bucket covers, and the next one if
    /// its first `begun` rows have been taken in; none of them is acknowledged yet.
    fn cover(&self, delivered: u64, begun: u64) -> DeliveryRange;

    /// The delivery range of `bucket`; empty if acknowledgements do not wait.
    fn covered_by(&self, bucket: &Bucket) -> DeliveryRange {
        if self.waits() {
            let metadata = &bucket.metadata;
            let (partial, collected) = (metadata.partial.clone(), metadata.collected);
            let edge_nodes = metadata.edge_nodes.clone();
            let clocks = metadata.station_clocks.iter().map(|clock| (clock.station(), clock.clone()));
            let range = self.cover(metadata.delivered, metadata.begun);
            DeliveryRange { partial, edge_nodes, station_clocks: clocks.collect(), collected, ..range }
        } else {
            DeliveryRange::default()
        }
    }

    /// The rows of all deliveries up to `number` are durable.
    fn complete(&self, number: u64);

    /// How the connection stands to its broker.
    fn broker(&self) -> BrokerLink {
        BrokerLink::Up
    }

    /// No further delivery will complete.
    fn finish(&self);
}
