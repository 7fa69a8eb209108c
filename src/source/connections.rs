//! Several connections that share the rows of one source.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::mqtt::MqttUrl;

/// The connections of an MQTT source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a number of connections, or a list with the topics of each")]
pub enum Connections {
    /// So many, to which the broker hands out what is published on the topic: a shared subscription of MQTT 5.
    Shared(u16),
    /// One a topic.
    Topics(Vec<String>),
}

impl Default for Connections {
    fn default() -> Connections {
        Connections::Shared(1)
    }
}

impl Connections {
    /// Most connections of a source: each has threads of its own.
    pub const MOST: usize = 256;

    /// How many connections there are.
    pub fn count(&self) -> usize {
        match self {
            Connections::Shared(count) => usize::from(*count),
            Connections::Topics(topics) => topics.len(),
        }
    }

    /// # Errors
    /// No connections or too many, or topics that are empty or duplicates.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=Connections::MOST).contains(&self.count()) {
            return Err(format!("there must be between 1 and {} connections", Connections::MOST));
        }
        let Connections::Topics(topics) = self else { return Ok(()) };
        let twice = |(place, topic): (usize, &String)| topic.is_empty() || topics[..place].contains(topic);
        match topics.iter().enumerate().find(|topic| twice(*topic)) {
            Some((_, topic)) if topic.is_empty() => Err("a topic is empty".into()),
            Some((_, topic)) => Err(format!("{topic} stands twice: its rows would come twice")),
            None => Ok(()),
        }
    }

    /// Whether rows of one station may arrive over different connections and overtake each other.
    pub fn mix(&self) -> bool {
        matches!(self, Connections::Shared(count) if *count > 1)
    }

    /// What connection `number` subscribes to at `url`; `group` names those that share a subscription.
    pub(super) fn topic(&self, url: &MqttUrl, group: &str, number: usize) -> String {
        match self {
            Connections::Topics(topics) => topics[number].clone(),
            Connections::Shared(1) => url.topic.clone(),
            Connections::Shared(_) if url.topic.starts_with("$share/") => url.topic.clone(),
            // A group's name is one level of the topic.
            Connections::Shared(_) => format!("$share/{}/{}", group.replace(['/', '+', '#'], "_"), url.topic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_its_topic() {
        let topic = |connections: &Connections, url: &str, number| {
            connections.topic(&url.parse().unwrap(), "rowmill-a/b", number)
        };
        let (one, three) = (Connections::Shared(1), Connections::Shared(3));
        assert_eq!(topic(&one, "mqtt://h/t/#", 0), "t/#");
        assert_eq!(topic(&three, "mqtt://h/t/#", 2), "$share/rowmill-a_b/t/#");
        assert_eq!(topic(&three, "mqtt://h/$share/own/t", 1), "$share/own/t");
        let topics = Connections::Topics(vec!["a".into(), "b".into()]);
        assert_eq!(topic(&topics, "mqtt://h/t", 1), "b");
        assert!(three.mix() && !one.mix() && !topics.mix());
        assert!(topics.check().is_ok() && three.check().is_ok());
        let twice = Connections::Topics(vec!["a".into(), "a".into()]);
        for wrong in [Connections::Shared(0), Connections::Shared(257), Connections::Topics(vec![]), twice] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
