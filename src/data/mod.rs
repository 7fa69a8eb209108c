//! Rows, messages and the schema they follow.

mod bucket;
pub mod cell;
mod clock;
mod excerpt;
mod fingerprint;
mod memory;
mod message;
mod schema;
mod scratch;
pub(crate) mod spare;
mod text;

pub use bucket::{Broken, Bucket, Format, Layout, Numbers, Origin, Row, Run, Stamps};
pub use clock::Clock;
pub use excerpt::{Excerpt, Value};
pub use fingerprint::fingerprint;
pub use memory::{Memory, from_bytes, to_bytes};
pub use message::Message;
pub use schema::{Column, DAVIS, Kind, Schema};
pub use scratch::{Pooled, Scratch};
pub use spare::{recycle_lines, spare_lines};
pub use text::TextColumn;
