//! What all requests share.

use std::sync::Arc;

use super::access::Access;
use super::folder::Folder;
use super::known::Known;
use super::runs::Runs;
use crate::registry::Registry;
use crate::source::Stop;

/// The server, as handlers get it.
pub type Shared = Arc<Server>;

/// A folder of projects and their runs.
pub struct Server {
    pub folder: Folder,
    pub runs: Runs,
    pub known: Known,
    pub access: Arc<Access>,
    /// What dataflow files can name.
    pub registry: Registry,
    pub stop: Stop,
}
