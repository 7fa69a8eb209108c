//! Files that are there already, and where results in them end.

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is replaced.
    Replace,
    /// Refuse it if it holds anything.
    Refuse,
    /// The run ends with its source, and is started again as a whole: refuse what one has finished, unless it is to be
    /// `fresh`. What one has left unfinished is replaced, if the source `repeats` its rows, and else goes on.
    Rerun {
        /// Whether what one has finished is replaced.
        fresh: bool,
        /// Whether the source gives its rows again.
        repeats: bool,
    },
    /// Write behind all that it holds.
    Append,
    /// Write behind its first bytes, which are known by a fingerprint; the rest goes.
    Resume {
        /// Bytes that stay.
        length: u64,
        /// A hash of the last kilobyte of them.
        fingerprint: u64,
    },
}

/// Where in a file results end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileEnd {
    /// Bytes from the beginning of the file.
    pub length: u64,
    /// A hash of the last kilobyte before it.
    pub fingerprint: u64,
}
