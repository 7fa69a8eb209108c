//! What binary formats share: items one behind the other, each written as JSON, bytes as base64url without padding (RFC
//! 8949, section 6.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::row_taker::RowTaker;
use crate::data::{Broken, Defect, Lookalike, Malformed};
use crate::format::json_writer;

/// How deep arrays and maps may be nested.
pub(super) const MAX_DEPTH: usize = 64;

/// A payload that is being read.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The beginning of a payload.
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    /// What is still to be read.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Takes the next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Defect> {
        let taken = self.rest().get(..count).ok_or(Defect::End)?;
        self.at += count;
        Ok(taken)
    }

    /// Takes the next bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Defect> {
        self.take(N).map(|bytes| bytes.try_into().expect("so many were taken"))
    }

    /// Takes the next `count` bytes as a text.
    pub fn text(&mut self, count: usize) -> Result<&'a str, Defect> {
        std::str::from_utf8(self.take(count)?).map_err(|_| Defect::Text)
    }
}

/// Appends the next item as JSON; `depth` more may be nested.
pub(super) type PushItem = fn(&mut Cursor<'_>, &mut Vec<u8>, usize) -> Result<(), Defect>;

/// Reads the items of a payload: a map is a row, an array holds rows.
pub(super) fn read(format: Lookalike, push_item: PushItem, payload: &[u8], rows: &mut dyn RowTaker) {
    if payload.is_empty() {
        return rows.broken(payload, Broken::Empty);
    }
    let (mut cursor, mut out) = (Cursor::new(payload), Vec::new());
    while !cursor.rest().is_empty() {
        let begin = cursor.at;
        out.clear();
        let read = push_item(&mut cursor, &mut out, MAX_DEPTH);
        match read.and_then(|()| if matches!(out[0], b'{' | b'[') { Ok(()) } else { Err(Defect::NoMap) }) {
            Ok(()) => rows.json(&out),
            // Where the next item begins is not known.
            Err(defect) => {
                let malformed = Malformed::new(format, defect, cursor.at);
                return rows.malformed(&payload[begin..], malformed);
            }
        }
    }
}

/// Whether a payload is nothing but whole items that are maps with words as names, or arrays of such.
pub(super) fn holds_rows(push_item: PushItem, payload: &[u8]) -> bool {
    let (mut cursor, mut out) = (Cursor::new(payload), Vec::new());
    while !cursor.rest().is_empty() {
        out.clear();
        let read = push_item(&mut cursor, &mut out, MAX_DEPTH);
        let name = out.strip_prefix(b"[").unwrap_or(&out).strip_prefix(b"{\"");
        // Keys that are whole numbers are in many bytes that mean something else.
        let is_word = name.and_then(|name| name.first()).is_some_and(|first| !first.is_ascii_digit() && *first != b'-');
        if read.is_err() || !is_word {
            return false;
        }
    }
    !payload.is_empty()
}

/// Appends bytes.
pub(super) fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    json_writer::push_text(out, &URL_SAFE_NO_PAD.encode(bytes));
}

/// Appends an array of as many items as there are until `next` is false.
pub(super) fn push_array(
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
    mut next: impl FnMut(&mut Cursor<'_>) -> Result<bool, Defect>,
    mut push_item: impl FnMut(&mut Cursor<'_>, &mut Vec<u8>) -> Result<(), Defect>,
) -> Result<(), Defect> {
    out.push(b'[');
    let mut first = true;
    while next(cursor)? {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        push_item(cursor, out)?;
    }
    out.push(b']');
    Ok(())
}

/// As [`push_array`], of pairs of a key and a value.
pub(super) fn push_map(
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
    mut next: impl FnMut(&mut Cursor<'_>) -> Result<bool, Defect>,
    mut push_key: impl FnMut(&mut Cursor<'_>, &mut Vec<u8>) -> Result<(), Defect>,
    mut push_item: impl FnMut(&mut Cursor<'_>, &mut Vec<u8>) -> Result<(), Defect>,
) -> Result<(), Defect> {
    out.push(b'{');
    while next(cursor)? {
        push_key(cursor, out)?;
        push_item(cursor, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Counts down from `count`.
pub(super) fn counted(count: usize) -> impl FnMut(&mut Cursor<'_>) -> Result<bool, Defect> {
    let mut left = count;
    move |_| {
        let more = left > 0;
        left = left.saturating_sub(1);
        Ok(more)
    }
}

/// The rows of a golden file, with those that its reference library was given (`scripts/make_format_goldens.py`).
#[cfg(test)]
pub(super) fn golden(read: fn(&[u8], &mut dyn RowTaker), file: &str, rows: &str) -> [Vec<serde_json::Value>; 2] {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    let payload = std::fs::read(folder.join(file)).unwrap();
    let ours = super::row_taker::rows_of(read, &payload);
    let ours = ours.iter().flat_map(|row| match serde_json::from_str(row).expect(row) {
        serde_json::Value::Array(rows) => rows,
        row => vec![row],
    });
    let theirs = std::fs::read_to_string(folder.join(rows)).unwrap();
    [ours.collect(), theirs.lines().map(|row| serde_json::from_str(row).unwrap()).collect()]
}
