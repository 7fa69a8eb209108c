//! Where rows come from: a thread of its own reads them, and hands on closed buckets.

mod acknowledge;
mod buffer;
mod byte_budget;
mod connection;
mod connections;
mod custom;
pub(crate) mod deliveries;
mod error;
mod file;
mod generate;
mod infer;
mod mqtt;
mod polled;
mod position;
mod queue;
mod retained;
mod schedule;
mod settings;
mod source_output;
mod stop;
mod unacknowledged;
mod url;

pub(crate) use buffer::FilledBuckets;
pub use buffer::{BucketBuffer, Limits};
pub use connection::{Readiness, Source};
pub use connections::Connections;
pub use error::Error;
pub use generate::{GeneratedRow, Generator};
pub use infer::{infer, infer_bucket};
#[cfg(test)]
pub use mqtt::simulated::SimulatedConnection;
pub use polled::{CustomSource, Delivers, Payload, Polled, PolledSource, SourceConfig, SourceEntry, Sources};
pub use position::{DeliveryRange, SourcePosition, TakenPublish};
pub use queue::{BucketQueue, MAX_WAITING, queue_capacity};
pub use schedule::{Arrivals, Load, Schedule};
pub use settings::{MAX_PAYLOAD, SourceSettings};
pub(crate) use source_output::SourceOutput;
pub use stop::Stop;
pub use url::{Pace, SourceUrl, parse_rate};
