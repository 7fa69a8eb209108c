//! The end of a command that can't come to its end by itself.

use std::sync::Arc;
use std::time::Duration;

use crate::runtime::OnStuck;
#[cfg(any(feature = "web", feature = "broker"))]
use crate::source::Stop;

/// How often it is looked whether the command was told to stop.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(50);
/// How long standard error may take what is said last.
const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(1);

/// Says why, and ends the process with 1, whatever its threads wait for.
pub fn exit(reason: &str) -> ! {
    let reason = format!("error: {reason}");
    // Standard error may be what takes nothing, as may be standard output, which an orderly exit would flush.
    let said = std::thread::spawn(move || eprintln!("{reason}"));
    let mut waited = Duration::ZERO;
    while !said.is_finished() && waited < LAST_WORD_TIMEOUT {
        std::thread::sleep(LOOK_UP_INTERVAL / 10);
        waited += LOOK_UP_INTERVAL / 10;
    }
    signal_hook::low_level::exit(1)
}

/// What a run calls that is stuck: it exits.
pub fn exits() -> OnStuck {
    Arc::new(|reason| exit(reason))
}

/// Ends the process when it has not ended so long after the stop; `what` says what it waits for.
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
