//! A JSON file that only its owner can read: what is known by name.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::disk::{self, Readers};

/// Entries by name, read anew each time: the file may change at any time.
#[derive(Clone, Debug)]
pub struct OwnerFile<T> {
    path: PathBuf,
    entries: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> OwnerFile<T> {
    /// The entries of a file, which need not be there yet.
    pub fn new(path: PathBuf) -> OwnerFile<T> {
        OwnerFile { path, entries: PhantomData }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All entries.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn read(&self) -> io::Result<BTreeMap<String, T>> {
        match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            bytes => Ok(serde_json::from_slice(&bytes?)?),
        }
    }

    /// Replaces all entries.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn write(&self, entries: &BTreeMap<String, T>) -> io::Result<()> {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        disk::replace(&self.path, &serde_json::to_vec_pretty(entries)?, Readers::Owner)
    }

    /// Takes an entry out; false if there is no such one.
    ///
    /// # Errors
    /// A file that can't be read or written.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        let mut entries = self.read()?;
        let found = entries.remove(name).is_some();
        if found {
            self.write(&entries)?;
        }
        Ok(found)
    }
}
