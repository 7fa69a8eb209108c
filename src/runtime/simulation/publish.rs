//! A simulated publish.

use rumqttc::v5::mqttbytes::QoS;

/// A publish, and the rows that it must lead to.
#[derive(Clone, Debug)]
pub struct SimulatedPublish {
    pub qos: QoS,
    pub payload: String,
    pub rows: Vec<NumberedRow>,
    /// Whether it is a retained message, which the broker sends to a new subscription.
    pub retained: bool,
}

/// A row, identified by the number it carries.
#[derive(Clone, Copy, Debug)]
pub struct NumberedRow {
    pub number: u64,
    /// Whether it can't be parsed, and must become a dead letter.
    pub dead: bool,
}
