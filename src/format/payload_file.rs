//! The rows of a file of payloads: one a line, or one that is the whole file.

use std::io::{self, BufRead, Read};

use crate::data::{Format, Row};
use crate::format::file_kind::FileKind;
use crate::format::formats::PayloadFormat;
use crate::format::payload;
use crate::format::records::FileRecords;
use crate::format::{Compression, Framing};

/// Calls `f` with each row and the line it stands on, or its number where the file is one payload, until it returns
/// false. The bytes are unpacked already.
///
/// # Errors
/// A file that cannot be read.
pub fn each_payload_row(
    reader: impl BufRead,
    format: PayloadFormat,
    framing: &Framing,
    mut f: impl FnMut(Row<'_>, u64) -> bool,
) -> io::Result<()> {
    let framing = &Framing { format, compression: Compression::None, ..framing.clone() };
    let mut wanted = true;
    if format.is_whole_file() {
        let (mut bytes, mut number) = (Vec::new(), 0);
        // One byte more tells that it is too long.
        reader.take(framing.max_payload as u64 + 1).read_to_end(&mut bytes)?;
        payload::each_row(&bytes, framing, |row| {
            number += 1;
            wanted = wanted && f(row, number);
        });
        return Ok(());
    }
    let mut lines = FileRecords::new(reader, FileKind::Payloads(format), None, framing)?;
    while let Some((line, position)) = lines.next_row()? {
        match line.format {
            Format::Broken(_) => wanted = f(line, position),
            _ => payload::each_row(line.bytes, framing, |row| wanted = wanted && f(row, position)),
        }
        if !wanted {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(name: &str, file: &[u8], max_payload: usize, most: usize) -> Vec<(u64, String)> {
        let (framing, mut rows) = (Framing { max_payload, ..Framing::default() }, Vec::new());
        each_payload_row(file, PayloadFormat::find(name).unwrap(), &framing, |row, position| {
            rows.push((position, format!("{:?} {}", row.format, String::from_utf8_lossy(row.bytes))));
            rows.len() < most
        })
        .unwrap();
        rows
    }

    #[test]
    fn each_line_is_a_payload() {
        let file = b"m a=1\n\n# no row\nm a=\nm a=2\n";
        let found = rows("influx", file, 1000, 9);
        let row = |line, n| (line, format!(r#"Json {{"measurement":"m","a":{n}}}"#));
        assert_eq!((found.len(), &found[0], &found[2]), (3, &row(1, 1), &row(5, 2)));
        assert!(found[1].1.contains("Malformed"), "{found:?}");
        assert_eq!(rows("influx", file, 1000, 1), [row(1, 1)]);
        assert!(rows("influx", b"m a=12345\nm a=2\n", 6, 9)[0].1.starts_with("Broken(TooLong)"));
    }

    #[test]
    fn a_file_is_a_payload() {
        let file = [0xa1, 0x61, b'a', 1, 0xa1, 0x61, b'a', b'\n'];
        let row = |number, n| (number, format!(r#"Json {{"a":{n}}}"#));
        assert_eq!(rows("cbor", &file, 1000, 9), [row(1, 1), row(2, 10)]);
        assert_eq!(rows("cbor", &file, 1000, 1), [row(1, 1)]);
        assert_eq!(rows("cbor", &file, 7, 9).len(), 1);
        assert!(rows("cbor", &file, 7, 9)[0].1.starts_with("Broken(TooLong)"));
    }
}
