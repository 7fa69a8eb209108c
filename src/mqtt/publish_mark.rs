//! The mark of a run's own publishes: two addresses that look like two brokers may be two listeners of one, or
//! brokers that a bridge joins.

use rumqttc::v5::mqttbytes::v5::Publish;

/// The name of the user property.
const NAME: &str = "rowmill-dataflow";

/// A user property of MQTT 5 that every publish of a dataflow has in one process of a run. What an earlier run has left at a
/// broker, and what the same file publishes on another machine, are rows like others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishMark(String);

impl PublishMark {
    /// One that no other has.
    pub fn random() -> PublishMark {
        PublishMark(format!("{:032x}", rand::random::<u128>()))
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
