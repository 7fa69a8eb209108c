//! How the source's file begins: by it, a run knows whether the table has results of that file.

use std::io::Read;
use std::path::Path;

use crate::data::fingerprint;

/// The length and hash of the beginning of a file; `None` if it can't be read.
pub fn beginning(path: &Path) -> Option<(i64, String)> {
    /// More than a header of many columns.
    const MOST: u64 = 1 << 16;
    hash_of(path, MOST)
}

/// Whether a file begins so.
pub fn begins(path: &Path, before: &(i64, String)) -> bool {
    hash_of(path, before.0 as u64).as_ref() == Some(before)
}

fn hash_of(path: &Path, bytes: u64) -> Option<(i64, String)> {
    let mut found = Vec::new();
    std::fs::File::open(path).ok()?.take(bytes).read_to_end(&mut found).ok()?;
    Some((found.len() as i64, format!("{:032x}", fingerprint(&found))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_grew_begins_as_before() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a,b\n1,2\n").unwrap();
        let before = beginning(file.path()).unwrap();
        assert_eq!(before.0, 8);
        std::fs::write(file.path(), "a,b\n1,2\n3,4\n").unwrap();
        assert!(begins(file.path(), &before));
        std::fs::write(file.path(), "a,b\n1,7\n3,4\n").unwrap();
        assert!(!begins(file.path(), &before));
    }
}
