//! What a station publishes.

use rumqttc::v5::mqttbytes::QoS;

/// What a station publishes, and what must become of its rows.
#[derive(Clone, Debug)]
pub struct SimulatedPublish {
    pub qos: QoS,
    pub payload: String,
    pub rows: Vec<NumberedRow>,
    /// Whether the broker sends it of its own accord, to a new subscription.
    pub retained: bool,
}

/// A row by the number it carries.
#[derive(Clone, Copy, Debug)]
pub struct NumberedRow {
    pub number: u64,
    /// Whether it cannot be used.
    pub dead: bool,
}
