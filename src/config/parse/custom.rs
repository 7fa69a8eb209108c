//! Sources and sinks of the registry: the scheme of the address says which, and its section holds its own settings.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::config::error::{SpannedError, Wrong};
use crate::config::parse::sections::max_payload_of;
use crate::format::{CsvOptions, Encoding};
use crate::mqtt::masked;
use crate::registry::Registry;
use crate::schemes::{Scheme, Schemes};
use crate::sink::CustomSink;
use crate::source::CustomSource;

/// A section whose address is of a scheme of the registry.
struct Section<'i, 's, T> {
    scheme: &'s Scheme<T>,
    url: String,
    url_span: Range<usize>,
    span: Range<usize>,
    /// The settings beside the address.
    settings: DeTable<'i>,
}

impl<T> Section<'_, '_, T> {
    fn build(self) -> Result<T, toml::de::Error> {
        self.scheme.build(ValueDeserializer::from(Spanned::new(self.span, DeValue::Table(self.settings))), &self.url)
    }
}

/// Takes a section out of a file if the scheme of its address is one of `schemes`.
fn take<'i, 's, T>(root: &mut DeTable<'i>, key: &str, schemes: &'s Schemes<T>) -> Option<Section<'i, 's, T>> {
    let DeValue::Table(table) = root.get(key)?.get_ref() else { return None };
    let scheme = schemes.find(table.get("url")?.get_ref().as_str()?)?;
    let section = root.remove(key)?;
    let span = section.span();
    let DeValue::Table(mut table) = section.into_inner() else { return None };
    let url = table.remove("url")?;
    let url_span = url.span();
    Some(Section { scheme, url: url.get_ref().as_str()?.to_owned(), url_span, span, settings: table })
}

/// Takes `[source]` if it is a source of the registry: with its address, the longest payload it may deliver, and how
/// CSV is written in it.
///
/// # Errors
/// Settings that do not fit it.
pub fn take_source(
    root: &mut DeTable<'_>,
    registry: &Registry,
) -> Result<Option<(String, CustomSource, usize, CsvOptions)>, SpannedError> {
    let Some(mut section) = take(root, "source", registry.sources()) else { return Ok(None) };
    let max_payload =
        section.settings.remove("max_payload").map(|value| max_payload_of(ValueDeserializer::from(value)));
    let max_payload = max_payload.transpose()?.unwrap_or(crate::format::MAX_PAYLOAD);
    let csv = section.settings.remove("csv").map(|value| CsvOptions::deserialize(ValueDeserializer::from(value)));
    let csv = csv.transpose()?.unwrap_or_default();
    let (url, at) = (section.url.clone(), section.url_span.clone());
    let source = section.build()?;
    match source.refused() {
        Some(reason) => Err(Wrong::Endpoint { section: "source", reason: reason.into() }.at(at)),
        None => Ok(Some((url, source, max_payload, csv))),
    }
}

/// Whether an address of a database or a server has two `@` before its path: what stands behind the first would be a
/// part of the host's name.
fn has_bare_at(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    ["postgresql", "postgres", "http", "https"].contains(&scheme) && authority.matches('@').count() > 1
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
    let Some(taken) = take(root, section, registry.sinks()) else { return Ok(None) };
    let (url, at) = (taken.url.clone(), taken.url_span.clone());
    if has_bare_at(&url) {
        let reason = format!("{}: in a user or a password, write @ as %40", masked(&url));
        return Err(Wrong::Endpoint { section, reason }.at(at));
    }
    let sink = taken.build()?;
    if let Some(reason) = sink.refused() {
        return Err(Wrong::Endpoint { section, reason: reason.into() }.at(at));
    }
    if section == "dead_letter" && sink.encoding() != Encoding::JsonLines {
        return Err(Wrong::DeadLetterUrl(masked(&url)).at(at));
    }
    Ok(Some((url, sink)))
}
