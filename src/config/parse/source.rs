//! `[source]`: how rows come in, and whether `connections` works with the other settings.

use std::sync::Arc;

use toml::Spanned;

use crate::config::error::{SpannedError, Wrong};
use crate::config::model::{Dataflow, Fitting};
use crate::config::parse::sections::{self, SchemaChoice};
use crate::format::{Compression, CsvOptions, Decoding, Framing, InnerRows, MAX_PAYLOAD, PayloadFormat, ValuePath};
use crate::mqtt::Endpoint;
use crate::source::{self, Connections};

pub(super) fn source_settings(
    name: &str,
    section: Option<&sections::SourceSection>,
    url: &source::SourceUrl,
    limits: source::Limits,
    schema: &SchemaChoice,
    decoding: &Arc<Decoding>,
) -> Result<source::SourceSettings, SpannedError> {
    let endpoint = match (section, url) {
        (Some(section), source::SourceUrl::Mqtt(url)) => Some(section.endpoint(url).map(|endpoint| {
            let own = section.session.then(|| format!("rowmill-{name}"));
            Endpoint { client_id: endpoint.client_id.or(own), ..endpoint }
        })),
        _ => None,
    };
    let wrong = |reason| Wrong::Endpoint { section: "source", reason }.in_file();
    let endpoint = endpoint.transpose().map_err(wrong)?;
    Ok(source::SourceSettings {
        endpoint,
        connections: section
            .and_then(|section| section.connections.as_ref())
            .map(|connections| connections.get_ref().clone())
            .unwrap_or_default(),
        limits,
        framing: Arc::new(Framing {
            max_payload: section.map_or(MAX_PAYLOAD, |section| section.max_payload),
            compression: section.map_or_else(Compression::default, |section| section.compression),
            format: section.map_or_else(PayloadFormat::default, |section| section.format),
            columns: match schema {
                SchemaChoice::Known { schema, .. } => Some(Arc::new(schema.clone())),
                SchemaChoice::Infer { .. } => None,
            },
            csv: section.map_or_else(CsvOptions::default, |section| section.csv.clone()),
            topic: decoding.topic.clone(),
            collect: section.and_then(|section| section.collect.as_ref()).map(|collect| collect.get_ref().duration()),
            value: section.and_then(|section| section.value.as_ref()).map(value_path).transpose()?,
            decoding: decoding.clone(),
            rows: section.and_then(|section| section.rows.as_ref()).map(inner_rows).transpose()?,
        }),
        retained: section.is_none_or(|section| section.retained),
        clean_start: false,
        connect_timeout: section.and_then(|section| section.connect_timeout),
        reconnect_timeout: section.and_then(|section| section.reconnect_timeout),
        custom: None,
        max_rows: None,
        shared_file: false,
    })
}

fn inner_rows(path: &Spanned<String>) -> Result<InnerRows, SpannedError> {
    InnerRows::parse(path.get_ref()).map_err(|reason| Wrong::RowsPath(reason).at(path.span()))
}

fn value_path(path: &Spanned<String>) -> Result<ValuePath, SpannedError> {
    ValuePath::parse(path.get_ref()).map_err(|reason| Wrong::ValuePath(reason).at(path.span()))
}

/// Refuses connections that do not work with the other settings.
pub(super) fn check_connections(dataflow: &Dataflow, connections: &Spanned<Connections>) -> Result<(), SpannedError> {
    let refuse = |wrong: Wrong| Err(wrong.at(connections.span()));
    if let Err(reason) = connections.get_ref().check() {
        return refuse(Wrong::Connections(reason));
    }
    if dataflow.source_settings.connections() == 1 {
        return Ok(());
    }
    if !dataflow.source_settings.is_persistent() {
        return refuse(Wrong::ConnectionsWithoutSession);
    }
    if matches!(dataflow.schema, SchemaChoice::Infer { .. }) {
        return refuse(Wrong::ConnectionsInfer);
    }
    let streams = dataflow.steps.iter().find(|step| matches!(step.fitting, Fitting::Stream { .. }));
    let upserts = dataflow.tables.iter().find(|table| table.replaces());
    let ordered = streams.map(|step| step.label.as_str()).or(upserts.map(|table| table.name()));
    match ordered.filter(|_| connections.get_ref().mix()) {
        None => Ok(()),
        Some(label) => refuse(Wrong::ConnectionsMix(label.to_owned())),
    }
}
