//! Rows, messages and their schema: the types that all rooms above share.
//!
//! - `row`, `raw_batch`, `batch_metadata`, `bucket`: rows as they arrived, their metadata, and both together.
//! - `returned`: buckets of complete epochs, on their way back to the threads that read rows.
//! - `contiguous`, `checksum`: columns and lines as bytes, as they travel between processes; whether bytes are the same.
//! - `malformed`: why a payload is not of its format, and what it looks like instead.
//! - `message`, `text`, `spare`, `excerpt`: decoded columns, text columns, their buffer pool, rows for display.
//! - `schema`, `cell`, `event_time`, `compact_dates`: names and kinds of columns; missing values, numbers and times in texts.
//! - `edge_node`: what edge nodes of Sparkplug B have said of their metrics. `station_clock`: a station near a change of
//!   clocks.
//! - `nearest`: the name that may be meant by one that is not known.
//! - `numbers`, `fingerprint`, `keyed_state`: numbers of rows in the output, stable hashes, state for checkpoints.
//! - `route`: the workers that a message may be worked on by.
//!
//! Never here: input or output, payload formats, timely.

mod batch_metadata;
mod bucket;
pub mod cell;
mod checksum;
mod compact_dates;
pub(crate) mod contiguous;
mod date_order;
mod edge_node;
mod event_time;
mod excerpt;
mod fingerprint;
mod keyed_state;
mod malformed;
mod message;
mod nearest;
mod no_rows;
mod numbers;
mod partial_row;
mod raw_batch;
mod returned;
mod route;
mod row;
mod schema;
pub(crate) mod spare;
mod station_clock;
mod text;

pub use batch_metadata::{BatchMetadata, Origin, Stamps};
pub use bucket::{Bucket, HeldRows};
pub use compact_dates::{compact_format, doubt_of_seconds};
pub use date_order::DateOrder;
pub use edge_node::{BirthCertificates, BornMetric, EdgeNodeState};
pub use event_time::{
    civil_milliseconds, civil_time, event_microseconds, event_nanoseconds, event_time, is_date_and_time, is_time,
    order_by, rounded_time,
};
pub use fingerprint::fingerprint;
pub use keyed_state::{KeyedState, from_bytes, to_bytes};
pub use malformed::{Defect, Lookalike, Malformed};
pub use message::Message;
pub use nearest::did_you_mean;
pub use no_rows::{NoRows, Standing};
pub use numbers::{Numbers, Run};
pub use partial_row::PartialRow;
pub use raw_batch::RawBatch;
pub use returned::{return_bucket, spare_bucket};
pub use route::Route;
pub use row::{Broken, Format, Header, Layout, Row, Separated};
pub use schema::{Column, DAVIS, Kind, Schema};
pub use spare::{recycle_lines, spare_lines};
pub use station_clock::StationClock;
pub use text::TextColumn;
