//! A column of optional texts in one byte buffer.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Optional texts, one per row, without an allocation per value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextColumn {
    bytes: String,
    ends: Vec<usize>,
    present: Vec<bool>,
}

impl TextColumn {
    /// The same text in each of so many rows.
    pub fn repeated(text: &str, rows: usize) -> TextColumn {
        let mut column = TextColumn::default();
        (0..rows).for_each(|_| column.push(Some(text)));
        column
    }

    /// Appends a value; `None` is missing.
    #[inline]
    pub fn push(&mut self, value: Option<&str>) {
        self.bytes.push_str(value.unwrap_or_default());
        self.ends.push(self.bytes.len());
        self.present.push(value.is_some());
    }

    /// How many values it has, including missing ones.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has no value at all.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of a row; `None` where it is missing.
    pub fn get(&self, row: usize) -> Option<&str> {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.present[row].then(|| &self.bytes[start..self.ends[row]])
    }

    /// Writes a word per row, from row `start` on: equal for equal texts, and different but by chance for others.
    pub fn digests(&self, start: usize, words: &mut [u64]) {
        let bytes = self.bytes.as_bytes();
        let mut from = start.checked_sub(1).map_or(0, |before| self.ends[before]);
        let rows = self.ends[start..].iter().zip(&self.present[start..]);
        for (word, (end, present)) in words.iter_mut().zip(rows) {
            *word = if *present { digest(bytes, from, *end) } else { MISSING };
            from = *end;
        }
    }

    /// The texts present, each once, sorted.
    pub fn distinct(&self) -> Vec<String> {
        let texts: BTreeSet<&str> = (0..self.len()).filter_map(|row| self.get(row)).collect();
        texts.into_iter().map(str::to_owned).collect()
    }

    /// Its capacity in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity() + size_of::<usize>() * self.ends.capacity() + self.present.capacity()
    }

    /// The bytes of its texts and of where they end.
    pub fn byte_len(&self) -> usize {
        self.bytes.len() + size_of_val(&self.ends[..]) + self.present.len()
    }

    /// Whether each row has a text.
    pub fn present(&self) -> &[bool] {
        &self.present
    }

    /// Its bytes, where each text ends in them, and which are present.
    pub(super) fn parts(&self) -> (&str, &[usize], &[bool]) {
        (&self.bytes, &self.ends, &self.present)
    }

    /// As [`TextColumn::parts`], to be filled.
    pub(super) fn parts_mut(&mut self) -> (&mut String, &mut Vec<usize>, &mut Vec<bool>) {
        (&mut self.bytes, &mut self.ends, &mut self.present)
    }

    /// Keeps these runs of rows, which are in order.
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

/// The length of a missing value, which no text has.
const MISSING: u64 = u64::MAX;

/// A digest of a text: of its length, and of its bytes eight at a time.
#[inline(always)]
fn digest(bytes: &[u8], mut from: usize, end: usize) -> u64 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut digest = (end - from) as u64;
    while end - from > 8 {
        digest = (digest.rotate_left(29) ^ word(bytes, from)).wrapping_mul(ODD);
        from += 8;
    }
    let others = u64::MAX.unbounded_shl(8 * (end - from) as u32);
    (digest.rotate_left(29) ^ (word(bytes, from) & !others)).wrapping_mul(ODD)
}

/// Eight bytes from an offset on, which may extend behind the text; zeros behind the end of the buffer.
#[inline(always)]
fn word(bytes: &[u8], from: usize) -> u64 {
    let rest = &bytes[from..];
    if let Some(word) = rest.first_chunk() {
        return u64::from_le_bytes(*word);
    }
    let mut word = [0; 8];
    word[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(word)
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

    #[test]
    fn digests_tell_texts_of_any_length_apart() {
        let texts = ["", "a", "b", "aa", "12345678", "12345679", "123456789", "x23456789", "1234567890123456", "\0"];
        let texts = texts.map(Some).into_iter().chain([None]);
        let (mut column, mut backwards) = (TextColumn::default(), TextColumn::default());
        texts.clone().for_each(|text| column.push(text));
        texts.clone().rev().for_each(|text| backwards.push(text));
        let rows = column.len();
        let (mut words, mut others) = (vec![0; rows - 1], vec![0; rows]);
        column.digests(1, &mut words);
        backwards.digests(0, &mut others);
        assert!(words.iter().eq(others.iter().rev().skip(1)));
        others.sort_unstable();
        others.dedup();
        assert_eq!(others.len(), rows);
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
