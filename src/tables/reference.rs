//! A CSV file whose columns are joined to the lines of a table, read again when it changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::KeyCell;
use crate::data::{Kind, cell};
use crate::disk;

/// A line of the file without its key, by its key.
type ReferenceLines = BTreeMap<KeyCell, Vec<KeyCell>>;
/// A line with its key, and whether it is added (1) or removed (-1).
type ReferenceChange = ((KeyCell, Vec<KeyCell>), isize);

/// The most bytes of a reference: it is held in memory.
const BYTES_MAX: u64 = 1 << 32;

/// The reference file.
pub struct Reference {
    path: PathBuf,
    key: String,
    key_kind: Kind,
    /// All columns but the key; a column of numbers holds nothing else.
    pub columns: Vec<(String, Kind)>,
    lines: ReferenceLines,
    /// The file's modification time and length when it was read.
    seen: Option<(SystemTime, u64)>,
}

impl Reference {
    /// Reads the file; its column `key` has the kind of the table's column.
    ///
    /// # Errors
    /// A file that can't be read, without that column, or with a duplicate key.
    pub fn read(path: &Path, key: &str, key_kind: Kind) -> Result<Reference, String> {
        let seen = seen(path);
        let (columns, lines) = read(path, key, key_kind, None)?;
        Ok(Reference { path: path.into(), key: key.into(), key_kind, columns, lines, seen })
    }

    /// All lines as additions.
    pub fn all(&self) -> Vec<ReferenceChange> {
        self.lines.iter().map(|(key, line)| ((key.clone(), line.clone()), 1)).collect()
    }

    /// Reads the file again if it has changed; returns the differences.
    ///
    /// # Errors
    /// As [`Reference::read`], or if its columns have changed; the lines read before stay.
    pub fn changes(&mut self) -> Result<Vec<ReferenceChange>, String> {
        let now = seen(&self.path);
        if now == self.seen {
            return Ok(Vec::new());
        }
        self.seen = now;
        let (_, lines) = read(&self.path, &self.key, self.key_kind, Some(&self.columns))?;
        let before = std::mem::replace(&mut self.lines, lines);
        let gone = before.iter().filter(|(key, line)| self.lines.get(key) != Some(line));
        let come = self.lines.iter().filter(|(key, line)| before.get(key) != Some(line));
        let gone = gone.map(|(key, line)| ((key.clone(), line.clone()), -1));
        Ok(gone.chain(come.map(|(key, line)| ((key.clone(), line.clone()), 1))).collect())
    }
}

fn seen(path: &Path) -> Option<(SystemTime, u64)> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len()))
}

fn read(
    path: &Path,
    key: &str,
    key_kind: Kind,
    expected: Option<&[(String, Kind)]>,
) -> Result<(Vec<(String, Kind)>, ReferenceLines), String> {
    let shown = path.display();
    let text = disk::read_regular(path, BYTES_MAX).map_err(|error| format!("{shown}: {error}"))?;
    let mut reader = csv::Reader::from_reader(&text[..]);
    let header = reader.headers().map_err(|error| format!("{shown}: {error}"))?.clone();
    let Some(place) = header.iter().position(|name| name == key) else {
        let names: Vec<&str> = header.iter().collect();
        return Err(format!("{shown} has no column `{key}`: it has {}", names.join(", ")));
    };
    let records = reader.records().collect::<Result<Vec<_>, _>>().map_err(|error| format!("{shown}: {error}"))?;
    let others: Vec<usize> = (0..header.len()).filter(|column| *column != place).collect();
    let columns: Vec<(String, Kind)> = match expected {
        None => others.iter().map(|column| (header[*column].to_owned(), kind(&records, *column))).collect(),
        Some(columns) if others.iter().map(|column| &header[*column]).eq(columns.iter().map(|(name, _)| name)) => {
            columns.to_vec()
        }
        Some(_) => return Err(format!("{shown} has other columns than at the start: they take a restart")),
    };
    let mut lines = ReferenceLines::new();
    for record in &records {
        let line = others.iter().zip(&columns).map(|(column, (_, kind))| read_cell(&record[*column], *kind)).collect();
        if lines.insert(read_cell(&record[place], key_kind), line).is_some() {
            let at = record.position().map_or(0, csv::Position::line);
            return Err(format!("{shown}, line {at}: {key} {:?} stands there twice", &record[place]));
        }
    }
    Ok((columns, lines))
}

/// A number column, if there is a value and all are numbers.
fn kind(records: &[csv::StringRecord], column: usize) -> Kind {
    let mut numbers = records.iter().map(|record| cell::number(&record[column])).peekable();
    if numbers.clone().any(|number| number.is_some_and(|x| !x.is_nan())) && numbers.all(|number| number.is_some()) {
        Kind::Number
    } else {
        Kind::Text
    }
}

fn read_cell(text: &str, kind: Kind) -> KeyCell {
    match kind {
        Kind::Number => cell::number(text).map_or(KeyCell::Missing, KeyCell::from),
        Kind::Text => cell::text(text).map_or(KeyCell::Missing, KeyCell::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_in_the_file_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stations.csv");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write("station,height,name\na,12,Alm\nb,,Berg\n");
        let mut reference = Reference::read(&path, "station", Kind::Text).unwrap();
        assert_eq!(reference.columns, [("height".to_owned(), Kind::Number), ("name".to_owned(), Kind::Text)]);
        let line = |key: &str, height: f64, name: &str| (KeyCell::from(key), vec![height.into(), name.into()]);
        assert_eq!(reference.all(), [(line("a", 12.0, "Alm"), 1), (line("b", f64::NAN, "Berg"), 1)]);
        assert_eq!(reference.changes(), Ok(Vec::new()));
        write("station,height,name\na,12,Alm\nb,800,Berg\n");
        let changes = reference.changes().unwrap();
        assert_eq!(changes, [(line("b", f64::NAN, "Berg"), -1), (line("b", 800.0, "Berg"), 1)]);
        for (wrong, part) in [
            ("station,name\na,Alm\n", "other columns"),
            ("station,height,name\na,1,x\na,2,y,\n", "fields"),
            ("station,height,name\na,1,x\na,2,yy\n", "line 3: station \"a\" stands there twice"),
        ] {
            write(wrong);
            let error = reference.changes().unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert!(Reference::read(&path, "nation", Kind::Text).err().unwrap().contains("no column `nation`"));
    }
}
