//! The time between two tries of a server that is away.

use std::time::{Duration, Instant};

const LOOK_UP_INTERVAL: Duration = Duration::from_millis(20);

/// Waits for so long; false if the wait is `over` before.
pub fn pause(wait: Duration, over: impl Fn() -> bool) -> bool {
    let until = Instant::now() + wait;
    while Instant::now() < until {
        if over() {
            return false;
        }
        std::thread::sleep(LOOK_UP_INTERVAL);
    }
    true
}
