//! A new model without a stop: fitted params change while rows flow, for all workers and processes at one epoch.
//!
//! - `watch`: looks at the files and makes the steps anew; `request`: how another program asks for it.
//! - `proposals`: takes new params to the other processes, and their answers back.
//! - `switch`: decides on the first worker from which epoch on they serve; `versions`: the steps of each version.
//!
//! Never here: what params mean (`config`, `subtasks`), and how a message meets its version (`graph`).

pub(crate) mod proposals;
mod request;
pub(crate) mod switch;
pub(crate) mod versions;
pub(crate) mod watch;

pub use request::{ReloadAnswer, ReloadRequest};
