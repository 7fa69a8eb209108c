//! The web application: a folder of dataflow files as projects, and their runs as child processes.
//!
//! - `listen`, `server`, `connections`, `state`: the address, the routes, who is connected, what requests share; `page`,
//!   `index_page`: the embedded files; `etag`: versions of files.
//! - `client`, `origin`, `base_path`, `certificate`: who sends a request, what one client may hold, and how the server is
//!   reached, also through a proxy.
//! - `access`, `sign_in`, `failures`: logins, sessions, and the check before every request; `users`, `tokens`,
//!   `owner_file`: who is known; `audit`, `audited`: who did what.
//! - `projects`, `editor`, `live`, `tables`, `metrics`: the API by subject; `answer`: bodies of requests, and refusals;
//!   `api_document`: the description of all.
//! - `folder`, `file_cache`, `runs`, `text_cache`: dataflow files, child processes, and what streams tell of both; `rows`:
//!   the rows of a preview.
//! - `document`, `edits`, `problem`, `duplicate`: the text of a dataflow file, changed and checked for a form; `proposal`:
//!   what a source's payloads show, in it.
//!
//! Never here: a run in this process, other than previews and tests of a connection.

mod access;
mod answer;
mod api_document;
mod audit;
mod audited;
mod base_path;
mod certificate;
mod client;
mod connections;
mod document;
mod duplicate;
mod editor;
mod edits;
mod etag;
mod failures;
mod file_cache;
mod folder;
mod index_page;
mod listen;
mod live;
mod metrics;
mod origin;
mod owner_file;
mod page;
mod problem;
mod projects;
mod proposal;
mod rows;
mod runs;
mod server;
mod sign_in;
mod state;
mod tables;
#[cfg(test)]
mod testing;
mod text_cache;
mod tokens;
mod users;

pub use base_path::BasePath;
pub use certificate::CertificateFiles;
pub use client::network;
pub use edits::{Edit, edited};
pub use folder::{Folder, ProjectName};
pub use listen::{ListenOptions, WebServer, listen, users_file};
pub use tokens::Tokens;
pub use users::{UserRole, Users};
