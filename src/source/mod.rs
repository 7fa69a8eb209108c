//! Where rows come from: a thread of its own reads them, and hands on closed buckets.

mod buffer;
mod connection;
mod connections;
pub(crate) mod deliveries;
mod error;
mod file;
mod generate;
mod infer;
mod mqtt;
mod outlet;
mod position;
mod queue;
mod retained;
mod room;
mod schedule;
mod settings;
mod stop;
mod unacknowledged;
mod url;

pub(crate) use buffer::Filled;
pub use buffer::{Buffer, Limits};
pub use connection::{Readiness, Source};
pub use connections::Connections;
pub use error::Error;
pub use generate::{Generator, Record};
pub use infer::{infer, infer_bucket};
pub use mqtt::Acknowledger;
#[cfg(test)]
pub use mqtt::simulated::SimulatedConnection;
pub(crate) use outlet::Outlet;
pub use position::{Coverage, Position, Taken};
pub use queue::{MAX_WAITING, Queue, queue_capacity};
pub use schedule::{Arrivals, Load, Schedule};
pub use settings::{MAX_PAYLOAD, Settings};
pub use stop::Stop;
pub use url::{Pace, Url, parse_rate};
