//! What arrives from the connections of the source, and their backlog.

use crate::data::Bucket;
use crate::measure::BrokerLink;
use crate::source::DeliveryRange;

/// A bucket with its epoch, its connection, and the deliveries that end in it.
#[derive(Debug, Default)]
pub struct Arrival {
    pub bucket: Bucket,
    pub connection: usize,
    pub delivery_range: DeliveryRange,
}

/// Buckets that are queued before the dataflow, and whether more can come.
#[derive(Clone, Copy, Debug)]
pub struct Backlog {
    pub buckets: usize,
    /// How many may be queued.
    pub capacity: usize,
    /// Whether a connection's queue is full, so that its source is held back.
    pub full: bool,
    /// How the connections of all processes stand to their broker.
    pub broker: BrokerLink,
}
