//! Rows from an MQTT topic: `reader` is the connection, made of `event_loop`, `acknowledger` and `intake`, which share
//! `incoming`; `simulated` runs it in tests without network and threads.

mod acknowledger;
mod event_loop;
mod incoming;
mod intake;
mod reader;
#[cfg(test)]
pub mod simulated;

pub use reader::MqttReader;
