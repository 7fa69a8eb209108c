//! Rows, messages and the schema they follow.

mod bucket;
pub mod cell;
mod excerpt;
mod fingerprint;
mod memory;
mod message;
mod schema;
pub(crate) mod spare;
mod text;

pub use bucket::{Broken, Bucket, Format, Header, Layout, Numbers, Origin, Row, Run, Stamps};
pub use fingerprint::fingerprint;
pub use memory::{Memory, from_bytes, to_bytes};
pub use message::Message;
pub use schema::{Column, DAVIS, Kind, Schema};
pub use spare::{recycle_lines, spare_lines};
pub use text::TextColumn;
