//! The status of a run in one line.

/// The status of a run in one line.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatusLine {
    /// Rows that have entered the dataflow.
    pub rows_in: u64,
    /// Rows of complete messages.
    pub rows_done: u64,
    /// Rows that became dead letters.
    pub dead_letters: u64,
    /// Over the last interval.
    pub rows_per_second: f64,
    /// The share of the workers' time that was work, from 0 to 1.
    pub rho: f64,
    /// p99 latency of rows over the whole run, in nanoseconds.
    pub p99: u64,
}
