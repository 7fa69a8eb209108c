//! `[source]`, or several `[[source]]`: how rows come in, and whether `connections` works with the other settings.

use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::config::error::{SpannedError, Wrong};
use crate::config::model::{Dataflow, Fitting};
use crate::config::parse::custom::take_source;
use crate::config::parse::schema::ReadSchema;
use crate::config::parse::sections::{self, SchemaChoice};
use crate::config::parse::sparkplug::check_sparkplug;
use crate::config::parse::topic::{check_collect, check_filters, check_inner, check_topic};
use crate::config::source_plan::{NamedSourceSection, SourcePlan};
use crate::format::{Compression, CsvOptions, Decoding, Framing, InnerRows, MAX_PAYLOAD, PayloadFormat, ValuePath};
use crate::mqtt::{Endpoint, MqttUrl};
use crate::registry::Registry;
use crate::source::{self, Connections, CustomSource};

/// `[source]`, or one of several `[[source]]`, before the rest of the file is known.
pub(super) struct SourceParts<'i> {
    pub name: Option<Spanned<String>>,
    section: Option<sections::SourceSection>,
    custom: Option<(String, CustomSource, usize, CsvOptions)>,
    schema: Option<Spanned<DeValue<'i>>>,
    span: Range<usize>,
}

/// Takes `[[source]]` out of a file; nothing where there is one `[source]`.
pub(super) fn take_sources<'i>(
    root: &mut DeTable<'i>,
    registry: &Registry,
) -> Result<Vec<SourceParts<'i>>, SpannedError> {
    if root.get("source").is_none_or(|source| source.get_ref().as_array().is_none()) {
        return Ok(Vec::new());
    }
    let Some(DeValue::Array(items)) = root.remove("source").map(Spanned::into_inner) else { return Ok(Vec::new()) };
    let count = items.len();
    let mut all: Vec<SourceParts<'i>> = Vec::new();
    for item in items {
        let parts = read_parts(item, registry)?;
        check_name(&parts, &all, count)?;
        all.push(parts);
    }
    Ok(all)
}

fn read_parts<'i>(item: Spanned<DeValue<'i>>, registry: &Registry) -> Result<SourceParts<'i>, SpannedError> {
    let span = item.span();
    let (mut item, mut named, mut schema) = (item, DeTable::new(), None);
    if let DeValue::Table(table) = item.get_mut() {
        for key in NamedSourceSection::KEYS {
            named.extend(table.remove_entry(key));
        }
        schema = table.remove("schema");
    }
    let named = Spanned::new(span.clone(), DeValue::Table(named));
    let NamedSourceSection { name } = NamedSourceSection::deserialize(ValueDeserializer::from(named))?;
    let mut root = DeTable::new();
    root.insert(Spanned::new(span.clone(), "source".into()), item);
    complete_address(&mut root);
    let custom = take_source(&mut root, registry)?;
    let section = root.remove("source").map(|own| {
        let section = sections::SourceSection::deserialize(ValueDeserializer::from(own));
        section.map_err(|error| SpannedError::from(error).or_meant(&["name", "schema"]))
    });
    Ok(SourceParts { name, section: section.transpose()?, custom, schema, span })
}

/// Gives an address without a topic that of the first connection, where `connections` lists them: no connection subscribes to
/// another one.
pub(super) fn complete_address(root: &mut DeTable<'_>) {
    let source = root.get_mut("source").map(Spanned::get_mut);
    let Some(DeValue::Table(source)) = source else { return };
    let first = source.get("connections").and_then(|topics| topics.get_ref().as_array()?.first()?.get_ref().as_str());
    let address = source.get("url").and_then(|url| url.get_ref().as_str());
    let (Some(first), Some(address)) = (first, address) else { return };
    let whole = format!("{}/{first}", address.trim_end_matches('/'));
    if address.parse::<MqttUrl>().is_err() && whole.parse::<MqttUrl>().is_ok_and(|url| url.topic == first) {
        source
            .get_mut("url")
            .map(Spanned::get_mut)
            .into_iter()
            .for_each(|url| *url = DeValue::String(whole.clone().into()));
    }
}

