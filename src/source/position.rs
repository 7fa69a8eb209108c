//! The position at which a connection resumes, and the delivery ranges of its buckets.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::data::{EdgeNodeState, PartialRow, StationClock};

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
    /// Whether rows that lack values when the run ends stand in a checkpoint, and what they lack comes to a later run.
    pub keeps_partial: bool,
    /// The edge nodes of Sparkplug B, with their birth certificates.
    pub edge_nodes: Vec<EdgeNodeState>,
    /// The last rows of stations on the days around a change of clocks.
    pub station_clocks: Vec<StationClock>,
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
    /// By station, its last row up to this bucket on the days around a change of clocks.
    pub station_clocks: BTreeMap<String, StationClock>,
    /// Whether rows of this bucket were collected: a later run that begins before it collects them again.
    pub collected: bool,
}

impl DeliveryRange {
    /// Adds the delivery range of a later bucket of the same connection. What a range has gathered holds a node of
    /// Sparkplug B once, in the order of their ids.
    pub fn extend(&mut self, later: DeliveryRange) {
        self.delivered = later.delivered;
        self.taken.extend(later.taken);
        self.begun = later.begun;
        self.first = later.first;
        self.partial = later.partial.or(self.partial.take());
        for node in later.edge_nodes {
            match self.edge_nodes.binary_search_by(|known| known.id.cmp(&node.id)) {
                Ok(place) => self.edge_nodes[place].advance(node),
                Err(place) => self.edge_nodes.insert(place, node),
            }
        }
        self.station_clocks.extend(later.station_clocks);
        self.collected |= later.collected;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::BirthCertificates;

    #[test]
    fn a_node_is_there_once_however_many_buckets_there_were() {
        let node = |id: &str, sequence, certificates| EdgeNodeState { id: id.into(), sequence, certificates };
        let born =
            |session| Some(Arc::new(BirthCertificates { session: Some(session), ..BirthCertificates::default() }));
        let mut range = DeliveryRange::default();
        for bucket in 0..10_000_u64 {
            let sequence = Some(bucket as u8);
            let mut edge_nodes =
                vec![node("g/b", sequence, None), node("g/a", sequence, born(bucket).filter(|_| bucket < 3))];
            if bucket == 9_999 {
                edge_nodes.push(node("g/b", None, born(7)));
            }
            range.extend(DeliveryRange { delivered: bucket, edge_nodes, ..DeliveryRange::default() });
        }
        // Of the last sequence numbers one is that of a node that is gone; certificates are the last ones that changed.
        let expected = [node("g/a", Some(9_999_u64 as u8), born(2)), node("g/b", None, born(7))];
        assert_eq!((range.edge_nodes, range.delivered), (expected.to_vec(), 9_999));
    }
}
