//! `rowmill serve`: the web application.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{Failure, signals, stuck};
use crate::registry::Registry;
use crate::runtime;
use crate::web::{self, ListenOptions, WebServer};

/// Serve a page where dataflow files are projects: edit, start, stop, watch.
///
/// Runs are processes of their own: they go on when the page ends, and it finds them again.
#[derive(clap::Args)]
pub struct ServeArguments {
    /// Where to listen. Other machines can reach it only with a login: see `rowmill user`.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7878")]
    listen: SocketAddr,
    /// The folder with the dataflow files. Paths in them count from it, and stay in it.
    #[arg(long, value_name = "DIR", default_value = "dataflows")]
    dir: PathBuf,
    /// Who may sign in; DIR/.rowmill/users.json if not given. With no users in it, everybody on this machine.
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
}

/// Relative paths of dataflow files count from their folder, for the page as for the runs it starts.
pub(super) fn work_in(server: &WebServer) -> Result<(), Failure> {
    let directory = server.directory();
    let moved = std::env::set_current_dir(directory);
    moved.map_err(|error| Failure::Wrong(format!("error: {}: {error}", directory.display())))
}

pub fn run(arguments: &ServeArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    let ServeArguments { listen, dir, users } = arguments;
    let stop = signals::stop_on_signals()?;
    stuck::bound(&stop, runtime::DRAIN_TIMEOUT, || "an answer of the page is not at its end".into());
    let options = ListenOptions {
        listen: *listen,
        directory: dir.clone(),
        users: users.clone(),
        stop,
        registry: registry.clone(),
    };
    let server = web::listen(options).map_err(|reason| Failure::Wrong(format!("error: {reason}")))?;
    work_in(&server)?;
    eprintln!("{} on http://{}", dir.display(), server.address);
    server.serve().map_err(Failure::Failed)?;
    Ok(ExitCode::SUCCESS)
}
