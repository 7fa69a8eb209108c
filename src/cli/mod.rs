//! The command line: one file a command.

mod batch;
#[cfg(feature = "bench")]
mod bench;
#[cfg(feature = "broker")]
mod broker;
mod check;
mod completions;
#[cfg(all(feature = "web", feature = "broker"))]
mod demo;
mod fit;
mod generate;
mod plan;
mod query;
mod replay;
mod run;
#[cfg(feature = "web")]
mod serve;
mod stuck;
mod subtasks;
#[cfg(feature = "web")]
mod user;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::config::Diagnostic;
use crate::mqtt::masked;
use crate::runtime;
use crate::sink;

/// Stream preprocessing of sensor rows as a timely dataflow.
#[derive(Parser)]
#[command(name = "rowmill", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    Batch(batch::Arguments),
    Fit(fit::Arguments),
    #[cfg(all(feature = "web", feature = "broker"))]
    Demo(demo::Arguments),
    #[cfg(feature = "web")]
    Serve(serve::Arguments),
    #[cfg(feature = "web")]
    User(user::Arguments),
    Plan(plan::Arguments),
    Query(query::Arguments),
    #[cfg(feature = "bench")]
    Bench(bench::Arguments),
    Generate(generate::Arguments),
    Replay(replay::Arguments),
    #[cfg(feature = "broker")]
    Broker(broker::Arguments),
    Check(check::Arguments),
    Subtasks(subtasks::Arguments),
    Completions(completions::Arguments),
    Man(completions::ManArguments),
}

/// Why a command failed, and so its exit code.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The command or the dataflow file is wrong.
    #[error("{0}")]
    Wrong(String),
    /// The run failed.
    #[error("error: {0}")]
    Failed(String),
}

impl Failure {
    /// The exit code.
    fn code(&self) -> u8 {
        match self {
            Failure::Failed(_) => 1,
            Failure::Wrong(_) => 2,
        }
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Failure {
        Failure::Wrong(diagnostic.to_string())
    }
}

impl From<runtime::Error> for Failure {
    fn from(error: runtime::Error) -> Failure {
        match error {
            runtime::Error::Dataflow(diagnostic) => diagnostic.into(),
            // The command lacks a --fresh: another start would end the same way.
            runtime::Error::Sink(sink::Error::Results(reason)) => Failure::Wrong(format!("error: {reason}")),
            error => Failure::Failed(error.to_string()),
        }
    }
}

/// Runs the command line and returns the exit code: 0 done, 1 the run failed, 2 the command or the file is wrong.
pub fn main() -> ExitCode {
    let arguments = Arguments::try_parse_from(runtime::arguments()).unwrap_or_else(|error| refuse(&error));
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,rumqttd=off,rumqttc=off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
    let result = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Batch(arguments) => batch::run(&arguments),
        Command::Fit(arguments) => fit::run(&arguments),
        #[cfg(all(feature = "web", feature = "broker"))]
        Command::Demo(arguments) => demo::run(&arguments),
        #[cfg(feature = "web")]
        Command::Serve(arguments) => serve::run(&arguments),
        #[cfg(feature = "web")]
        Command::User(arguments) => user::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Query(arguments) => query::run(&arguments),
        #[cfg(feature = "bench")]
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        #[cfg(feature = "broker")]
        Command::Broker(arguments) => broker::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Subtasks(arguments) => subtasks::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => completions::man(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.code())
        }
    }
}

/// Says what is wrong with the command line, or helps, and ends.
fn refuse(error: &clap::Error) -> ! {
    let said = error.to_string();
    let shown = masked(&said);
    if shown == said {
        error.exit();
    }
    eprintln!("{}", shown.trim_end());
    std::process::exit(error.exit_code())
}

/// Writes to standard output; a reader that has gone is no error.
fn print(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

/// Parses a duration of the command line.
fn duration(text: &str) -> Result<Duration, String> {
    crate::config::parse_duration(text)
}
