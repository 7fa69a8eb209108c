//! The position at which a connection resumes, and the delivery ranges of its buckets.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::data::{EdgeNodeState, PartialRow};

/// A publish whose rows have been taken, as it is recognised when redelivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenPublish {
    /// The publish's packet id.
    pub packet_id: u16,
    /// Hash of topic and payload.
    pub hash: u64,
}

/// Where a connection resumes after an earlier run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourcePosition {
    /// Deliveries that may be redelivered, by their places, in order.
    pub taken: Vec<(u64, TakenPublish)>,
    /// The delivery of which only the first rows were taken, and how many.
    pub begun: Option<(TakenPublish, u64)>,
    /// The rows that lacked values still.
    pub partial: Vec<Arc<PartialRow>>,
    /// The edge nodes of Sparkplug B, with their birth certificates.
    pub edge_nodes: Vec<EdgeNodeState>,
    /// The topic filter of its session, if there was one.
    pub subscribed: Option<String>,
    /// Client ids of sessions that no connection reads any more: this connection ends them.
    pub left: Vec<String>,
}

/// The deliveries that end in a bucket: what a later run needs, once the bucket is complete, to recognise redeliveries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeliveryRange {
    /// The number of the last delivery with all its rows in this bucket or in one before it.
    pub delivered: u64,
    /// Those that end in this bucket, by their places among all of the connection, in order.
    pub taken: Vec<(u64, TakenPublish)>,
    /// The delivery after them, if its first rows are in here, and how many.
    pub begun: Option<(TakenPublish, u64)>,
    /// Deliveries before this place cannot be redelivered.
    pub first: u64,
    /// The rows that lack values after this bucket, where values come one by one.
    pub partial: Option<Vec<Arc<PartialRow>>>,
    /// What edge nodes of Sparkplug B have said up to this bucket, since the one before; of several states of a node the
    /// last one counts.
    pub edge_nodes: Vec<EdgeNodeState>,
    /// Whether rows of this bucket were collected: a later run that begins before it collects them again.
    pub collected: bool,
}

impl DeliveryRange {
    /// Adds the delivery range of a later bucket of the same connection.
    pub fn extend(&mut self, later: DeliveryRange) {
        self.delivered = later.delivered;
        self.taken.extend(later.taken);
        self.begun = later.begun;
        self.first = later.first;
        self.partial = later.partial.or(self.partial.take());
        self.edge_nodes.extend(later.edge_nodes);
        self.collected |= later.collected;
    }
}
