//! From bytes to rows, and from rows to bytes. Nothing here opens a file or a connection.

mod cells;
mod column_builder;
pub mod csv;
mod decoder;
mod encoder;
mod infer;
mod json;
mod key_order;
mod known_keys;
pub(crate) mod payload;
pub(crate) mod records;
pub mod weatherlink;
pub mod weewx;

pub use decoder::{BadRow, Decoder};
pub use encoder::{Encoder, Encoding, Infinity, Output, PLACE};
pub use infer::Inference;
pub use records::{FileKind, FileRecords};
