//! The progress of a sink's receiver.

use std::sync::atomic::{AtomicU64, Ordering};

/// The progress of a sink's receiver, read from other threads.
#[derive(Debug, Default)]
pub struct SinkProgress {
    missing: AtomicU64,
    moves: AtomicU64,
}

impl SinkProgress {
    /// So many lines were sent.
    pub fn owe(&self, lines: u64) {
        self.missing.store(lines, Ordering::Relaxed);
    }

    /// The receiver has taken something.
    pub fn beat(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// Lines that the receiver has not taken.
    pub fn missing(&self) -> u64 {
        self.missing.load(Ordering::Relaxed)
    }

    /// Changes whenever the receiver takes something.
    pub fn moves(&self) -> u64 {
        self.moves.load(Ordering::Relaxed)
    }
}
