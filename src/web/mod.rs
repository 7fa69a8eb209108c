//! The web application: a folder of dataflow files as projects, and their runs as child processes.
//!
//! - `listen`, `server`, `connections`, `state`: the address, the routes, who is connected, what requests share; `page`:
//!   the embedded files.
//! - `access`, `sign_in`, `failures`, `users`: logins, sessions, and the check before every request.
//! - `projects`, `editor`, `live`, `tables`, `metrics`: the API by subject; `answer`: bodies of requests, and refusals.
//! - `folder`, `file_cache`, `runs`: dataflow files, and child processes; `rows`: the rows of a preview.
//! - `document`, `edits`, `problem`: the text of a dataflow file, changed and checked for a form.
//!
//! Never here: a run in this process, other than previews and tests of a connection.

mod access;
mod answer;
mod connections;
mod document;
mod editor;
mod edits;
mod failures;
mod file_cache;
mod folder;
mod listen;
mod live;
mod metrics;
mod page;
mod problem;
mod projects;
mod rows;
mod runs;
mod server;
mod sign_in;
mod state;
mod tables;
#[cfg(test)]
mod testing;
mod users;

pub use edits::{Edit, edited};
pub use folder::{Folder, ProjectName};
pub use listen::{ListenOptions, WebServer, listen, users_file};
pub use users::{UserRole, Users};
