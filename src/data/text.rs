//! A column of optional texts in one run of bytes.

use std::collections::BTreeSet;
use std::ops::Range;

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

    /// Whether each row has a text.
    pub fn present(&self) -> &[bool] {
        &self.present
    }

    /// Keeps these runs of rows, which follow each other.
    pub fn keep_runs(&mut self, runs: &[Range<usize>]) {
        let mut bytes = std::mem::take(&mut self.bytes).into_bytes();
        let (mut rows, mut filled) = (0, 0);
        for run in runs.iter().filter(|run| !run.is_empty()) {
            let start = run.start.checked_sub(1).map_or(0, |before| self.ends[before]);
            let end = self.ends[run.end - 1];
            bytes.copy_within(start..end, filled);
            self.present.copy_within(run.clone(), rows);
            self.ends.copy_within(run.clone(), rows);
            self.ends[rows..rows + run.len()].iter_mut().for_each(|end| *end -= start - filled);
            rows += run.len();
            filled += end - start;
        }
        bytes.truncate(filled);
        self.bytes = String::from_utf8(bytes).expect("whole texts of a string");
        self.ends.truncate(rows);
        self.present.truncate(rows);
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
    use proptest::prelude::*;

    #[test]
    fn missing_differs_from_empty() {
        let mut column = TextColumn::default();
        for value in [Some("a"), None, Some(""), Some("bc")] {
            column.push(value);
        }
        column.keep_runs(&[1..2, 2..4]);
        assert_eq!((0..3).map(|row| column.get(row)).collect::<Vec<_>>(), [None, Some(""), Some("bc")]);
        column.truncate(1);
        assert_eq!((column.len(), column.get(0)), (1, None));
    }

    proptest! {
        #[test]
        fn runs_are_kept_as_rows_are_taken(
            texts in proptest::collection::vec(proptest::option::of("[a-zä]{0,3}"), 0..20),
            keep in proptest::collection::vec(any::<bool>(), 20),
        ) {
            let mut column = TextColumn::default();
            texts.iter().for_each(|text| column.push(text.as_deref()));
            let rows: Vec<usize> = (0..texts.len()).filter(|row| keep[*row]).collect();
            let runs = rows.chunk_by(|a, b| a + 1 == *b).map(|run| run[0]..run[0] + run.len());
            let expected = column.take_rows(&rows);
            column.keep_runs(&runs.collect::<Vec<_>>());
            prop_assert_eq!(column, expected);
        }
    }
}
