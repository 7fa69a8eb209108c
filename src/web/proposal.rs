//! What is proposed for a source, as changes to the text of a dataflow file.

use toml_edit::{DocumentMut, Item, Table};

use super::edits::{Edit, edited};
use crate::config::Dataflow;
use crate::runtime::Proposal;
use crate::source::SourceUrl;

/// Keys of `[source]` that say how it is reached.
const CONNECTION: [&str; 8] = ["url", "user", "password", "protocol", "ca", "certificate", "key", "max_payload"];

/// The text of a dataflow that has nothing but the source of this one: what is wrong elsewhere keeps nobody from looking at
/// it.
pub fn source_alone(toml: &str) -> String {
    let Ok(mut document) = toml.parse::<DocumentMut>() else { return toml.to_owned() };
    let mut source = Table::new();
    if let Some(given) = document.get_mut("source").and_then(Item::as_table_like_mut) {
        for key in CONNECTION {
            if let Some(item) = given.remove(key) {
                source.insert(key, item);
            }
        }
    }
    let mut alone = DocumentMut::new();
    alone.insert("schema", toml_edit::value("infer"));
    alone.insert("source", Item::Table(source));
    let mut sink = Table::new();
    sink.insert("url", toml_edit::value("null"));
    alone.insert("sink", Item::Table(sink));
    alone.to_string()
}

/// The text with what is proposed for its source.
///
/// # Errors
/// A text that is no TOML.
pub fn applied(toml: &str, dataflow: &Dataflow, proposal: &Proposal) -> Result<String, String> {
    let mut edits: Vec<Edit> = proposal
        .edits()
        .into_iter()
        .map(|(key, value)| match value {
            Some(value) => Edit::Set { key, value },
            None => Edit::Unset { key },
        })
        .collect();
    if let Some(dtype) = proposal.casts() {
        edits.push(Edit::Insert { index: 0, subtask: "astype".into() });
        edits.push(Edit::Set { key: "subtask.0.dtype".into(), value: dtype });
    }
    if let (Some(topic), SourceUrl::Mqtt(url)) = (proposal.topic(&dataflow.source().url), &dataflow.source().url) {
        let document: DocumentMut = toml.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
        // The login in an address stays.
        let given = document.get("source").and_then(|source| source.get("url")).and_then(Item::as_str);
        if let Some(address) = given.and_then(|given| given.strip_suffix(&url.topic)) {
            edits.push(Edit::Set { key: "source.url".into(), value: format!("{address}{topic}").into() });
        }
    }
    edited(toml, &edits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;
    use crate::runtime::propose;
    use crate::source::RawSample;
    use crate::web::document::{checked, values};

    #[test]
    fn what_is_proposed_stands_in_the_text_and_comments_stay() {
        let text = "# Ours.\nschema = \"davis\"\n[source]\nurl = \"mqtt://anna:crt@host/w/#\" # roof\nrows = \"old\"\n\
                    csv = { separator = \";\" }\n[sink]\nurl = \"null\"\n[[subtask]]\nuse = \"no_such\"\n";
        let registry = Registry::builtin();
        let dataflow = checked("x", &source_alone(text), &registry).unwrap();
        let publish = |topic: &str, payload: &str| (topic.to_owned(), payload.as_bytes().to_vec());
        let sample = RawSample::Publishes(vec![
            publish("w/north/temp", "20.5"),
            publish("w/south/temp", "21"),
            publish("w/north/state", "dry"),
        ]);
        let proposal = propose("x", &dataflow.source().url, &sample, 10, &registry).unwrap();
        let proposed = applied(text, &dataflow, &proposal).unwrap();
        let values = values(&proposed);
        let source = &values["source"];
        assert_eq!(source["topic"], "w/{station}/{column}", "{proposed}");
        assert_eq!((&source["collect"], &source["rows"], &source["csv"]), (&"2s".into(), &().into(), &().into()));
        assert_eq!(values["schema"]["number"], serde_json::json!(["temp"]), "{proposed}");
        assert_eq!(values["schema"]["text"], serde_json::json!(["state", "station"]), "{proposed}");
        assert!(
            proposed.contains("# Ours.") && proposed.contains("url = \"mqtt://anna:crt@host/w/+/+\" # roof"),
            "{proposed}"
        );
        assert!(proposed.contains("no_such"), "{proposed}");
        let sample = RawSample::Publishes(vec![publish("w/log", "roof;20.5;dry;50")]);
        let proposal = propose("x", &dataflow.source().url, &sample, 10, &registry).unwrap();
        let proposed = applied(&text.replace("[[subtask]]\nuse = \"no_such\"\n", ""), &dataflow, &proposal).unwrap();
        let subtasks = &crate::web::document::values(&proposed)["subtask"];
        assert_eq!(subtasks[0]["dtype"], serde_json::json!({"column_2": "number", "column_4": "number"}), "{proposed}");
        assert!(checked("x", &proposed, &registry).is_ok(), "{proposed}");
    }
}
