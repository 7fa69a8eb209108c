//! `rowmill user`: who may sign in.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::{Failure, print};
use crate::web::{UserRole, Users, users_file};

/// Characters of a password.
const LEAST_PASSWORD: usize = 8;

/// Manage the users of `rowmill serve`.
#[derive(clap::Args)]
pub struct UserArguments {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Add a user, or give one another role and password. The password is asked for, or read from standard input.
    Add {
        name: String,
        /// What the user may do: look, or all.
        #[arg(long, value_enum, default_value_t = UserRole::Viewer)]
        role: UserRole,
        #[command(flatten)]
        place: UsersFile,
    },
    /// List the users with their roles.
    List {
        #[command(flatten)]
        place: UsersFile,
    },
    /// Take a user out; open sessions end.
    Remove {
        name: String,
        #[command(flatten)]
        place: UsersFile,
    },
}

/// Where users are kept.
#[derive(clap::Args)]
pub(super) struct UsersFile {
    /// The folder with the dataflow files.
    #[arg(long, value_name = "DIR", default_value = "dataflows")]
    dir: PathBuf,
    /// The file of users; DIR/.rowmill/users.json if not given.
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
}

impl UsersFile {
    pub(super) fn users(&self) -> Result<Users, Failure> {
        if self.users.is_none() && !self.dir.is_dir() {
            return Err(Failure::Wrong(format!("error: --dir {}: there is no such folder", self.dir.display())));
        }
        Ok(Users::new(self.users.clone().unwrap_or_else(|| users_file(&self.dir))))
    }
}

pub fn run(arguments: &UserArguments) -> Result<ExitCode, Failure> {
    match &arguments.command {
        UserCommand::Add { name, role, place } => add(name, *role, &place.users()?),
        UserCommand::List { place } => {
            let users = place.users()?;
            list(users.path(), users.list())
        }
        UserCommand::Remove { name, place } => {
            let users = place.users()?;
            remove(users.path(), name, users.remove(name))
        }
    }
}

/// A file that can't be read or written.
pub(super) fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("{}: {error}", path.display()))
}

/// Prints the names in a file with their roles.
pub(super) fn list(path: &Path, names: std::io::Result<Vec<(String, UserRole)>>) -> Result<ExitCode, Failure> {
    for (name, role) in names.map_err(|error| failed(path, &error))? {
        print(&format!("{name} {role}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells whether a name was in a file that it was to be taken out of.
pub(super) fn remove(path: &Path, name: &str, was_there: std::io::Result<bool>) -> Result<ExitCode, Failure> {
    if was_there.map_err(|error| failed(path, &error))? {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::Wrong(format!("error: {} knows no {name}", path.display())))
}

fn add(name: &str, role: UserRole, users: &Users) -> Result<ExitCode, Failure> {
    let password = password(name).map_err(|error| Failure::Failed(format!("the password cannot be read: {error}")))?;
    if password.chars().count() < LEAST_PASSWORD {
        return Err(Failure::Wrong(format!("error: the password has less than {LEAST_PASSWORD} characters")));
    }
    let added = users.add(name, role, &password);
    added.map_err(|error| failed(users.path(), &error))?;
    print(&format!("{name} may sign in: {}", users.path().display()));
    Ok(ExitCode::SUCCESS)
}

fn password(name: &str) -> std::io::Result<String> {
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password(format!("Password of {name}: "));
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
