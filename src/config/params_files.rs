//! The contents of files of fitted params as they were read at one time: all steps of a chain must be made from the same.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::config::fitted::Fitted;
use crate::data::fingerprint;
use crate::disk;

/// The most bytes of a file of fitted params.
const PARAMS_BYTES_MAX: u64 = 1 << 33;

/// The contents of a file of fitted params, which is read again: when it changes, and for each question about columns.
///
/// # Errors
/// As [`disk::read_regular`].
pub fn read_params(path: &Path) -> std::io::Result<Vec<u8>> {
    disk::read_regular(path, PARAMS_BYTES_MAX)
}

/// The contents of files of fitted params by their paths, as the dataflow file gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParamsFiles(BTreeMap<String, Arc<[u8]>>);

impl ParamsFiles {
    /// Reads files.
    ///
    /// # Errors
    /// In words, the first one that cannot be read.
    pub fn read<'a>(paths: impl IntoIterator<Item = &'a str>) -> Result<ParamsFiles, String> {
        let read = |path: &str| {
            let bytes = read_params(Path::new(path)).map_err(|error| format!("{path}: {error}"))?;
            Ok((path.to_owned(), bytes.into()))
        };
        paths.into_iter().map(read).collect::<Result<_, String>>().map(ParamsFiles)
    }

    /// Adds the contents of a file.
    pub fn insert(&mut self, path: &str, bytes: Vec<u8>) {
        self.0.insert(path.to_owned(), bytes.into());
    }

    /// The contents of a file, if it is one of these.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path).map(|bytes| &**bytes)
    }

    /// The paths.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Those of these paths.
    pub fn only(&self, paths: &BTreeSet<&str>) -> ParamsFiles {
        let all = self.0.iter().filter(|(path, _)| paths.contains(path.as_str()));
        ParamsFiles(all.map(|(path, bytes)| (path.clone(), bytes.clone())).collect())
    }

    /// Whether it holds no file.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By path, the SHA-256 of each file's contents in hexadecimal digits, as `sha256sum` prints it.
    pub fn hashes(&self) -> BTreeMap<String, String> {
        self.0.iter().map(|(path, bytes)| (path.clone(), sha256(bytes))).collect()
    }
}

/// The SHA-256 of some bytes in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Files of fitted params, each parsed at most once: those that are given, else those on disk.
pub(super) struct ParsedParams<'a> {
    given: Option<&'a ParamsFiles>,
    /// With a hash of the contents.
    parsed: RefCell<HashMap<String, (u128, Rc<Fitted>)>>,
}

impl<'a> ParsedParams<'a> {
    pub(super) fn on_disk() -> ParsedParams<'a> {
        ParsedParams { given: None, parsed: RefCell::default() }
    }

    pub(super) fn of(given: &'a ParamsFiles) -> ParsedParams<'a> {
        ParsedParams { given: Some(given), ..ParsedParams::on_disk() }
    }

    /// A hash of a file that is given.
    pub(super) fn fingerprint(&self, path: &str) -> Option<u128> {
        self.given?.get(path).map(fingerprint)
    }

    /// What a file holds, and a hash of its contents.
    ///
    /// # Errors
    /// A file that cannot be read, or as [`Fitted::parse`].
    pub(super) fn get(&self, path: &str) -> Result<(u128, Rc<Fitted>), String> {
        if let Some(parsed) = self.parsed.borrow().get(path) {
            return Ok(parsed.clone());
        }
        let read = match self.given.and_then(|given| given.get(path)) {
            Some(given) => Cow::Borrowed(given),
            None => Cow::Owned(read_params(Path::new(path)).map_err(|error| error.to_string())?),
        };
        let parsed = (fingerprint(&read), Rc::new(Fitted::parse(&read)?));
        self.parsed.borrow_mut().insert(path.to_owned(), parsed.clone());
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_stays_though_the_file_changes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.json").to_str().unwrap().to_owned();
        std::fs::write(&path, "{\"rowmill_fit\": 1, \"steps\": []}").unwrap();
        let files = ParamsFiles::read([path.as_str()]).unwrap();
        assert_eq!(files.hashes()[&path], sha256(b"{\"rowmill_fit\": 1, \"steps\": []}"));
        std::fs::write(&path, "{").unwrap();
        assert!(ParsedParams::of(&files).get(&path).unwrap().1.steps.is_empty());
        assert!(ParsedParams::on_disk().get(&path).is_err());
        assert!(ParamsFiles::read(["/dev/zero"]).unwrap_err().contains("regular file"));
        assert!(ParsedParams::on_disk().get("/dev/zero").unwrap_err().contains("regular file"));
        assert!(ParamsFiles::read(["no/such.json"]).unwrap_err().starts_with("no/such.json: "));
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
