//! Text of other encodings as UTF-8.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// The encoding to translate from, by name, or by the byte-order mark or the zeros of UTF-16; `None` for UTF-8.
fn foreign(start: &[u8], given: Option<&'static Encoding>) -> Option<&'static Encoding> {
    let marked = || Encoding::for_bom(start).map(|(encoding, _)| encoding);
    given.or_else(marked).or_else(|| unmarked(start)).filter(|encoding| *encoding != UTF_8)
}

/// UTF-16 without a mark: of all first characters, in ASCII, one byte is zero.
fn unmarked(start: &[u8]) -> Option<&'static Encoding> {
    /// So many characters, or all of a text, tell.
    const MOST: usize = 8;
    const LEAST: usize = 2;
    let is_text = |byte: u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
    let first = &start[..start.len().min(2 * MOST) / 2 * 2];
    let all = |zero: usize| first.chunks_exact(2).all(|unit| unit[zero] == 0 && is_text(unit[1 - zero]));
    match first {
        _ if first.len() < 2 * LEAST => None,
        [_, 0, ..] if all(1) => Some(UTF_16LE),
        [0, ..] if all(0) => Some(UTF_16BE),
        _ => None,
    }
}

/// Whether lines end as those of an old Mac: with a carriage return, and no line feed anywhere.
fn is_old_mac(start: &[u8]) -> bool {
    memchr::memchr(b'\r', start).is_some_and(|at| at + 1 < start.len()) && memchr::memchr(b'\n', start).is_none()
}

/// A payload as UTF-8; what its encoding does not know becomes U+FFFD.
pub fn payload<'a>(bytes: &'a [u8], given: Option<&'static Encoding>) -> Cow<'a, [u8]> {
    let Some(encoding) = foreign(bytes, given) else { return Cow::Borrowed(bytes) };
    match encoding.decode(bytes).0 {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// A reader of UTF-8, whatever the encoding of the bytes below.
pub struct Transcoder<R> {
    reader: R,
    /// `None` where nothing is to be translated.
    decoder: Option<Decoder>,
    /// Whether carriage returns are the ends of lines.
    is_old_mac: bool,
    /// What is translated, and how much of it was consumed.
    translated: Vec<u8>,
    consumed: usize,
    ended: bool,
}

/// Bytes translated at a time.
const PIECE: usize = 1 << 16;

impl<R: BufRead> Transcoder<R> {
    /// Over a reader at its beginning.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn new(mut reader: R, given: Option<&'static Encoding>) -> io::Result<Transcoder<R>> {
        let start = loop {
            match reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                start => break start?,
            }
        };
        let decoder = foreign(start, given).map(Encoding::new_decoder);
        // Of another encoding, bytes would be replaced: such a file says which it is.
        let is_utf8 = |start| std::str::from_utf8(start).map_or_else(|error| error.error_len().is_none(), |_| true);
        let is_old_mac = decoder.is_none() && is_old_mac(start) && is_utf8(start);
        let decoder = decoder.or_else(|| is_old_mac.then(|| UTF_8.new_decoder_without_bom_handling()));
        Ok(Transcoder { reader, decoder, is_old_mac, translated: Vec::new(), consumed: 0, ended: false })
    }

    /// Whether its bytes are others than those below.
    pub fn translates(&self) -> bool {
        self.decoder.is_some()
    }
}

impl<R: BufRead> BufRead for Transcoder<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let Some(decoder) = &mut self.decoder else { return self.reader.fill_buf() };
        while self.consumed == self.translated.len() && !self.ended {
            let input = self.reader.fill_buf()?;
            self.translated.resize(PIECE, 0);
            let (result, read, written, _) = decoder.decode_to_utf8(input, &mut self.translated, input.is_empty());
            self.ended = input.is_empty() && result == CoderResult::InputEmpty;
            self.translated.truncate(written);
            if self.is_old_mac {
                self.translated.iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b'\n');
            }
            self.consumed = 0;
            self.reader.consume(read);
        }
        Ok(&self.translated[self.consumed..])
    }

    fn consume(&mut self, count: usize) {
        match self.decoder {
            Some(_) => self.consumed += count,
            None => self.reader.consume(count),
        }
    }
}

impl<R: BufRead> Read for Transcoder<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(into.len());
        into[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], given: Option<&'static Encoding>, buffer: usize) -> String {
        let reader = io::BufReader::with_capacity(buffer, bytes);
        let mut text = String::new();
        Transcoder::new(reader, given).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn utf_16_is_known_by_its_mark_and_others_by_name() {
        let text = "Temp \u{b0}C;\u{1f321}\n".repeat(9000);
        let utf_16 = |bytes: fn(u16) -> [u8; 2]| {
            let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
            units.flat_map(bytes).collect::<Vec<u8>>()
        };
        for bytes in [utf_16(u16::to_le_bytes), utf_16(u16::to_be_bytes)] {
            assert_eq!(read(&bytes, None, 1 << 12), text);
            assert_eq!(read(&bytes, None, 7), text);
            assert_eq!(payload(&bytes, None), text.as_bytes());
        }
        for bytes in [
            "t;a\n1;2\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
            "t;a\n1;2\n".encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ] {
            assert_eq!(read(&bytes, None, 1 << 12), "t;a\n1;2\n");
            assert_eq!(&*payload(&bytes, None), b"t;a\n1;2\n");
        }
        assert_eq!(read(b"t;a\r1;2\r", None, 1 << 12), "t;a\n1;2\n");
        assert_eq!(read(b"t;a\r\n1;2\r", None, 1 << 12), "t;a\r\n1;2\r");
        assert!(matches!(payload(b"7\0", None), Cow::Borrowed(_)));
        let western = Some(encoding_rs::WINDOWS_1252);
        assert_eq!(read(b"\xb0C\x80", western, 2), "\u{b0}C\u{20ac}");
        assert_eq!(&*payload(b"\xb0C\x80", western), "\u{b0}C\u{20ac}".as_bytes());
        // UTF-8 stays as it is, even what is wrong in it.
        let mut same = Vec::new();
        Transcoder::new(&b"\xef\xbb\xbfa\xb0"[..], None).unwrap().read_to_end(&mut same).unwrap();
        assert_eq!(same, b"\xef\xbb\xbfa\xb0");
        assert!(matches!(payload(b"a\xb0", None), Cow::Borrowed(_)));
    }
}
