//! Where rows come from: each connection reads on a thread of its own and hands on closed buckets.
//!
//! - `url`, `settings`, `error`: a source's address, its other settings, and why it failed.
//! - `connection`, `connections`: one reading connection; how many share the rows of a source.
//! - `buffer`, `source_output`: rows become buckets, which leave the source's thread.
//! - `queue`, `byte_budget`, `stop`: the bounded queue to the dataflow, its byte budget, the flag that ends a source.
//! - `acknowledge`, `position`, `file_position`: delivery ranges, acknowledgement, and the position to resume at.
//! - `partial_rows`: rows whose values come one by one. `edge_nodes`: what names the metrics of Sparkplug B.
//! - `deliveries`, `unacknowledged`, `retained`: redeliveries and retained publishes of MQTT.
//! - `shared_file`: a file that several processes read rows from.
//! - `file`, `generate` with `schedule`, `mqtt`, `custom`: the kinds of sources; `polled`: the trait and registry.
//! - `raw_sample`: some payloads before anything is known of them.
//! - `infer`: the schema from rows. `clock_changes`, `repeated_hour`: local times that stand twice.
//!
//! Never here: timely, the checkpoint, or what a row's cells mean.

mod acknowledge;
mod buffer;
mod byte_budget;
mod clock_changes;
mod connection;
mod connections;
mod custom;
pub(crate) mod deliveries;
mod edge_nodes;
mod error;
mod file;
mod file_position;
mod generate;
mod infer;
mod mqtt;
mod partial_rows;
mod polled;
mod position;
mod queue;
mod raw_sample;
mod registry;
mod repeated_hour;
mod retained;
mod schedule;
mod settings;
mod shared_file;
mod source_output;
mod stop;
mod unacknowledged;
mod url;

pub(crate) use buffer::FilledBuckets;
#[cfg(any(fuzzing, test))]
pub(crate) use buffer::UnreadPayload;
pub use buffer::{BucketBuffer, Limits};
pub use connection::{Readiness, Source};
pub use connections::Connections;
#[cfg(any(fuzzing, test))]
pub use edge_nodes::EdgeNodes;
pub use error::Error;
pub use file::is_stream;
pub use generate::{GeneratedRow, Generator};
pub use infer::{infer, infer_buckets};
#[cfg(test)]
pub use mqtt::simulated::SimulatedConnection;
pub use polled::{CustomSource, Delivers, Payload, Polled, PolledSource, SourceConfig};
pub use position::{DeliveryRange, SourcePosition, TakenPublish};
pub use queue::{BucketQueue, MAX_WAITING, queue_capacity};
pub use raw_sample::RawSample;
pub use registry::Sources;
pub use schedule::{Arrivals, Load, Schedule};
pub use settings::SourceSettings;
pub use shared_file::{FileFingerprint, SharedFile};
pub(crate) use source_output::SourceOutput;
pub use stop::Stop;
pub use url::{Pace, SourceUrl, parse_rate};
