//! The web application: a folder of dataflow files as projects, and their runs as child processes.

mod access;
mod answer;
mod document;
mod editor;
mod folder;
mod known;
mod listen;
mod live;
mod metrics;
mod page;
mod projects;
mod rows;
mod runs;
mod server;
mod sign_in;
mod state;
mod tables;
mod users;

pub use document::{Edit, edited};
pub use folder::{Folder, ProjectName};
pub use listen::{ListenOptions, WebServer, listen, users_file};
pub use users::{UserRole, Users};
