//! Starts this program again, for runs in processes of their own.

use std::process::Command;

/// A command that starts this program.
pub fn program() -> Result<Command, String> {
    std::env::current_exe().map(Command::new).map_err(|error| error.to_string())
}
