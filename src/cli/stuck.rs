//! Ends a command that can't end by itself.

use std::sync::Arc;
use std::time::Duration;

use super::print_error;
use crate::runtime::OnStuck;
#[cfg(any(feature = "web", feature = "broker"))]
use crate::source::Stop;

/// How often the stop is polled.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(50);
/// How long standard error may take to accept the last line.
const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(1);

/// Writes the reason to standard error, and ends the process with code 1, whatever its threads wait for.
pub fn exit(reason: &str) -> ! {
    let reason = format!("error: {reason}");
    // Standard error may block, and so may standard output, which an orderly exit would flush.
    let said = std::thread::spawn(move || print_error(&reason));
    let mut waited = Duration::ZERO;
    while !said.is_finished() && waited < LAST_WORD_TIMEOUT {
        std::thread::sleep(LOOK_UP_INTERVAL / 10);
        waited += LOOK_UP_INTERVAL / 10;
    }
    signal_hook::low_level::exit(1)
}

/// Called by a run that is stuck: it ends the process.
pub fn exits() -> OnStuck {
    Arc::new(|reason| exit(reason))
}

/// Ends the process if it has not ended so long after the stop; `what` says what it waits for.
#[cfg(any(feature = "web", feature = "broker"))]
pub fn bound(stop: &Stop, timeout: Duration, what: impl Fn() -> String + Send + 'static) {
    let stop = stop.clone();
    std::thread::spawn(move || {
        while !stop.is_set() {
            std::thread::sleep(LOOK_UP_INTERVAL);
        }
        std::thread::sleep(timeout);
        exit(&format!("not ended within {} after the stop: {}", humantime::format_duration(timeout), what()));
    });
}
