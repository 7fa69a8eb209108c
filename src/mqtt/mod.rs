//! What source, sink, replay and demo share of MQTT: addresses, options and events of a client.

mod broker;
mod client;
mod events;
mod filter;
mod front_door;
mod masked;
mod password;
pub mod tls;

pub use broker::{Embedded, free_port};
pub use client::{Backoff, Endpoint, Login, Qos, Url, host_and_port, refusal};
pub use events::{Events, LOOK_UP, end_session};
pub use filter::{same_broker, takes};
pub use masked::{is_secret, masked};
pub use password::Password;
pub use tls::Tls;
