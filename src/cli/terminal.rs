//! Durations of the command line, and writing to standard output.

use std::time::Duration;

/// Writes to standard output; a closed pipe is no error.
pub(super) fn print(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

/// Parses a duration of the command line.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    crate::config::parse_duration(text)
}
