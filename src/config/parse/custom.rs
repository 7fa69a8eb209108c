//! Sources and sinks of the registry: the scheme of the address says which, and its section holds its own settings.

use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::config::error::{SpannedError, Wrong};
use crate::config::parse::sections::max_payload_of;
use crate::format::Encoding;
use crate::mqtt::masked;
use crate::registry::Registry;
use crate::sink::CustomSink;
use crate::source::CustomSource;

type Section<'i> = (String, std::ops::Range<usize>, std::ops::Range<usize>, DeTable<'i>);

/// Takes a section out of a file if its address is one that is `known`: the address, its span, the section's span, and
/// the other settings.
fn take<'i>(root: &mut DeTable<'i>, key: &str, known: impl Fn(&str) -> bool) -> Option<Section<'i>> {
    let DeValue::Table(table) = root.get(key)?.get_ref() else { return None };
    if !table.get("url")?.get_ref().as_str().is_some_and(known) {
        return None;
    }
    let section = root.remove(key)?;
    let span = section.span();
    let DeValue::Table(mut table) = section.into_inner() else { return None };
    let url = table.remove("url")?;
    let text = url.get_ref().as_str()?.to_owned();
    Some((text, url.span(), span, table))
}

/// Takes `[source]` if it is a source of the registry: with its address, and the longest payload it may deliver.
///
/// # Errors
/// Settings that do not fit it.
pub fn take_source(
    root: &mut DeTable<'_>,
    registry: &Registry,
) -> Result<Option<(String, CustomSource, usize)>, SpannedError> {
    let known = |url: &str| registry.sources().find(url).is_some();
    let Some((url, at, span, mut table)) = take(root, "source", known) else { return Ok(None) };
    let max_payload = table.remove("max_payload").map(|value| max_payload_of(ValueDeserializer::from(value)));
    let max_payload = max_payload.transpose()?.unwrap_or(crate::source::MAX_PAYLOAD);
    let entry = registry.sources().find(&url).expect("it was found before");
    let settings = ValueDeserializer::from(Spanned::new(span, DeValue::Table(table)));
    let source = entry.build(settings, &url)?;
    match source.refused() {
        Some(reason) => Err(Wrong::Endpoint { section: "source", reason: reason.into() }.at(at)),
        None => Ok(Some((url, source, max_payload))),
    }
}

/// Takes `[sink]` or `[dead_letter]` if it is a sink of the registry: with its address.
///
/// # Errors
/// Settings that do not fit it, or dead letters that it does not take.
pub fn take_sink(
    root: &mut DeTable<'_>,
    section: &'static str,
    registry: &Registry,
) -> Result<Option<(String, CustomSink)>, SpannedError> {
    let known = |url: &str| registry.sinks().find(url).is_some();
    let Some((url, at, span, table)) = take(root, section, known) else { return Ok(None) };
    let entry = registry.sinks().find(&url).expect("it was found before");
    let settings = ValueDeserializer::from(Spanned::new(span, DeValue::Table(table)));
    let sink = entry.build(settings, &url)?;
    if let Some(reason) = sink.refused() {
        return Err(Wrong::Endpoint { section, reason: reason.into() }.at(at));
    }
    if section == "dead_letter" && sink.encoding() != Encoding::JsonLines {
        return Err(Wrong::DeadLetterUrl(masked(&url)).at(at));
    }
    Ok(Some((url, sink)))
}
