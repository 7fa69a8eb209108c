//! The disk as sinks and checkpoints use it: a machine's own, or one that a test plays, which loses what was not synced.

mod file;
mod lock;
mod os_disk;
mod replace;
#[cfg(test)]
pub mod simulated;

pub use file::{Disk, DiskFile, FileId, SharedDisk};
pub use lock::lock;
pub use os_disk::{OsDisk, os_disk};
pub use replace::{Readers, replace, replace_json};
