//! The program's only panic hooks: which panics show a trace, and which end the process.

use std::panic::{set_hook, take_hook};
use std::sync::Once;

use super::print_error;
use crate::runtime::panic_is_caught;

/// Shows no trace of panics that are caught and become errors.
pub fn hide_what_is_caught() {
    let usual = take_hook();
    set_hook(Box::new(move |info| {
        if !panic_is_caught() {
            usual(info);
        }
    }));
}

/// Ends this process when the connection to another one is lost: timely's threads of the connection panic, and its
/// workers would wait for ever. That shows one line and no trace. A worker that panics ends its process too, because
/// the others would wait for it.
pub fn end_with_others() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or_default();
            if ["timely:send-", "timely:recv-"].iter().any(|of_connection| name.starts_with(of_connection)) {
                print_error("rowmill: the connection to another process is lost; this one ends too");
                std::process::exit(1);
            }
            usual(info);
            if name.starts_with("timely:work") && !panic_is_caught() {
                std::process::exit(1);
            }
        }));
    });
}
