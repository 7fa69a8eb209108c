//! Where a run stands, in one line.

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatusLine {
    pub rows_in: u64,
    /// Rows of complete messages.
    pub rows_done: u64,
    pub dead_letters: u64,
    /// Over the last moments.
    pub rows_per_second: f64,
    pub rho: f64,
    /// Of rows, over the whole run, in nanoseconds.
    pub p99: u64,
}
