//! The status that was last shown.

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Instant;

use crate::measure::RunStatus;
use crate::runtime::options::OnLive;

/// The status that was last shown, and when.
#[derive(Default)]
pub struct ShownStatus(Mutex<Option<(Instant, RunStatus)>>);

impl ShownStatus {
    /// Shows a status of the first worker.
    pub fn show(&self, status: RunStatus, on_live: &OnLive) {
        let mut last = self.0.lock().expect("no holder panics");
        on_live(&status);
        *last = Some((Instant::now(), status));
    }

    /// The last status, while no other is shown; `None` while the first worker shows one.
    pub fn last(&self) -> Option<MutexGuard<'_, Option<(Instant, RunStatus)>>> {
        match self.0.try_lock() {
            Ok(last) => Some(last),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Poisoned(_)) => unreachable!("no holder panics"),
        }
    }
}
