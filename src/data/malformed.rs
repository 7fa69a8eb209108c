//! Why a payload is not of its format, and what it looks like instead.

use serde::{Deserialize, Serialize};

/// A format or a packing of payloads that is told by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Lookalike {
    #[error("a lone value")]
    LoneValue,
    #[error("a form")]
    Form,
    #[error("InfluxDB line protocol")]
    LineProtocol,
    #[error("SenML")]
    SenMl,
    #[error("CBOR")]
    Cbor,
    #[error("MessagePack")]
    MessagePack,
    #[error("Sparkplug B")]
    Sparkplug,
    #[error("gzip")]
    Gzip,
    #[error("zstd")]
    Zstd,
    #[error("bzip2")]
    Bzip2,
    #[error("xz")]
    Xz,
    #[error("a zip archive")]
    Zip,
    #[error("Parquet")]
    Parquet,
    #[error("Avro")]
    Avro,
    #[error("an image")]
    Image,
    #[error("XML")]
    Xml,
    #[error("UTF-16 text")]
    Utf16,
}

impl Lookalike {
    /// How it is read, where it is not recognised for certain.
    pub fn said(self) -> &'static str {
        match self {
            Lookalike::Form => ": format = \"form\" in [source] reads it",
            Lookalike::LineProtocol => ": format = \"influx\" in [source] reads it",
            _ => "",
        }
    }

    /// What a magic number at the beginning says.
    pub fn by_magic(bytes: &[u8]) -> Option<Lookalike> {
        const MAGIC: [(&[u8], Lookalike); 12] = [
            (&[0x1f, 0x8b, 8], Lookalike::Gzip),
            (&[0x28, 0xb5, 0x2f, 0xfd], Lookalike::Zstd),
            (b"BZh", Lookalike::Bzip2),
            (&[0xfd, b'7', b'z', b'X', b'Z', 0], Lookalike::Xz),
            (b"PK\x03\x04", Lookalike::Zip),
            (b"PAR1", Lookalike::Parquet),
            (b"Obj\x01", Lookalike::Avro),
            (&[0xff, 0xd8, 0xff], Lookalike::Image),
            (b"\x89PNG", Lookalike::Image),
            (b"<?xml", Lookalike::Xml),
            (&[0xff, 0xfe], Lookalike::Utf16),
            (&[0xfe, 0xff], Lookalike::Utf16),
        ];
        MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, lookalike)| *lookalike)
    }
}

/// What is wrong with bytes at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Defect {
    #[error("it ends too early")]
    End,
    #[error("a value is nested too deep")]
    Deep,
    #[error("a value that does not exist")]
    Value,
    #[error("not UTF-8 text")]
    Text,
    #[error("a name is missing")]
    Name,
    #[error("= is missing")]
    Equals,
    #[error("a field is missing")]
    Field,
    #[error("a timestamp is a whole number")]
    Timestamp,
    #[error("no map of names and values")]
    NoMap,
    #[error("a key that is neither text nor a whole number")]
    Key,
    #[error("not an array of records")]
    Records,
    #[error("a record without a value")]
    Empty,
    #[error("a version or a field that must be understood and is not known")]
    Version,
    #[error("unpacked, it is longer than max_payload")]
    Long,
    #[error("its data is damaged")]
    Damaged,
    #[error("it is packed by an algorithm that is neither GZIP nor DEFLATE")]
    Algorithm,
}

/// Bytes that are not of the format they should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[error("not read as {format}: at byte {at}: {defect}")]
pub struct Malformed {
    /// What they should be.
    pub format: Lookalike,
    /// What is wrong.
    pub defect: Defect,
    /// Where, from 1.
    pub at: u32,
}

impl Malformed {
    /// A defect at a place, from 0.
    pub fn new(format: Lookalike, defect: Defect, at: usize) -> Malformed {
        Malformed { format, defect, at: u32::try_from(at + 1).unwrap_or(u32::MAX) }
    }
}
