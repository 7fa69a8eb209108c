//! Reads a `report.json` that a run has written.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A report that was read from a directory.
pub struct WrittenReport {
    path: PathBuf,
    json: Value,
}

impl WrittenReport {
    /// # Errors
    /// A directory without a report; the message names the file.
    pub fn read(directory: &Path) -> Result<WrittenReport, String> {
        let path = directory.join("report.json");
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|error| named(&error))?;
        let json = serde_json::from_str(&text).map_err(|error| named(&error))?;
        Ok(WrittenReport { path, json })
    }

    /// The number at a JSON pointer, such as `/service_ns/message/mean`.
    ///
    /// # Errors
    /// If there is none.
    pub fn number(&self, pointer: &str) -> Result<f64, String> {
        let number = self.json.pointer(pointer).and_then(Value::as_f64);
        let path = self.path.display();
        number.ok_or_else(|| format!("{path}: has no number {pointer}; it is no report of this version"))
    }

    /// The names at a JSON pointer, such as `/service_ns/subtask`.
    pub fn names(&self, pointer: &str) -> Vec<&str> {
        let names = self.json.pointer(pointer).and_then(Value::as_object).map(serde_json::Map::keys);
        names.into_iter().flatten().map(String::as_str).collect()
    }

    /// The file that it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
