//! `[sink]` and `[dead_letter]`, and the sinks of tables.

use crate::config::error::{SpannedError, Wrong};
use crate::config::parse::sections;
use crate::sink;

pub(crate) fn sink_settings(
    section: sections::SinkSection,
    dead_letter: bool,
) -> Result<Option<sink::SinkSettings>, SpannedError> {
    let Some(url) = section.url.clone() else { return Ok(None) };
    let refuse = |wrong: fn(String) -> Wrong| Err(wrong(url.to_string()).in_file());
    if dead_letter && !url.takes_json() {
        return refuse(Wrong::DeadLetterUrl);
    }
    if section.parts && (dead_letter || !url.is_file()) {
        return refuse(Wrong::PartsOfNoFile);
    }
    if section.properties && !matches!(url, sink::SinkUrl::Mqtt(_)) {
        return refuse(Wrong::PropertiesOfNoTopic);
    }
    let endpoint = match &url {
        sink::SinkUrl::Mqtt(topic) => {
            if topic.topic.contains(['#', '+']) {
                return refuse(Wrong::WildcardsOfSink);
            }
            let wrong = |reason| Wrong::Endpoint { section: "sink", reason }.in_file();
            Some(section.endpoint(topic).map_err(wrong)?)
        }
        _ => None,
    };
    let topic = match &url {
        // Dead letters have no columns.
        sink::SinkUrl::Mqtt(url) if !dead_letter => {
            let wrong = |reason| Wrong::Endpoint { section: "sink", reason }.in_file();
            sink::SinkTopic::read(&url.topic).map_err(wrong)?
        }
        _ => None,
    };
    if section.infinity.is_some() && (dead_letter || matches!(url, sink::SinkUrl::Parquet(_))) {
        return refuse(Wrong::InfinityOfNoText);
    }
    let sections::SinkSection { parts, properties, infinity, .. } = section;
    let infinity = infinity.unwrap_or_default();
    Ok(Some(sink::SinkSettings { parts, properties, infinity, endpoint, topic, ..sink::SinkSettings::at(url) }))
}
