//! The last row of a station near a change of clocks: it tells of the next ones which pass of the hour they are of.

use std::sync::Arc;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

/// The last row of a station near a change of clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationClock {
    /// Its topic.
    pub topic: Arc<str>,
    /// What tells stations of one topic apart, if anything does.
    pub key: Option<String>,
    /// The local time of its last row that was not late.
    pub local: DateTime,
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
    /// Whether its rows have left the hour.
    #[serde(default)]
    pub left: bool,
    /// How many rows came late since.
    #[serde(default)]
    pub late: u8,
    /// The longest steps down and up of its local times that no change of clocks makes, in seconds.
    #[serde(default)]
    pub longest: [i64; 2],
}

impl StationClock {
    /// Of a station whose first row has this time.
    pub fn new(topic: Arc<str>, key: Option<String>, local: DateTime) -> StationClock {
        let (twice, second, backwards, left, late, longest) = Default::default();
        let (steps, since_equal) = Default::default();
        StationClock { topic, key, local, twice, second, backwards, steps, since_equal, left, late, longest }
    }

    /// The name of the station: its topic and its key.
    pub fn station(&self) -> String {
        let key = self.key.as_ref().map_or_else(String::new, |key| format!(" {key}"));
        format!("{}\n{key}", self.topic)
    }
}
