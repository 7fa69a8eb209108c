//! What all requests share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::access::Access;
use super::file_cache::FileCache;
use super::folder::Folder;
use super::runs::Runs;
use crate::registry::Registry;
use crate::source::Stop;

/// The server, as handlers get it.
pub type SharedState = Arc<ServerState>;

/// A folder of projects and their runs.
pub struct ServerState {
    pub folder: Folder,
    pub runs: Runs,
    pub known: FileCache,
    pub access: Arc<Access>,
    /// Permits for streams of events.
    pub streams: Arc<Semaphore>,
    /// What dataflow files can name.
    pub registry: Registry,
    pub stop: Stop,
}
