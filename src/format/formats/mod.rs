//! The formats of payloads beside JSON and CSV, one file each and one line in the registry.
//!
//! - `registry`: all formats by their names, as `[source] format` takes them.
//! - `row_taker`: what takes the rows: each format hands over JSON text, which is read as any JSON is.
//! - `value`, `form`, `influx`, `senml`: texts. `cbor`, `msgpack`: binary values, and `binary`, what these share.
//! - `sparkplug`, `sparkplug_proto`: Sparkplug B, whose messages are read by those before them.
//! - `recognition`: what a payload is whose format was not said.
//!
//! Never here: cutting JSON and CSV into rows, and what a row's cells mean.

mod binary;
mod cbor;
mod form;
mod influx;
mod msgpack;
mod recognition;
mod registry;
mod row_taker;
mod senml;
pub(crate) mod sparkplug;
mod sparkplug_proto;
mod value;

pub(crate) use recognition::{PayloadKind, lookalike, recognised_bytes, recognised_text};
pub(crate) use registry::Reading;
pub use registry::{FORMATS, PayloadFormat};
pub(crate) use row_taker::RowTaker;
