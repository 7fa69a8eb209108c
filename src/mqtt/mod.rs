//! What source, sink, replay and demo share of MQTT: addresses, options and events of a client.

mod broker;
mod client;
mod events;
mod filter;
mod front_door;
mod password;
pub mod tls;

pub use broker::{Embedded, free_port};
pub use client::{Backoff, Endpoint, Qos, Url, host_and_port, refusal};
pub use events::{Events, LOOK_UP, end_session};
pub use filter::{same_broker, takes};
pub use password::Password;
pub use tls::Tls;
