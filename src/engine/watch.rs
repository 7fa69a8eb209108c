//! Where a run stands, for people who watch it.

use std::time::{Duration, Instant};

use super::Options;
use super::ledger::Ledger;

const PROGRESS: Duration = Duration::from_millis(250);

/// Where a run stands, for people who watch it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshot {
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

/// Shows where the run stands, a few times a second.
pub struct Watch {
    last: Instant,
    rows: u64,
}

impl Watch {
    pub fn new(last: Instant) -> Watch {
        Watch { last, rows: 0 }
    }

    pub fn look(&mut self, ledger: &Ledger, workers: usize, options: &Options) {
        let Some(on_progress) = &options.on_progress else { return };
        let passed = self.last.elapsed();
        if passed < PROGRESS {
            return;
        }
        let rows_per_second = (ledger.rows_done - self.rows) as f64 / passed.as_secs_f64();
        let service = ledger.service_row.inner().mean() / 1e9;
        on_progress(&Snapshot {
            rows_in: ledger.rows_in,
            rows_done: ledger.rows_done,
            dead_letters: ledger.dead_letters,
            rows_per_second,
            rho: rows_per_second * service / workers as f64,
            p99: ledger.latency.row.inner().value_at_quantile(0.99),
        });
        (self.last, self.rows) = (Instant::now(), ledger.rows_done);
    }
}
