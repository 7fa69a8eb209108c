//! The last row of a station near a change of clocks: what tells of the next ones which pass of the hour they are of.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The last steps between a station's rows that tell how far apart they are.
const STEPS: usize = 4;

/// The last row of a station near a change of clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationClock {
    /// Its topic.
    pub topic: Arc<str>,
    /// What tells stations of one topic apart, if anything does.
    pub key: Option<String>,
    /// The local time of its last row, by ISO 8601 without an offset.
    pub local: String,
    /// Whether that time stands twice.
    pub twice: bool,
    /// Whether it is of the second pass.
    pub second: bool,
    /// Whether its newest rows come first.
    pub backwards: bool,
    /// The last steps between its rows, in seconds, the newest first.
    pub steps: [Option<i64>; STEPS],
}

impl StationClock {
    /// What stations are ordered and told apart by.
    pub fn station(&self) -> (&str, Option<&str>) {
        (&self.topic, self.key.as_deref())
    }
}
