//! Rows from an MQTT topic: `reader` is the connection, `simulated` runs it in tests without network and threads.

mod reader;
#[cfg(test)]
pub mod simulated;

pub use reader::MqttReader;
