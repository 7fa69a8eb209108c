//! The web application: a folder of dataflow files as projects, and their runs as child processes.

mod access;
mod answer;
mod document;
mod editor;
mod edits;
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
