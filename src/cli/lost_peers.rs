//! What becomes of a process of several when another one is gone.

use std::sync::Once;

/// Ends this process when the connection to another one is lost. timely's threads of the connections panic then, and its
/// workers would wait for ever: it is said, and no trace is shown. A worker that panics ends its process, too: the others
/// would wait for it.
pub fn end_with_them() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or_default();
            if ["timely:send-", "timely:recv-"].iter().any(|of_connection| name.starts_with(of_connection)) {
                eprintln!("rowmill: the connection to another process is lost; this one ends too");
                std::process::exit(1);
            }
            usual(info);
            if name.starts_with("timely:work") {
                std::process::exit(1);
            }
        }));
    });
}
