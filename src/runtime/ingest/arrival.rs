//! What comes from the connections of the source, and what waits there.

use crate::data::Bucket;
use crate::source::DeliveryRange;

/// A bucket with its epoch, and what its connection wants to hear of it.
#[derive(Debug, Default)]
pub struct Arrival {
    pub bucket: Bucket,
    pub connection: usize,
    pub delivery_range: DeliveryRange,
}

/// Buckets that wait for the dataflow.
#[derive(Clone, Copy, Debug)]
pub struct Backlog {
    pub buckets: usize,
    /// How many may.
    pub capacity: usize,
    /// Whether a connection has as many as it may have: it is held back.
    pub full: bool,
}
