//! Lines to an MQTT topic: `publisher` is the sink's side, `link` its connections, `outbox` the unacknowledged
//! publishes, `topic` a topic with columns.

mod link;
mod outbox;
mod publisher;
mod topic;

pub use publisher::{LinePosition, Publisher};
pub use topic::{SinkTopic, check_topic};
