//! What a panic shows, and what becomes of a process of several when another one is gone: the only panic hooks.

use std::panic::{set_hook, take_hook};
use std::sync::Once;

use crate::runtime::panic_is_caught;

/// What is caught and becomes an error shows no trace.
pub fn hide_what_is_caught() {
    let usual = take_hook();
    set_hook(Box::new(move |info| {
        if !panic_is_caught() {
            usual(info);
        }
    }));
}

/// Ends this process when the connection to another one is lost. timely's threads of the connections panic then, and its
/// workers would wait for ever: it is said, and no trace is shown. A worker that panics ends its process, too: the others
/// would wait for it.
pub fn end_with_others() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or_default();
            if ["timely:send-", "timely:recv-"].iter().any(|of_connection| name.starts_with(of_connection)) {
                eprintln!("rowmill: the connection to another process is lost; this one ends too");
                std::process::exit(1);
            }
            usual(info);
            if name.starts_with("timely:work") && !panic_is_caught() {
                std::process::exit(1);
            }
        }));
    });
}
