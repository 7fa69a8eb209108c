//! What to do with a file that exists, and where results in it end.

use serde::{Deserialize, Serialize};

/// What to do with a file that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is replaced.
    Replace,
    /// Refuse it if it holds anything.
    Refuse,
    /// For a run that starts again as a whole after it ended with its source: refuse finished results, unless `fresh`.
    /// Unfinished ones are replaced if the source `repeats` its rows, and else appended to.
    Rerun {
        /// Whether finished results are replaced.
        fresh: bool,
        /// Whether the source repeats its rows.
        repeats: bool,
    },
    /// Write behind its contents.
    Append,
    /// Write behind its first bytes, which are recognised by a fingerprint; the rest is discarded.
    Resume {
        /// Bytes that stay.
        length: u64,
        /// A hash of the last kilobyte of them.
        fingerprint: u64,
    },
}

/// Where in a file results end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEnd {
    /// Bytes from the beginning of the file.
    pub length: u64,
    /// A hash of the last kilobyte before it.
    pub fingerprint: u64,
}
