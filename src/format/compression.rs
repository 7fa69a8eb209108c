//! Payloads and files that are packed: gzip and zstd, told by their magic numbers.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, DEFAULT_MAX_WINDOW_SIZE, FrameDecoder};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::data::{Broken, Defect, Lookalike, Malformed};

/// How payloads and files are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As their first bytes say.
    #[default]
    Auto,
    /// Not.
    None,
    /// By gzip.
    Gzip,
    /// By zstd.
    Zstd,
}

impl Compression {
    /// The packing of bytes that begin so; `None` if they are not packed.
    pub(crate) fn of(self, start: &[u8]) -> Option<Compression> {
        match self {
            Compression::None => None,
            Compression::Gzip | Compression::Zstd => Some(self),
            // The fast path: text.
            Compression::Auto if !matches!(start, [0x1f | 0x28, ..]) => None,
            Compression::Auto => match Lookalike::by_magic(start) {
                Some(Lookalike::Gzip) => Some(Compression::Gzip),
                Some(Lookalike::Zstd) => Some(Compression::Zstd),
                _ => None,
            },
        }
    }

    /// Unpacks a payload to at most `max_payload` bytes; `None` if it is not packed.
    ///
    /// # Errors
    /// A payload that is damaged, or that is longer.
    pub(crate) fn unpacked(self, payload: &[u8], max_payload: usize) -> Result<Option<Vec<u8>>, Broken> {
        let Some(packed) = self.of(payload) else { return Ok(None) };
        let format = if packed == Compression::Gzip { Lookalike::Gzip } else { Lookalike::Zstd };
        let (mut bytes, mut cursor) = (Vec::new(), Cursor::new(payload));
        let read = packed.reader(&mut cursor, MAX_WINDOW).take(max_payload as u64 + 1).read_to_end(&mut bytes);
        let defect = match read {
            Ok(length) if length <= max_payload => return Ok(Some(bytes)),
            Ok(_) => Defect::Long,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Defect::End,
            Err(_) => Defect::Damaged,
        };
        let at = usize::try_from(cursor.position()).unwrap_or(usize::MAX).min(payload.len().saturating_sub(1));
        Err(Broken::Malformed(Malformed::new(format, defect, at)))
    }

    /// The bytes of a file or a stream, unpacked where they are packed.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn open<'a>(self, mut packed: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
        // No more is waited for than what can be a magic number.
        let (mut start, mut byte) = (Vec::new(), [0]);
        while [&[0x1f, 0x8b, 8][..], &[0x28, 0xb5, 0x2f, 0xfd]].iter().any(|magic| magic.starts_with(&start)) {
            match packed.read(&mut byte) {
                Ok(0) => break,
                Ok(_) => start.push(byte[0]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let compression = self.of(&start);
        let whole = Begun { start, rest: packed };
        Ok(match compression {
            None => Box::new(whole),
            Some(compression) => {
                compression.reader(BufReader::with_capacity(READ_BUFFER, whole), DEFAULT_MAX_WINDOW_SIZE)
            }
        })
    }

    fn reader<'a>(self, packed: impl BufRead + 'a, max_window: u64) -> Box<dyn Read + 'a> {
        match self {
            Compression::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Compression::Zstd => Box::new(ZstdReader::new(packed, max_window)),
            Compression::Auto | Compression::None => Box::new(packed),
        }
    }
}

/// Bytes that were read to know what they are, and those behind them. Both come at once: encodings and layouts are told
/// by more than the first byte.
struct Begun<R> {
    start: Vec<u8>,
    rest: R,
}

impl<R: Read> Read for Begun<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start.is_empty() {
            return self.rest.read(buffer);
        }
        let length = self.start.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.start[..length]);
        self.start.drain(..length);
        // An error comes again with the next read.
        Ok(length + self.rest.read(&mut buffer[length..]).unwrap_or(0))
    }
}

const READ_BUFFER: usize = 1 << 16;
/// Most memory that unpacking a payload of zstd may ask for; RFC 8878, section 3.1.1.1.2, advises so much.
const MAX_WINDOW: u64 = 8 << 20;

/// Reads zstd frames one behind the other (RFC 8878, section 3.1), and leaves out those that are to be skipped.
struct ZstdReader<R> {
    packed: R,
    decoder: FrameDecoder,
    /// Whether a frame is being read.
    open: bool,
}

impl<R: BufRead> ZstdReader<R> {
    fn new(packed: R, max_window: u64) -> ZstdReader<R> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(max_window);
        ZstdReader { packed, decoder, open: false }
    }

    /// Begins the next frame; false at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.packed.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.packed) {
                Ok(()) => {
                    self.open = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let skipped = io::copy(&mut (&mut self.packed).take(length.into()), &mut io::sink())?;
                    if skipped < length.into() {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(damaged(error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for ZstdReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() && (self.open || self.next_frame()?) {
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let block = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.packed, block).map_err(damaged)?;
            }
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            let sum = self.decoder.get_checksum_from_data();
            if sum.is_some() && sum != self.decoder.get_calculated_checksum() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum of the zstd data does not match"));
            }
            self.open = false;
        }
        Ok(0)
    }
}

