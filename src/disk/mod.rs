//! The disk as sinks and checkpoints use it.
//!
//! - `file`: the traits of disks and files. `os_disk`: the machine's own disk.
//! - `simulated`: a disk for tests, which loses what was not synced.
//! - `lock`: one run per file. `replace`: small files that are replaced atomically.
//! - `whole_file`: whole files in memory, of a bounded length.
//!
//! Never here: what the files hold.

mod file;
mod lock;
mod os_disk;
mod replace;
#[cfg(test)]
pub mod simulated;
mod whole_file;

pub use file::{Disk, DiskFile, FileId, SharedDisk};
pub use lock::lock;
pub use os_disk::{OsDisk, os_disk};
pub use replace::{Readers, replace, replace_json};
pub use whole_file::{read_at_most, read_regular, read_regular_text, read_text_at_most};
