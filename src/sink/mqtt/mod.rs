//! Lines to an MQTT topic: `publisher` is the sink's side, `link` its connections, `outbox` the unacknowledged
//! publishes.

mod link;
mod outbox;
mod publisher;

pub use publisher::{LinePosition, Publisher};
