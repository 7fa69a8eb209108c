//! The flag that stops a source.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stops a source; shared by all who may.
#[derive(Clone, Debug, Default)]
pub struct Stop(pub Arc<AtomicBool>);

impl Stop {
    /// Sets the flag.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the flag is set.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