fn check_name(parts: &SourceParts<'_>, before: &[SourceParts<'_>], count: usize) -> Result<(), SpannedError> {
    let Some(name) = &parts.name else {
        return if count == 1 { Ok(()) } else { Err(Wrong::SourceWithoutName.at(parts.span.clone())) };
    };
    let text = name.get_ref();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
        return Err(Wrong::SourceName.at(name.span()));
    }
    let same = |other: &SourceParts<'_>| other.name.as_ref().is_some_and(|other| other.get_ref() == text);
    if before.iter().any(same) { Err(Wrong::SourceTwice(text.clone()).at(name.span())) } else { Ok(()) }
}

impl<'i> SourceParts<'i> {
    /// The one `[source]` of a file.
    pub fn alone(
        section: Option<sections::SourceSection>,
        custom: Option<(String, CustomSource, usize, CsvOptions)>,
    ) -> SourceParts<'i> {
        SourceParts { name: None, section, custom, schema: None, span: 0..0 }
    }

    /// Its schema, if it has one of its own.
    pub fn take_schema(&mut self) -> Option<Spanned<DeValue<'i>>> {
        self.schema.take()
    }

    /// The source, whose session is of this name; `None` without an address.
    pub fn plan(
        &self,
        session: &str,
        limits: source::Limits,
        read: ReadSchema,
    ) -> Result<Option<SourcePlan>, SpannedError> {
        let section = self.section.as_ref();
        let custom_url = self.custom.as_ref().map(|(url, ..)| source::SourceUrl::Custom(url.clone()));
        let Some(url) = custom_url.or_else(|| section.and_then(|section| section.url.clone())) else {
            return Ok(None);
        };
        let ReadSchema { schema, decoding, is_davis, names_columns } = read;
        let units = section.and_then(|section| section.units).unwrap_or(is_davis || !decoding.unit.is_empty());
        let topic = section.and_then(|section| section.topic.as_ref()).map(|topic| Arc::new(topic.get_ref().clone()));
        let decoding = Arc::new(Decoding { units, topic, ..decoding });
        let mut settings = source_settings(session, section, &url, limits, &schema, &decoding)?;
        if let Some((_, custom, max_payload, csv)) = self.custom.clone() {
            settings.custom = Some(custom);
            let framing = Arc::make_mut(&mut settings.framing);
            (framing.max_payload, framing.csv) = (max_payload, csv);
        }
        let name = self.name.as_ref().map(|name| name.get_ref().clone());
        let allow_loop = section.is_some_and(|section| section.allow_loop);
        let span = self.span.clone();
        Ok(Some(SourcePlan { name, url, settings, schema, decoding, names_columns, allow_loop, span }))
    }

    /// Whether it is the one `[source]` of a file.
    pub fn is_alone(&self) -> bool {
        self.span.is_empty()
    }

    /// Its span in the document.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Refuses what does not work together, in it and with the rest of the dataflow.
    pub fn check(&self, plan: &SourcePlan, dataflow: &Dataflow) -> Result<(), SpannedError> {
        check_filters(plan)?;
        check_sparkplug(plan)?;
        let Some(section) = &self.section else { return Ok(()) };
        section.topic.as_ref().map_or(Ok(()), |topic| check_topic(plan, topic))?;
        section.collect.as_ref().map_or(Ok(()), |collect| check_collect(plan, collect))?;
        check_inner(plan, section.topic.as_ref(), section.value.as_ref(), section.rows.as_ref())?;
        section.connections.as_ref().map_or(Ok(()), |connections| check_connections(plan, dataflow, connections))
    }
}

