//! The lines of a file behind those that its checkpoint covers.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::disk::Disk;

/// The end of the whole lines behind an offset, and the numbers of the next message and row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The end of the last whole line.
    pub end: u64,
    /// The epoch behind the last line.
    pub next_epoch: u64,
    /// The row's number behind the last line.
    pub next_row: u64,
}

/// Reads the lines from `start`, the beginning of a line, to the end of the file, or to where it is torn; an
/// unterminated line is ignored.
///
/// # Errors
/// A file that can't be read, or a line that no run has written.
pub fn read(disk: &dyn Disk, path: &Path, start: u64, csv: bool) -> io::Result<Tail> {
    let mut tail = Tail { end: start, ..Tail::default() };
    if disk.length(path)?.is_none() {
        return Ok(tail);
    }
    let mut file = disk.open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut reader = BufReader::new(file);
    let mut record = Vec::new();
    while reader.read_until(b'\n', &mut record)? > 0 {
        // A line end within quotes is part of a cell.
        let quotes = if csv { record.iter().filter(|byte| **byte == b'"').count() } else { 0 };
        if !record.ends_with(b"\n") || quotes % 2 == 1 {
            continue;
        }
        let numbers = numbers(&record, csv);
        if record.contains(&0) && (!csv || numbers.is_none()) {
            // Bytes that were not synced at a power loss may be zeros.
            break;
        }
        let (epoch, row) =
            numbers.ok_or_else(|| io::Error::other(format!("holds at byte {} what no run has written", tail.end)))?;
        tail.end += record.len() as u64;
        (tail.next_epoch, tail.next_row) = (tail.next_epoch.max(epoch + 1), tail.next_row.max(row + 1));
        record.clear();
    }
    Ok(tail)
}

/// The numbers of message and row at the beginning of every line.
fn numbers(record: &[u8], csv: bool) -> Option<(u64, u64)> {
    let text = std::str::from_utf8(record).ok()?.trim_end();
    let (before_epoch, before_row) = if csv { ("", "") } else { ("{\"message\":", "\"row\":") };
    let (epoch, rest) = text.strip_prefix(before_epoch)?.split_once(',')?;
    let row = rest.strip_prefix(before_row)?.split([',', '}']).next()?;
    Some((epoch.parse().ok()?, row.parse().ok()?))
}

/// The end of the last whole line of a file to which lines are appended.
///
/// # Errors
/// A file that can't be read.
pub fn last_line_end(file: impl Read + Seek, csv: bool) -> io::Result<u64> {
    let (mut end, mut at, mut open) = (0, 0, false);
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0))?;
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(end);
        }
        for byte in bytes {
            at += 1;
            open ^= csv && *byte == b'"';
            if *byte == b'\n' && !open {
                end = at;
            }
        }
        let read = bytes.len();
        reader.consume(read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::OsDisk;

    #[test]
    fn whole_lines_count_and_half_ones_do_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        for (csv, text, end) in [
            (true, "message,row,t\n3,7,a\n4,9,\"x\ny\"\n5,1", 30),
            (false, "{\"message\":3,\"row\":7}\n{\"message\":4,\"row\":9,\"t\":\"\\\"\"}\n{\"mess", 53),
        ] {
            std::fs::write(&path, text).unwrap();
            let start = if csv { 14 } else { 0 };
            assert_eq!(read(&OsDisk, &path, start, csv).unwrap(), Tail { end, next_epoch: 5, next_row: 10 });
            assert_eq!(last_line_end(std::fs::File::open(&path).unwrap(), csv).unwrap(), end);
        }
        std::fs::write(&path, "{\"message\":3,\"row\":7}\n\0\0\0\"row\":8}\n{\"message\":5,\"row\":9}\n").unwrap();
        assert_eq!(read(&OsDisk, &path, 0, false).unwrap(), Tail { end: 22, next_epoch: 4, next_row: 8 });
        std::fs::write(&path, "a diary\n").unwrap();
        assert!(read(&OsDisk, &path, 0, false).is_err() && read(&OsDisk, &path, 0, true).is_err());
        assert_eq!(read(&OsDisk, &directory.path().join("none"), 0, true).unwrap(), Tail::default());
    }
}
