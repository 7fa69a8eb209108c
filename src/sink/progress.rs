//! The progress of a sink's receiver.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::measure::{BrokerLink, now_ms};

/// The progress of a sink's receiver, read from other threads.
#[derive(Debug, Default)]
pub struct SinkProgress {
    missing: AtomicU64,
    moves: AtomicU64,
    /// Since when the connection is lost, in milliseconds since 1970; 0 while there is one.
    lost_ms: AtomicU64,
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

    /// The connection is lost, if it was not lost before.
    pub fn lost(&self) {
        let _ = self.lost_ms.compare_exchange(0, now_ms(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// There is a connection.
    pub fn connected(&self) {
        self.lost_ms.store(0, Ordering::Relaxed);
    }

    /// How the sink stands to its receiver, once it is open.
    pub fn link(&self) -> BrokerLink {
        match self.lost_ms.load(Ordering::Relaxed) {
            0 => BrokerLink::Up,
            since_ms => BrokerLink::Lost { since_ms },
        }
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
