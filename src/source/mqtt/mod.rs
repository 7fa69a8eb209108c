//! Rows from an MQTT topic.

mod reader;
#[cfg(test)]
pub mod simulated;

pub use reader::MqttReader;
