//! The command line.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

#[cfg(feature = "bench")]
use super::bench;
#[cfg(feature = "broker")]
use super::broker;
#[cfg(all(feature = "web", feature = "broker"))]
use super::demo;
use super::{
    batch, check, completions, fit, generate, launcher, new, panics, peek, plan, print_error, query, reload, replay,
    rescale, run, schema, subtasks,
};
#[cfg(feature = "web")]
use super::{serve, token, user};

use crate::mqtt::{allow_environment, masked};
use crate::registry::Registry;

/// Stream preprocessing of sensor rows as a timely dataflow.
#[derive(Parser)]
#[command(name = "rowmill", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::RunArguments),
    Batch(batch::BatchArguments),
    Fit(fit::FitArguments),
    #[cfg(all(feature = "web", feature = "broker"))]
    Demo(demo::DemoArguments),
    #[cfg(feature = "web")]
    Serve(serve::ServeArguments),
    #[cfg(feature = "web")]
    User(user::UserArguments),
    #[cfg(feature = "web")]
    Token(token::TokenArguments),
    Plan(plan::PlanArguments),
    Query(query::QueryArguments),
    Rescale(rescale::RescaleArguments),
    Reload(reload::ReloadArguments),
    #[cfg(feature = "bench")]
    Bench(bench::BenchArguments),
    Generate(generate::GenerateArguments),
    Replay(replay::ReplayArguments),
    #[cfg(feature = "broker")]
    Broker(broker::BrokerArguments),
    New(new::NewArguments),
    Peek(peek::PeekArguments),
    Check(check::CheckArguments),
    Subtasks(subtasks::SubtasksArguments),
    Schema(schema::SchemaArguments),
    Completions(completions::CompletionsArguments),
    Man(completions::ManArguments),
}

/// Runs the command line with what is built in; see [`main_with`].
pub fn main() -> ExitCode {
    main_with(Registry::builtin())
}

/// Runs the command line and returns the exit code: 0 done, 1 the run failed, 2 the command or the file is wrong.
///
/// A program of one's own that adds to the registry has all commands of `rowmill`:
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     rowmill::cli::main_with(rowmill::Registry::builtin())
/// }
/// ```
pub fn main_with(registry: Registry) -> ExitCode {
    panics::hide_what_is_caught();
    allow_environment(|name| std::env::var(name));
    let registry = &registry;
    let arguments = CommandLine::try_parse_from(launcher::arguments()).unwrap_or_else(|error| refuse(&error));
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,rumqttd=off,rumqttc=off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        // It would be a panic where standard error has no space.
        .log_internal_errors(false)
        .init();
    let result = match arguments.command {
        Command::Run(arguments) => run::run(&arguments, registry),
        Command::Batch(arguments) => batch::run(&arguments, registry),
        Command::Fit(arguments) => fit::run(&arguments, registry),
        #[cfg(all(feature = "web", feature = "broker"))]
        Command::Demo(arguments) => demo::run(&arguments, registry),
        #[cfg(feature = "web")]
        Command::Serve(arguments) => serve::run(&arguments, registry),
        #[cfg(feature = "web")]
        Command::User(arguments) => user::run(&arguments),
        #[cfg(feature = "web")]
        Command::Token(arguments) => token::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments, registry),
        Command::Query(arguments) => query::run(&arguments),
        Command::Rescale(arguments) => rescale::run(&arguments),
        Command::Reload(arguments) => reload::run(&arguments),
        #[cfg(feature = "bench")]
        Command::Bench(arguments) => bench::run(&arguments, registry),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        #[cfg(feature = "broker")]
        Command::Broker(arguments) => broker::run(&arguments),
        Command::New(arguments) => new::run(&arguments, registry),
        Command::Peek(arguments) => peek::run(&arguments, registry),
        Command::Check(arguments) => check::run(&arguments, registry),
        Command::Subtasks(arguments) => subtasks::run(&arguments, registry),
        Command::Schema(arguments) => schema::run(&arguments, registry),
        Command::Completions(arguments) => completions::run(&arguments, CommandLine::command()),
        Command::Man(arguments) => completions::man(&arguments, CommandLine::command()),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            print_error(&failure.to_string());
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
    print_error(shown.trim_end());
    std::process::exit(error.exit_code())
}
