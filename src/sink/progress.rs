//! How far the other side of a sink has come.

use std::sync::atomic::{AtomicU64, Ordering};

/// How far the other side of a sink has come, for whoever looks from another thread.
#[derive(Debug, Default)]
pub struct SinkProgress {
    missing: AtomicU64,
    moves: AtomicU64,
}

impl SinkProgress {
    /// So many lines are on their way.
    pub fn owe(&self, lines: u64) {
        self.missing.store(lines, Ordering::Relaxed);
    }

    /// The other side has taken something.
    pub fn beat(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// Lines that the other side has not taken.
    pub fn missing(&self) -> u64 {
        self.missing.load(Ordering::Relaxed)
    }

    /// Changes whenever the other side takes something.
    pub fn moves(&self) -> u64 {
        self.moves.load(Ordering::Relaxed)
    }
}
