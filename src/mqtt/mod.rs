//! What source, sink, replay and demo share of MQTT: addresses, options and events of a client.

#[cfg(feature = "broker")]
mod broker;
mod client;
mod client_id;
mod events;
mod filter;
#[cfg(feature = "broker")]
mod front_door;
mod masked;
mod password;
mod port;
pub mod tls;

#[cfg(feature = "broker")]
pub use broker::Embedded;
pub use client::{Backoff, Endpoint, Login, Qos, Url, host_and_port, refusal};
pub use client_id::ClientIdLock;
pub use events::{Events, LOOK_UP, end_session};
pub use filter::{broker_name, same_broker, takes};
pub use masked::{is_secret, masked};
pub use password::{Environment, Password, allow_environment};
pub use port::free_port;
pub use tls::Tls;
