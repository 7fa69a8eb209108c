//! What the first worker and processes that read rows for it tell each other.

use serde::{Deserialize, Serialize};

use crate::data::{Bucket, Stamps};
use crate::source::DeliveryRange;

/// To a process that reads, or from one.
#[derive(Clone, Serialize, Deserialize)]
pub enum IngestMessage {
    ToReader(ReaderCommand),
    FromReader(ReaderEvent),
}

/// From the first worker.
#[derive(Clone, Serialize, Deserialize)]
pub enum ReaderCommand {
    /// What does your clock say? It is so many nanoseconds here.
    Ask { now: u64 },
    /// A connection may send so many more buckets, and as long as it has sent fewer bytes than it may so many more bytes.
    Room { connection: usize, buckets: usize, bytes: usize },
    /// The rows of all deliveries up to this one are durable.
    Complete { connection: usize, delivered: u64 },
    /// All is complete, and has been acknowledged: leave.
    Over,
}

/// To the first worker.
#[derive(Clone, Serialize, Deserialize)]
pub enum ReaderEvent {
    /// The answer to a question about the clock, which it repeats.
    Time {
        process: usize,
        asked: u64,
        here: u64,
    },
    /// A connection has its subscription.
    Ready {
        connection: usize,
    },
    Read(Box<ReadBucket>),
    /// A connection reads no more.
    Ended {
        connection: usize,
    },
    /// A connection is closed; why, if that was a failure.
    Left {
        failure: Option<String>,
    },
}

/// A bucket that a connection has read.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReadBucket {
    pub connection: usize,
    pub bucket: Bucket,
    pub stamps: Stamps,
    pub delivery_range: DeliveryRange,
}