/// What zstd data that cannot be unpacked is to a reader: cut off, or damaged.
fn damaged(error: FrameDecoderError) -> io::Error {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = source {
        if cause.downcast_ref().is_some_and(|cause: &io::Error| cause.kind() == io::ErrorKind::UnexpectedEof) {
            return io::Error::new(io::ErrorKind::UnexpectedEof, "the zstd data ends too early");
        }
        source = cause.source();
    }
    io::Error::new(io::ErrorKind::InvalidData, format!("the zstd data is damaged: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const TEXT: &[u8] = b"{\"a\":1}\n{\"a\":2}\n";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn opened(compression: Compression, packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        compression.open(packed)?.read_to_end(&mut bytes).map(|_| bytes)
    }

    #[test]
    fn payloads_and_files_are_unpacked_by_their_magic_number() {
        for packed in [gzip(TEXT), zstd(TEXT), TEXT.to_vec()] {
            let payload = Compression::Auto.unpacked(&packed, TEXT.len()).unwrap();
            assert_eq!(payload.as_deref().unwrap_or(&packed), TEXT);
            assert_eq!(opened(Compression::Auto, &packed).unwrap(), TEXT);
            assert_eq!(Compression::None.unpacked(&packed, 1), Ok(None));
            assert_eq!(opened(Compression::None, &packed).unwrap(), packed);
            // Members and frames one behind the other.
            let twice = opened(Compression::Auto, &[&packed[..], &packed].concat()).unwrap();
            assert_eq!(twice, [TEXT, TEXT].concat());
        }
        for start in [&b""[..], &[0x1f], &[0x1f, 0x8b], &[0x28, 0xb5, 0x2f], b"(", b"1,2"] {
            assert_eq!(opened(Compression::Auto, start).unwrap(), start, "a beginning that is none of a packed file");
        }
        let mut first = [0; 16];
        let length = Compression::Auto.open(&b"\xff\xfea\0"[..]).unwrap().read(&mut first).unwrap();
        assert_eq!(&first[..length], b"\xff\xfea\0", "at once");
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd(TEXT)].concat();
        assert_eq!(opened(Compression::Zstd, &skippable).unwrap(), TEXT);
    }

    /// Packed by the `zstd` command with a checksum: `printf '{"a":1}\n' | zstd`.
    const WITH_CHECKSUM: [u8; 21] = [
        0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x41, 0x00, 0x00, 0x7b, 0x22, 0x61, 0x22, 0x3a, 0x31, 0x7d, 0x0a, 0xe2,
        0xef, 0xec, 0xe0,
    ];

    #[test]
    fn bombs_cut_off_and_damaged_data_are_refused() {
        let reason = |packed: &[u8], max: usize| Compression::Auto.unpacked(packed, max).unwrap_err().to_string();
        for (packed, name) in [(gzip(&vec![0; 10 << 20]), "gzip"), (zstd(&vec![0; 10 << 20]), "zstd")] {
            let said = reason(&packed, 1 << 20);
            assert!(said.contains(name) && said.contains("longer than max_payload"), "{said}");
            for length in [packed.len() / 2, packed.len() - 1] {
                let said = reason(&packed[..length], 11 << 20);
                assert!(said.contains(name) && said.contains("ends too early"), "{length}: {said}");
            }
        }
        let mut changed = gzip(TEXT);
        *changed.last_mut().unwrap() ^= 1;
        assert!(reason(&changed, 1000).contains("damaged"));
        assert!(reason(&[0x1f, 0x8b, 8, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9], 1000).starts_with("not read as gzip"));
        assert_eq!(Compression::Auto.unpacked(&WITH_CHECKSUM, 100).unwrap().unwrap(), b"{\"a\":1}\n");
        let mut changed = WITH_CHECKSUM;
        changed[14] ^= 1;
        assert!(reason(&changed, 100).contains("damaged"));
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_unpacked_or_refused(start in 0..3_usize, bytes: Vec<u8>, at in 0..100_usize, change: u8) {
            let start = [&[0x1f, 0x8b, 8][..], &[0x28, 0xb5, 0x2f, 0xfd], b""][start];
            let _ = Compression::Auto.unpacked(&[start, &bytes].concat(), 1000);
            for mut packed in [gzip(TEXT), zstd(TEXT)] {
                let place = at % packed.len();
                packed[place] ^= change;
                let _ = Compression::Auto.unpacked(&packed, 1000);
            }
        }
    }
}
