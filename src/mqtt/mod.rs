//! What sources, sinks, replay and demo share of MQTT.
//!
//! - `client`, `tls`, `named_certificate`, `password`: addresses, options, certificates and login of a client;
//!   `filter`: topic filters.
//! - `events`: the client's event loop. `protocol`: the version of MQTT, found if not given; `v3`: MQTT 3.1.1.
//! - `wrong_scheme`: what else may speak at an address. `client_id`: one process per client id.
//! - `publish_mark`: by which a dataflow knows its own publishes. `masked`: texts without their passwords.
//! - `broker`, `front_door`, `port`: the embedded broker, its address for both versions, free local ports.
//!
//! Never here: rows, buckets, acknowledgement.

#[cfg(feature = "broker")]
mod broker;
mod client;
mod client_id;
mod events;
mod filter;
#[cfg(feature = "broker")]
mod front_door;
mod masked;
pub(crate) mod named_certificate;
mod password;
mod port;
mod protocol;
mod publish_mark;
pub mod tls;
mod v3;
mod wrong_scheme;

#[cfg(feature = "broker")]
pub use broker::EmbeddedBroker;
pub use client::{Backoff, Credentials, Endpoint, MqttUrl, Qos, host_and_port, refusal};
pub use client_id::ClientIdLock;
pub use events::{LOOK_UP_INTERVAL, MqttEvents, end_session, is_older};
pub use filter::{broker_name, check_filter, overlap, same_broker, same_host, takes, unshared};
pub use masked::{is_secret, masked};
pub use password::{Environment, Password, allow_environment};
pub use port::free_port;
pub use protocol::{Negotiation, Protocol};
pub use publish_mark::PublishMark;
pub use tls::TlsMaterial;
pub use wrong_scheme::unheard;
