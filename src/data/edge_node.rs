//! What edge nodes of Sparkplug B have said of their metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A metric as a birth certificate names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BornMetric {
    /// Its name.
    pub name: String,
    /// The number that stands for the name in later messages.
    pub alias: Option<u64>,
    /// The type of its values, as the specification numbers them; 0 if it is not known.
    pub datatype: u32,
}

/// The birth certificates of an edge node that stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BirthCertificates {
    /// The number of the node's session (`bdSeq`).
    pub session: Option<u64>,
    /// The metrics by device; those of the node itself under an empty name.
    pub metrics: BTreeMap<String, Vec<BornMetric>>,
}

/// Where an edge node is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeNodeState {
    /// Its group and its name: `GROUP/NODE`.
    pub id: String,
    /// The sequence number of its last message.
    pub sequence: Option<u8>,
    /// Its birth certificates; `None` if they are as before.
    pub certificates: Option<Arc<BirthCertificates>>,
}

impl EdgeNodeState {
    /// Takes over what the node has said later.
    pub fn advance(&mut self, later: EdgeNodeState) {
        self.sequence = later.sequence;
        self.certificates = later.certificates.or(self.certificates.take());
    }

    /// Takes over what a part of the same state says.
    pub fn extend(&mut self, part: EdgeNodeState) {
        self.sequence = part.sequence.or(self.sequence);
        self.certificates = part.certificates.or(self.certificates.take());
    }
}
