//! What all requests share.

use std::sync::{Arc, Mutex};

use ipnet::IpNet;
use tokio::sync::Semaphore;

use super::access::Access;
use super::audit::AuditLog;
use super::base_path::BasePath;
use super::file_cache::FileCache;
use super::folder::Folder;
use super::index_page::IndexPage;
use super::origin::ClientShares;
use super::runs::Runs;
use super::text_cache::TextCache;
use crate::registry::Registry;
use crate::source::Stop;

/// The server, as handlers get it.
pub type SharedState = Arc<ServerState>;

/// A folder of projects and their runs.
pub struct ServerState {
    pub folder: Folder,
    pub runs: Runs,
    pub known: FileCache,
    /// Held while a dataflow file is compared and replaced.
    pub saves: Mutex<()>,
    pub access: Arc<Access>,
    pub audit: AuditLog,
    pub base_path: BasePath,
    /// The page, as it is under that path.
    pub index: IndexPage,
    pub trusted_proxies: Vec<IpNet>,
    /// What streams of events tell.
    pub told: TextCache,
    /// Permits for streams of events.
    pub streams: Arc<Semaphore>,
    /// The streams of each client.
    pub streams_of_clients: Arc<ClientShares>,
    /// What dataflow files can name.
    pub registry: Registry,
    pub stop: Stop,
}
