//! What source, sink, replay and demo share of MQTT: addresses and options of a client.

mod broker;
mod client;
mod front_door;
mod password;
pub mod tls;

pub use broker::{Embedded, free_port};
pub use client::{Backoff, Endpoint, Qos, Url, host_and_port, refusal};
pub use password::Password;
pub use tls::Tls;