/// Fits several sources to each other.
///
/// # Errors
/// What does not go together.
pub(super) fn together(sources: &mut [SourcePlan]) -> Result<(), SpannedError> {
    if sources.len() == 1 {
        return Ok(());
    }
    let live = sources.iter().any(|plan| plan.settings.is_live());
    let is_stream = |plan: &SourcePlan| match &plan.url {
        source::SourceUrl::Stdin => true,
        source::SourceUrl::File { path, .. } => source::is_stream(path),
        _ => false,
    };
    for (place, plan) in sources.iter().enumerate().filter(|(_, plan)| is_stream(plan)) {
        if sources[..place].iter().any(|other| other.url == plan.url) {
            return Err(Wrong::StreamTwice(plan.url.to_string()).at(plan.span.clone()));
        }
    }
    for plan in sources {
        if plan.known().is_none() {
            return Err(Wrong::SourcesInfer.at(plan.span.clone()));
        }
        let is_file = matches!(&plan.url, source::SourceUrl::File { path, .. } if !source::is_stream(path));
        if live && !is_file && !plan.settings.is_live() {
            return Err(Wrong::SourceOnce(plan.url.to_string()).at(plan.span.clone()));
        }
        plan.settings.resumes = live && is_file;
    }
    Ok(())
}

fn source_settings(
    session: &str,
    section: Option<&sections::SourceSection>,
    url: &source::SourceUrl,
    limits: source::Limits,
    schema: &SchemaChoice,
    decoding: &Arc<Decoding>,
) -> Result<source::SourceSettings, SpannedError> {
    let endpoint = match (section, url) {
        (Some(section), source::SourceUrl::Mqtt(url)) => Some(section.endpoint(url).map(|endpoint| {
            let own = section.session.then(|| format!("rowmill-{session}"));
            Endpoint { client_id: endpoint.client_id.or(own), ..endpoint }
        })),
        _ => None,
    };
    let wrong = |reason| Wrong::Endpoint { section: "source", reason }.in_file();
    let rows = section.and_then(|section| section.rows.as_ref()).map(inner_rows).transpose()?;
    let is_read = |key: &str| match schema {
        SchemaChoice::Known { schema, .. } => schema.names().any(|name| decoding.keys.key(name) == key),
        SchemaChoice::Infer { .. } => true,
    };
    let has_elements = match schema {
        SchemaChoice::Known { schema, .. } => schema.names().any(|name| decoding.keys.key(name).starts_with('[')),
        SchemaChoice::Infer { .. } => false,
    };
    let rows = rows.map(|rows| if has_elements { rows.without_names() } else { rows });
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
            rows: rows.map(|rows| rows.with_lone_values(is_read("value"))),
        }),
        retained: section.is_none_or(|section| section.retained),
        clean_start: false,
        connect_timeout: section.and_then(|section| section.connect_timeout),
        reconnect_timeout: section.and_then(|section| section.reconnect_timeout),
        custom: None,
        max_rows: None,
        shared_file: false,
        resumes: false,
    })
}

fn inner_rows(path: &Spanned<String>) -> Result<InnerRows, SpannedError> {
    InnerRows::parse(path.get_ref()).map_err(|reason| Wrong::RowsPath(reason).at(path.span()))
}

fn value_path(path: &Spanned<String>) -> Result<ValuePath, SpannedError> {
    ValuePath::parse(path.get_ref()).map_err(|reason| Wrong::ValuePath(reason).at(path.span()))
}

/// Refuses connections that do not work with the other settings.
fn check_connections(
    plan: &SourcePlan,
    dataflow: &Dataflow,
    connections: &Spanned<Connections>,
) -> Result<(), SpannedError> {
    let refuse = |wrong: Wrong| Err(wrong.at(connections.span()));
    if let Err(reason) = connections.get_ref().check() {
        return refuse(Wrong::Connections(reason));
    }
    if plan.settings.connections() == 1 {
        return Ok(());
    }
    if !plan.settings.is_persistent() {
        return refuse(Wrong::ConnectionsWithoutSession);
    }
    if matches!(plan.schema, SchemaChoice::Infer { .. }) {
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
