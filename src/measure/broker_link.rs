//! How a source stands to its broker.

use serde::{Deserialize, Serialize};

/// How a source stands to its broker; the maximum stands for several connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "link", rename_all = "snake_case")]
pub enum BrokerLink {
    /// It is subscribed, or needs no broker.
    #[default]
    Up,
    /// It had a subscription, until so many milliseconds since 1970.
    Lost {
        /// When the connection was lost.
        since_ms: u64,
    },
    /// It has no subscription yet.
    Connecting,
}
