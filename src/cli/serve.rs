//! `rowmill serve`: the web application.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use ipnet::IpNet;

use super::{Failure, signals, stuck};
use crate::registry::Registry;
use crate::runtime;
use crate::web::{self, BasePath, CertificateFiles, ListenOptions, WebServer};

/// Serve a page where dataflow files are projects: edit, start, stop, watch.
///
/// Runs are processes of their own: they go on when the page ends, and it finds them again.
#[derive(clap::Args)]
pub struct ServeArguments {
    /// Where to listen. Other machines can reach it only with a login: see `rowmill user`.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7878")]
    listen: SocketAddr,
    /// The folder with the dataflow files. Paths in them count from it, and stay in it but for links that stand there.
    #[arg(long, value_name = "DIR", default_value = "dataflows")]
    dir: PathBuf,
    /// Who may sign in; DIR/.rowmill/users.json if not given. With no users in it, everybody on this machine.
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// The path under which a proxy shows the page, such as /rowmill. The proxy may pass it on or take it off.
    #[arg(long, value_name = "PATH", default_value = "/")]
    base_path: BasePath,
    /// A proxy whose X-Forwarded-For, -Proto and -Host count: an address, or a network such as 10.0.0.0/8. May be
    /// repeated. With it, users must sign in.
    #[arg(long, value_name = "ADDRESS", value_parser = web::network)]
    trusted_proxy: Vec<IpNet>,
    /// TLS of the page's own: a PEM file with its certificate, and those that lead to the authority.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// The certificate's private key, a PEM file.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
}

/// Relative paths of dataflow files count from their folder, for the page as for the runs it starts.
pub(super) fn work_in(server: &WebServer) -> Result<(), Failure> {
    let directory = server.directory();
    let moved = std::env::set_current_dir(directory);
    moved.map_err(|error| Failure::Wrong(format!("error: {}: {error}", directory.display())))
}

pub fn run(arguments: &ServeArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    let ServeArguments { listen, dir, users, base_path, trusted_proxy, certificate, key } = arguments;
    let certificate = certificate.clone().zip(key.clone());
    let stop = signals::stop_on_signals()?;
    stuck::bound(&stop, runtime::DRAIN_TIMEOUT, || "an answer of the page is not at its end".into());
    let options = ListenOptions {
        listen: *listen,
        directory: dir.clone(),
        users: users.clone(),
        base_path: base_path.clone(),
        trusted_proxies: trusted_proxy.clone(),
        certificate: certificate.map(|(certificate, key)| CertificateFiles { certificate, key }),
        stop,
        registry: registry.clone(),
    };
    let server = web::listen(options).map_err(|reason| Failure::Wrong(format!("error: {reason}")))?;
    work_in(&server)?;
    eprintln!("{} on {}", dir.display(), server.url());
    server.serve().map_err(Failure::Failed)?;
    Ok(ExitCode::SUCCESS)
}
