//! Sparkplug B: whether every message of a node comes, and over one connection.

use crate::config::error::{SpannedError, Wrong};
use crate::config::source_plan::SourcePlan;

/// Refuses what does not work with Sparkplug B.
pub(super) fn check_sparkplug(source: &SourcePlan) -> Result<(), SpannedError> {
    let settings = &source.settings;
    if !settings.framing.format.is_sparkplug() {
        return Ok(());
    }
    let refuse = |wrong: Wrong| Err(wrong.in_file());
    if settings.endpoint.is_none() {
        return refuse(Wrong::SparkplugOfNoTopic);
    }
    if settings.shares() {
        return refuse(Wrong::SparkplugShared);
    }
    if settings.framing.topic.is_some() || settings.framing.rows.is_some() {
        return refuse(Wrong::SparkplugTopic);
    }
    match settings.topics().into_iter().find(|filter| !takes_whole_nodes(filter)) {
        Some(filter) => refuse(Wrong::SparkplugFilter(filter.to_owned())),
        None => Ok(()),
    }
}

/// Whether a filter takes all types of messages, of a node and of its devices.
fn takes_whole_nodes(filter: &str) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    match levels.iter().position(|level| *level == "#") {
        Some(0..=2) => true,
        Some(3 | 4) => levels[2] == "+",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Dataflow;

    #[test]
    fn a_filter_takes_whole_nodes_or_not() {
        for whole in ["#", "spBv1.0/#", "spBv1.0/g/#", "spBv1.0/g/+/#", "spBv1.0/+/+/n/#", "+/g/+/n/#"] {
            assert!(takes_whole_nodes(whole), "{whole}");
        }
        for part in
            ["spBv1.0/g/NDATA/#", "spBv1.0/g/+/n", "spBv1.0/g/+/n/+", "spBv1.0/g/+/n/d/#", "spBv1.0/g/DDATA/n/d"]
        {
            assert!(!takes_whole_nodes(part), "{part}");
        }
    }

    #[test]
    fn what_would_tear_messages_apart_is_refused() {
        let read = |url: &str, more: &str| {
            let text = format!(
                "schema = {{ number = [\"t\"], text = [\"node\"] }}\nsink.url = \"null\"\n[source]\nurl = {url:?}\n\
                 format = \"sparkplug\"\n{more}\n"
            );
            let read = Dataflow::from_text("f.toml", &text, &[], &crate::registry::Registry::builtin());
            read.err().map(|diagnostic| diagnostic.to_string())
        };
        assert_eq!(read("mqtt://h/spBv1.0/#", ""), None);
        for (url, more, said) in [
            ("mqtt://h/$share/g/spBv1.0/#", "", "shared"),
            ("mqtt://h/spBv1.0/#", "session = true\nconnections = 2", "shared"),
            ("mqtt://h/spBv1.0/g/DDATA/#", "", "leaves out"),
            ("x.ndjson", "", "topics of MQTT"),
            ("mqtt://h/spBv1.0/#", "topic = \"spBv1.0/+/+/{node}\"", "not for Sparkplug"),
            ("mqtt://h/spBv1.0/#", "rows = \"a\"", "not for Sparkplug"),
        ] {
            let told = read(url, more).unwrap_or_default();
            assert!(told.contains(said), "{url} {more}: {told}");
        }
        assert_eq!(read("mqtt://h/x", "session = true\nconnections = [\"spBv1.0/a/#\", \"spBv1.0/b/#\"]"), None);
    }
}
