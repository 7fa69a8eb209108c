//! `rowmill completions` and `rowmill man`: made from the command line's own definition.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Failure, print};

/// Print completions for a shell.
#[derive(clap::Args)]
pub struct Arguments {
    shell: Shell,
}

/// Print the man page.
#[derive(clap::Args)]
pub struct ManArguments {}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "rowmill", &mut text);
    print(&String::from_utf8_lossy(&text));
    Ok(ExitCode::SUCCESS)
}

pub fn man(_: &ManArguments) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    let rendered = clap_mangen::Man::new(super::Arguments::command()).render(&mut text);
    rendered.map_err(|error| Failure::Failed(error.to_string()))?;
    print(&String::from_utf8_lossy(&text));
    Ok(ExitCode::SUCCESS)
}
