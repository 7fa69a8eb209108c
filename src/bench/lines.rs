//! CSV files that benchmarks append their measurements to.

use std::fmt::Display;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads the lines of a file; none if there is no such file.
///
/// # Errors
/// A file with other columns.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, String> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let named = |error: csv::Error| format!("{}: {error}", path.display());
    let mut reader = csv::Reader::from_path(path).map_err(named)?;
    reader.deserialize().collect::<Result<Vec<T>, _>>().map_err(named)
}

/// Appends a line to a file, after a header if it is the first.
///
/// # Errors
/// A file that can't be written.
pub fn append<T: Serialize>(path: &Path, line: &T) -> Result<(), String> {
    let named = |error: &dyn Display| format!("{}: {error}", path.display());
    let first = !path.exists();
    let file = std::fs::File::options().create(true).append(true).open(path).map_err(|error| named(&error))?;
    let mut writer = csv::WriterBuilder::new().has_headers(first).from_writer(file);
    writer.serialize(line).map_err(|error| named(&error))?;
    writer.flush().map_err(|error| named(&error))
}
