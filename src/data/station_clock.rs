//! The last row of a station near a change of clocks: it tells of the next ones which pass of the hour they are of.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

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
    /// The last steps between its rows that are not of one time, in seconds, the newest first.
    pub steps: [Option<i64>; 4],
    /// How many rows came since one of the same time as the one before it, if there was one.
    pub since_equal: Option<u8>,
}

impl StationClock {
    /// The name of the station: its topic and its key.
    pub fn station(&self) -> String {
        let key = self.key.as_ref().map_or_else(String::new, |key| format!(" {key}"));
        format!("{}\n{key}", self.topic)
    }
}
