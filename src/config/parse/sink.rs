//! `[sink]` and `[dead_letter]`, and the sinks of tables.

use crate::config::Diagnostic;
use crate::config::document::Document;
use crate::config::parse::sections;
use crate::{disk, sink};

pub(crate) fn sink_settings(
    document: &Document,
    section: sections::Sink,
    dead_letter: bool,
) -> Result<Option<sink::Settings>, Diagnostic> {
    let Some(url) = section.url.clone() else { return Ok(None) };
    if dead_letter && !url.takes_json() {
        let help = "give a path that ends in .ndjson, -, mqtt:// or null".to_owned();
        return Err(Diagnostic::new(format!(
            "{}: dead letters are JSON lines, and {url} does not take them",
            document.path
        ))
        .help(Some(help)));
    }
    if section.parts && (dead_letter || !url.is_file()) {
        return Err(Diagnostic::new(format!(
            "{}: parts = true is for sinks that are files, not for {url}",
            document.path
        )));
    }
    if section.properties && !matches!(url, sink::Url::Mqtt(_)) {
        return Err(Diagnostic::new(format!(
            "{}: properties = true is for sinks that are topics, not for {url}",
            document.path
        )));
    }
    let endpoint = match &url {
        sink::Url::Mqtt(url) => {
            if url.topic.contains(['#', '+']) {
                return Err(Diagnostic::new(format!("{}: {url}: a sink's topic has no wildcards", document.path)));
            }
            let wrong = |reason| Diagnostic::new(format!("{}: sink: {reason}", document.path));
            Some(section.endpoint(url).map_err(wrong)?)
        }
        _ => None,
    };
    if section.infinity.is_some() && (dead_letter || matches!(url, sink::Url::Parquet(_))) {
        let title = format!("{}: infinity is for sinks of results as text, not for {url}", document.path);
        return Err(Diagnostic::new(title));
    }
    let sections::Sink { parts, properties, infinity, .. } = section;
    let infinity = infinity.unwrap_or_default();
    Ok(Some(sink::Settings {
        url,
        parts,
        properties,
        infinity,
        logged: false,
        endpoint,
        connect_timeout: None,
        disk: disk::machine(),
    }))
}
