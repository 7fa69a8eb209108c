//! The mark of a dataflow's own publishes: two addresses that look like two brokers may be two listeners of one, or
//! brokers that a bridge joins.

use rumqttc::v5::mqttbytes::v5::Publish;

/// The name of the user property.
const NAME: &str = "rowmill-dataflow";

/// A user property of MQTT 5 that every publish of a dataflow has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishMark(String);

impl PublishMark {
    /// The mark of a dataflow, the same in all its processes.
    pub fn of(dataflow: impl std::fmt::Display) -> PublishMark {
        PublishMark(dataflow.to_string())
    }

    /// As a user property.
    pub fn property(&self) -> (String, String) {
        (NAME.to_owned(), self.0.clone())
    }

    /// Whether a publish has it.
    pub fn is_of(&self, publish: &Publish) -> bool {
        let properties = publish.properties.iter().flat_map(|properties| &properties.user_properties);
        properties.into_iter().any(|(name, value)| name == NAME && *value == self.0)
    }
}
