//! `rowmill token`: API tokens for scripts.

use std::process::ExitCode;

use clap::Subcommand;

use super::user::{UsersFile, failed, list, remove};
use super::{Failure, print};
use crate::web::{Tokens, UserRole};

/// Manage the API tokens of `rowmill serve`: scripts and Prometheus send one as `Authorization: Bearer TOKEN`.
#[derive(clap::Args)]
pub struct TokenArguments {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Make a token and print it. Only its hash is kept: it cannot be shown again.
    Add {
        name: String,
        /// What the token allows: look, or all.
        #[arg(long, value_enum, default_value_t = UserRole::Viewer)]
        role: UserRole,
        #[command(flatten)]
        place: UsersFile,
    },
    /// List the tokens with their roles.
    List {
        #[command(flatten)]
        place: UsersFile,
    },
    /// Take a token out: it is refused at once.
    Remove {
        name: String,
        #[command(flatten)]
        place: UsersFile,
    },
}

pub fn run(arguments: &TokenArguments) -> Result<ExitCode, Failure> {
    let (TokenCommand::Add { place, .. } | TokenCommand::List { place } | TokenCommand::Remove { place, .. }) =
        &arguments.command;
    let tokens = Tokens::beside(place.users()?.path());
    let path = tokens.path();
    match &arguments.command {
        TokenCommand::Add { name, role, .. } => {
            let made = tokens.add(name, *role).map_err(|error| failed(path, &error))?;
            let in_use = || Failure::Wrong(format!("error: {} has a token {name}: remove it first", path.display()));
            print(&made.ok_or_else(in_use)?);
            Ok(ExitCode::SUCCESS)
        }
        TokenCommand::List { .. } => list(path, tokens.list()),
        TokenCommand::Remove { name, .. } => remove(path, name, tokens.remove(name)),
    }
}
