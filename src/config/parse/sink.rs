//! `[sink]`, or several `[[sink]]`; `[dead_letter]`, and the sinks of tables.

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::config::error::{SpannedError, Wrong};
use crate::config::parse::custom::take_sink;
use crate::config::parse::sections;
use crate::config::sink_plan::{BranchSection, SinkPlan};
use crate::mqtt::Protocol;
use crate::registry::Registry;
use crate::sink;

/// The sinks of a file, in their order; `None` if one has no address.
pub(super) fn read_sinks(
    value: Option<Spanned<DeValue<'_>>>,
    registry: &Registry,
) -> Result<Option<Vec<SinkPlan>>, SpannedError> {
    let Some(value) = value else { return Ok(None) };
    let span = value.span();
    let items = match value.into_inner() {
        DeValue::Array(items) => items.into_iter().collect(),
        one => vec![Spanned::new(span, one)],
    };
    let mut plans: Vec<SinkPlan> = Vec::new();
    for item in items {
        let Some(plan) = read_sink(item, registry)? else { return Ok(None) };
        check(&plan, &plans)?;
        plans.push(plan);
    }
    Ok(Some(plans).filter(|plans| !plans.is_empty()))
}

fn read_sink(item: Spanned<DeValue<'_>>, registry: &Registry) -> Result<Option<SinkPlan>, SpannedError> {
    let span = item.span();
    let (mut own, mut branch) = (item, DeTable::new());
    if let DeValue::Table(table) = own.get_mut() {
        for key in BranchSection::KEYS {
            branch.extend(table.remove_entry(key));
        }
    }
    check_key(&own, registry)?;
    let branch = Spanned::new(span.clone(), DeValue::Table(branch));
    let branch = BranchSection::deserialize(ValueDeserializer::from(branch))?;
    let mut root = DeTable::new();
    root.insert(Spanned::new(span.clone(), "sink".into()), own);
    let settings = match take_sink(&mut root, "sink", registry)? {
        Some((url, custom)) => {
            let at = sink::SinkSettings::at(sink::SinkUrl::Custom(url));
            Some(sink::SinkSettings { custom: Some(custom), ..at })
        }
        None => {
            let own = root.remove("sink").expect("it was not taken");
            // Without its scheme, the keys of a sink of the registry would be unknown.
            if let Some((reason, at)) = no_sink(&own) {
                return Err(Wrong::Toml { reason, help: None }.at(at));
            }
            let section = sections::SinkSection::deserialize(ValueDeserializer::from(own));
            let section = section.map_err(|error| SpannedError::from(error).or_meant(&BranchSection::KEYS))?;
            sink_settings(section, false)?
        }
    };
    Ok(settings.map(|settings| SinkPlan { settings, branch, span }))
}

/// Why the address of a section is that of no sink, and where it stands.
fn no_sink(own: &Spanned<DeValue<'_>>) -> Option<(String, std::ops::Range<usize>)> {
    let DeValue::Table(table) = own.get_ref() else { return None };
    let url = table.get("url")?;
    let text = url.get_ref().as_str()?;
    let reason = sink::SinkUrl::try_from(text.to_owned()).err()?;
    let slashes = !text.contains("://") && (text.contains("//") || text.contains(":/"));
    let hint = if slashes { "; an address of a server has :// behind its scheme, as postgresql://" } else { "" };
    Some((format!("{reason}{hint}"), url.span()))
}

/// Refuses a key of columns where the sink is no table of a database: there it would be a file for TLS.
fn check_key(own: &Spanned<DeValue<'_>>, registry: &Registry) -> Result<(), SpannedError> {
    let DeValue::Table(table) = own.get_ref() else { return Ok(()) };
    let url = table.get("url").and_then(|url| url.get_ref().as_str()).unwrap_or_default();
    match table.get("key") {
        Some(key) if matches!(key.get_ref(), DeValue::Array(_)) && registry.sinks().find(url).is_none() => {
            Err(Wrong::KeyOfNoTable(url.to_owned()).at(key.span()))
        }
        _ => Ok(()),
    }
}

/// Refuses a sink that does not fit those before it.
fn check(plan: &SinkPlan, before: &[SinkPlan]) -> Result<(), SpannedError> {
    let BranchSection { name, columns, .. } = &plan.branch;
    if let Some(name) = name {
        let text = name.get_ref();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            return Err(Wrong::SinkName.at(name.span()));
        }
        if before.iter().any(|other| other.shown() == *text) {
            return Err(Wrong::SinkTwice(text.clone()).at(name.span()));
        }
    }
    if let Some(columns) = columns.as_ref().filter(|columns| columns.get_ref().is_empty()) {
        return Err(Wrong::NoColumns.at(columns.span()));
    }
    plan.branch.check_alert()?;
    if plan.settings.is_transactional() && before.iter().any(|other| other.settings.is_transactional()) {
        let reason = "one sink at most may be a table of a database".to_owned();
        return Err(Wrong::Endpoint { section: "sink", reason }.at(plan.span.clone()));
    }
    let is_written = |plan: &&SinkPlan| plan.settings.url != sink::SinkUrl::Null;
    match before.iter().find(is_written) {
        Some(other) if is_written(&plan) && other.settings.parts != plan.settings.parts => {
            Err(Wrong::SomeInParts.at(plan.span.clone()))
        }
        _ => Ok(()),
    }
}

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
    if section.properties && section.protocol == Some(Protocol::V3) {
        return refuse(Wrong::PropertiesOfV3);
    }
    // That of a certificate stays where another sink is tried.
    if url.is_file() && section.key.is_some() && section.certificate.is_none() {
        return refuse(Wrong::KeyOfNoTable);
    }
    if url.is_file() && names_columns(&url.to_string()) {
        return refuse(Wrong::FileOfColumns);
    }
    let endpoint = match &url {
        sink::SinkUrl::Mqtt(topic) => {
            if topic.topic.contains(['#', '+']) {
                return refuse(Wrong::WildcardsOfSink);
            }
            let section_name = if dead_letter { "dead_letter" } else { "sink" };
            let wrong = |reason| Wrong::Endpoint { section: section_name, reason }.in_file();
            sink::check_topic(&topic.topic).map_err(wrong)?;
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

/// Whether words stand between braces, as columns do in a topic.
fn names_columns(text: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && !name.contains(['{', '/', ' ', ',']);
    text.split('{').skip(1).any(|part| part.split_once('}').is_some_and(|(name, _)| is_name(name)))
}
