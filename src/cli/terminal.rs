//! Durations of the command line, and writing to standard output and standard error.

use std::time::Duration;

/// Writes to standard output; a closed pipe is no error.
pub(super) fn print(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

/// Writes to standard error. That it has no space, as a log on a full disk, ends no run.
pub(super) fn print_error(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Parses a duration of the command line.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    crate::config::parse_duration(text)
}
