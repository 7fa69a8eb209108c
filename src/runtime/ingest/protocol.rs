//! The messages between the first worker and the processes that read connections for it.

use serde::{Deserialize, Serialize};

use crate::data::{Bucket, Stamps};
use crate::source::DeliveryRange;

/// A message to a reading process, or from one.
#[derive(Clone, Serialize, Deserialize)]
pub enum IngestMessage {
    ToReader(ReaderCommand),
    FromReader(ReaderEvent),
}

/// A command of the first worker to a reading process.
#[derive(Clone, Serialize, Deserialize)]
pub enum ReaderCommand {
    /// Asks for the time of the process' clock; `now` is the first worker's, in nanoseconds.
    Ask { now: u64 },
    /// A connection may send this many more buckets, as long as it has sent fewer bytes than it was granted in all.
    Room { connection: usize, buckets: usize, bytes: usize },
    /// The rows of all deliveries up to this one are durable.
    Complete { connection: usize, delivered: u64 },
    /// All is complete and acknowledged: close the connections.
    Over,
}

/// An event of a reading process, to the first worker.
#[derive(Clone, Serialize, Deserialize)]
pub enum ReaderEvent {
    /// The answer to `Ask`: its `now` as `asked`, and the process' own clock, both in nanoseconds.
    Time {
        process: usize,
        asked: u64,
        here: u64,
    },
    /// A connection is subscribed.
    Ready {
        connection: usize,
    },
    /// A connection stands to its broker in another way than before: connected, or not since so many milliseconds
    /// since 1970, or never yet.
    Link {
        connection: usize,
        connected: bool,
        lost_ms: Option<u64>,
    },
    Read(Box<ReadBucket>),
    /// A connection has no more buckets.
    Ended {
        connection: usize,
    },
    /// A connection is closed, with the reason if it failed.
    Left {
        failure: Option<String>,
    },
}

/// A bucket that a connection has read; without its rows where they stay in that process.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReadBucket {
    pub connection: usize,
    pub bucket: Bucket,
    pub stamps: Stamps,
    pub delivery_range: DeliveryRange,
}
