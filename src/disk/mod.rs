//! The disk as sinks and checkpoints use it: a machine's own, or one that a test plays, which loses what was not synced.

mod file;
mod lock;
mod machine;
mod replace;
#[cfg(test)]
pub mod simulated;

pub use file::{Disk, DiskFile, FileId, SharedDisk};
pub use lock::lock;
pub use machine::{OsDisk, machine};
pub use replace::{Readers, replace, replace_json};
