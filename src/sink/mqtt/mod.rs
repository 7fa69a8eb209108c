//! Lines to an MQTT topic.

mod link;
mod outbox;
mod publisher;

pub use publisher::{LinePosition, Publisher};
