//! Binds an address for a folder of projects, and serves.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ipnet::IpNet;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::access::Access;
use super::audit::AuditLog;
use super::base_path::BasePath;
use super::certificate::CertificateFiles;
use super::connections::{self, WebService};
use super::file_cache::FileCache;
use super::folder::{Folder, ProjectName};
use super::index_page::IndexPage;
use super::origin::ClientShares;
use super::runs::{self, EarlierResults, Runs};
use super::server;
use super::state::{ServerState, SharedState};
use super::text_cache::TextCache;
use super::users::Users;
use crate::disk;
use crate::registry::Registry;
use crate::source::Stop;

/// Where to listen, and what to show.
#[derive(Clone)]
pub struct ListenOptions {
    /// The address; port 0 stands for a free one.
    pub listen: SocketAddr,
    /// The folder with the dataflow files. Runs work in it; what the page itself reads of a file that a dataflow names
    /// counts from this process' own directory, which is better the same.
    pub directory: PathBuf,
    /// Who may sign in; that of the folder if not given.
    pub users: Option<PathBuf>,
    /// The path under which a proxy shows the page.
    pub base_path: BasePath,
    /// Proxies that may say for whom they ask. With any, a login is needed: others can reach the server through them.
    pub trusted_proxies: Vec<IpNet>,
    /// For TLS of its own.
    pub certificate: Option<CertificateFiles>,
    /// What dataflow files can name.
    pub registry: Registry,
    /// Set it to end.
    pub stop: Stop,
}

/// Streams of events that are open at once; one more is refused.
const MOST_STREAMS: usize = 1024;
/// Those of one client: a proxy that is not trusted counts as one.
const MOST_STREAMS_OF_CLIENT: usize = 256;

/// A server that listens.
pub struct WebServer {
    /// Where it listens.
    pub address: SocketAddr,
    listener: std::net::TcpListener,
    /// Locked as long as this server has the folder.
    _folder: File,
    tls: Option<TlsAcceptor>,
    shared: SharedState,
}

/// A folder's own file of users, used if no other one is given.
pub fn users_file(directory: &Path) -> PathBuf {
    directory.join(Folder::STATE).join("users.json")
}

/// Binds the address.
///
/// # Errors
/// In words: a folder that is none, or that another process serves, an address that is taken, or one that needs a login
/// and has no users.
pub fn listen(options: ListenOptions) -> Result<WebServer, String> {
    let shown = options.directory.display();
    let folder = Folder::open(&options.directory).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no folder {shown}: make it, or name another one with --dir"),
        _ => format!("{shown}: {error}"),
    })?;
    let state = folder.path().join(Folder::STATE);
    let held = File::open(&state).map_err(|error| format!("{}: {error}", state.display()))?;
    disk::lock(&held).map_err(|error| format!("{shown} is served already: {error}"))?;
    let users = options.users.unwrap_or_else(|| users_file(folder.path()));
    let users = Users::new(std::path::absolute(&users).unwrap_or(users));
    let nobody = users.is_empty().map_err(|error| format!("{}: {error}", users.path().display()))?;
    let tls = options.certificate.map(|files| files.acceptor()).transpose()?;
    let reached = !options.listen.ip().is_loopback() || !options.trusted_proxies.is_empty();
    if nobody && reached {
        return Err(format!(
            "{} can be reached from elsewhere and needs a login: add a user with `rowmill user add NAME --dir {shown}`",
            options.listen
        ));
    }
    let failed = |error: std::io::Error| format!("{} cannot be listened on: {error}", options.listen);
    let listener = std::net::TcpListener::bind(options.listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let audit = AuditLog::new(folder.path().join(Folder::STATE).join(AuditLog::FILE));
    let shared = Arc::new(ServerState {
        folder,
        audit,
        runs: Runs::default(),
        known: FileCache::default(),
        told: TextCache::default(),
        saves: Mutex::default(),
        access: Arc::new(Access::new(users, !nobody || reached)),
        index: IndexPage::under(&options.base_path),
        base_path: options.base_path,
        trusted_proxies: options.trusted_proxies,
        streams: Arc::new(Semaphore::new(MOST_STREAMS)),
        streams_of_clients: ClientShares::of_each(MOST_STREAMS_OF_CLIENT),
        registry: options.registry,
        stop: options.stop,
    });
    Ok(WebServer { address, listener, _folder: held, tls, shared })
}

impl WebServer {
    /// Where a browser of this machine finds the page.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{}", self.address, self.shared.base_path.as_str())
    }

    /// The folder with the dataflow files, as an absolute path.
    pub fn directory(&self) -> &Path {
        self.shared.folder.path()
    }

    /// Starts a project, as the page's button does.
    ///
    /// # Errors
    /// In words: it can't be started.
    pub fn start(&self, name: &ProjectName) -> Result<(), String> {
        self.shared.runs.start(&self.shared.folder, name, &EarlierResults::Keep).map(drop)
    }

    /// Asks a project to end, and waits for it.
    ///
    /// # Errors
    /// In words: it does not run.
    pub fn stop(&self, name: &ProjectName) -> Result<(), String> {
        let ServerState { folder, runs, .. } = &*self.shared;
        runs.stop(folder, name)?;
        while runs.run(folder, name).state.is_alive() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Ok(())
    }

    /// What a project's last run wrote on standard error.
    pub fn log(&self, name: &ProjectName) -> String {
        runs::log(&self.shared.folder, name, u64::MAX).unwrap_or_default()
    }

    /// The folder with the report of a project's last run.
    pub fn report(&self, name: &ProjectName) -> PathBuf {
        runs::report(&self.shared.folder, name)
    }

    /// Serves until it is told to stop.
    ///
    /// # Errors
    /// In words.
    pub fn serve(&self) -> Result<(), String> {
        const THREADS: usize = 2;
        let failed = |error: std::io::Error| format!("the page cannot be served: {error}");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
        let runtime = runtime.map_err(failed)?;
        let listener = self.listener.try_clone().map_err(failed)?;
        runtime
            .block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let (router, base) = (server::router(&self.shared), self.shared.base_path.clone());
                let service = WebService { router, base, tls: self.tls.clone() };
                connections::serve(service, listener, self.shared.stop.clone()).await;
                Ok(())
            })
            .map_err(failed)
    }
}
