//! A column of optional texts in one run of bytes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Optional texts, one a row, without an allocation a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextColumn {
    bytes: String,
    ends: Vec<usize>,
    present: Vec<bool>,
}

impl TextColumn {
    pub fn push(&mut self, value: Option<&str>) {
        self.bytes.push_str(value.unwrap_or_default());
        self.ends.push(self.bytes.len());
        self.present.push(value.is_some());
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of a row; `None` where it is missing.
    pub fn get(&self, row: usize) -> Option<&str> {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.present[row].then(|| &self.bytes[start..self.ends[row]])
    }

    /// The texts present, each once, sorted.
    pub fn distinct(&self) -> Vec<String> {
        let texts: BTreeSet<&str> = (0..self.len()).filter_map(|row| self.get(row)).collect();
        texts.into_iter().map(str::to_owned).collect()
    }

    /// Keeps the rows whose flag is set; `keep` has one flag a row.
    pub fn retain(&mut self, keep: &[bool]) {
        let rows: Vec<usize> = (0..keep.len()).filter(|row| keep[*row]).collect();
        *self = self.take_rows(&rows);
    }

    /// A column of some of the rows, in the order given.
    pub fn take_rows(&self, rows: &[usize]) -> TextColumn {
        let mut taken = TextColumn::default();
        rows.iter().for_each(|row| taken.push(self.get(*row)));
        taken
    }

    /// Drops the rows from `rows` on.
    pub fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        self.present.truncate(rows);
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_differs_from_empty() {
        let mut column = TextColumn::default();
        for value in [Some("a"), None, Some(""), Some("bc")] {
            column.push(value);
        }
        column.retain(&[false, true, true, true]);
        assert_eq!((0..3).map(|row| column.get(row)).collect::<Vec<_>>(), [None, Some(""), Some("bc")]);
        column.truncate(1);
        assert_eq!((column.len(), column.get(0)), (1, None));
    }
}
