//! This program, for runs of its own.

use std::process::Command;

/// This program, for a run of its own.
pub fn program() -> Result<Command, String> {
    std::env::current_exe().map(Command::new).map_err(|error| error.to_string())
}
