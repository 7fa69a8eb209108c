//! `rowmill completions` and `rowmill man`: made from the command line's own definition.

use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;

use super::{Failure, print};

/// Print completions for a shell.
#[derive(clap::Args)]
pub struct CompletionsArguments {
    shell: Shell,
}

/// Print the man page.
#[derive(clap::Args)]
pub struct ManArguments {}

/// Prints the completions of `command`.
pub fn run(arguments: &CompletionsArguments, mut command: Command) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "rowmill", &mut text);
    print(&String::from_utf8_lossy(&text));
    Ok(ExitCode::SUCCESS)
}

/// Prints the man page of `command`.
pub fn man(_: &ManArguments, command: Command) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    let rendered = clap_mangen::Man::new(command).render(&mut text);
    rendered.map_err(|error| Failure::Failed(error.to_string()))?;
    print(&String::from_utf8_lossy(&text));
    Ok(ExitCode::SUCCESS)
}
