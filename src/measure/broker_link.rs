//! How a source or a sink stands to its broker or database.

use serde::{Deserialize, Serialize};

/// How a source or a sink stands to its broker or database; the maximum stands for several connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "link", rename_all = "snake_case")]
pub enum BrokerLink {
    /// It is connected, or needs no broker.
    #[default]
    Up,
    /// It had a connection, until so many milliseconds since 1970.
    Lost {
        /// When the connection was lost.
        since_ms: u64,
    },
    /// It has no connection yet.
    Connecting,
}

/// How a sink stands to its broker or database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkLink {
    /// The sink's name or address, "dead letters", or "table" and the table's name.
    pub sink: String,
    /// How it stands.
    #[serde(flatten)]
    pub link: BrokerLink,
}
