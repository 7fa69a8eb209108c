//! The progress of a sink's receiver.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::measure::{BrokerLink, now_ms};

/// The progress of a sink's receiver, read from other threads.
#[derive(Debug, Default)]
pub struct SinkProgress {
    missing: AtomicU64,
    moves: AtomicU64,
    /// While lines that were sent are missing: when the receiver last took something, or they began to be, in milliseconds
    /// since 1970; else 0.
    waits_ms: AtomicU64,
    /// Since when the connection is lost, in milliseconds since 1970; 0 while there is one.
    lost_ms: AtomicU64,
}

impl SinkProgress {
    /// So many lines were sent.
    pub fn owe(&self, lines: u64) {
        if self.missing.swap(lines, Ordering::Relaxed) == 0 || lines == 0 {
            self.waits_ms.store(if lines == 0 { 0 } else { now_ms() }, Ordering::Relaxed);
        }
    }

    /// So many lines are kept for the next transaction.
    pub fn keep(&self, lines: u64) {
        self.missing.store(lines, Ordering::Relaxed);
    }

    /// The receiver is given what was kept; or it has taken that.
    pub fn works(&self, works: bool) {
        self.waits_ms.store(if works { now_ms() } else { 0 }, Ordering::Relaxed);
    }

    /// Whoever looks for the receiver is not stuck.
    pub fn looks(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// The receiver has taken something.
    pub fn beat(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
        if self.waits_since().is_some() {
            self.waits_ms.store(now_ms(), Ordering::Relaxed);
        }
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

    /// Since when lines that were sent wait and the receiver takes none, in milliseconds since 1970.
    pub fn waits_since(&self) -> Option<u64> {
        Some(self.waits_ms.load(Ordering::Relaxed)).filter(|since_ms| *since_ms > 0)
    }

    /// As if lines waited since then.
    #[cfg(test)]
    pub fn wait_since(&self, since_ms: u64) {
        self.waits_ms.store(since_ms, Ordering::Relaxed);
    }

    /// Changes whenever the receiver takes something.
    pub fn moves(&self) -> u64 {
        self.moves.load(Ordering::Relaxed)
    }
}
