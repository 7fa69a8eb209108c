//! The text of a dataflow file with its overrides, and diagnostics that point into either.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::{Diagnostic, Override};

/// File and overrides. A span beyond the file's end points at an override: their values are parsed as if they
/// stood behind the file, each on a line of its own.
pub struct Document {
    pub path: String,
    pub text: String,
    pub overrides: Vec<Placed>,
}

/// Makes a value a TOML document.
const PREFIX: &str = "v = ";

/// An override with its value, padded to its place behind the file.
pub struct Placed {
    pub given: Override,
    pub padded: String,
    start: usize,
}

impl Document {
    pub fn new(path: String, text: String, overrides: &[Override]) -> Document {
        let mut start = text.len() + PREFIX.len() + 1;
        let place = |given: &Override| {
            let padded = format!("{}{PREFIX}{}", " ".repeat(start - PREFIX.len()), given.value);
            let placed = Placed { given: given.clone(), start, padded };
            start += given.value.len() + PREFIX.len() + 1;
            placed
        };
        let overrides = overrides.iter().map(place).collect();
        Document { path, text, overrides }
    }

    /// The value of an override; a text that is no TOML stands for itself.
    pub fn value(placed: &Placed) -> Spanned<DeValue<'_>> {
        let parsed = DeTable::parse(&placed.padded).ok().and_then(|mut table| table.get_mut().remove("v"));
        parsed.unwrap_or_else(|| {
            let text = placed.given.value.as_str();
            Spanned::new(placed.start..placed.padded.len(), DeValue::String(text.into()))
        })
    }

    /// A diagnostic at a span of the file or of an override.
    pub fn diagnostic(
        &self,
        span: Range<usize>,
        title: impl Into<String>,
        label: &str,
        help: Option<String>,
    ) -> Diagnostic {
        let title = title.into();
        match self.overrides.iter().rev().find(|placed| span.start >= placed.start) {
            Some(placed) => Diagnostic::new(format!("{}: {title}", placed.given.shown)).help(help),
            None => Diagnostic::new(title).at(&self.path, &self.text, span, label).help(help),
        }
    }

    /// The diagnostic of an error of the TOML reader.
    pub fn toml_error(&self, error: &toml::de::Error) -> Diagnostic {
        let message = error.message().trim().replace('\n', "; ");
        let help = unknown_name(&message).and_then(|(name, candidates)| did_you_mean(name, candidates));
        match error.span() {
            Some(span) => self.diagnostic(span, message, "", help),
            None => Diagnostic::new(format!("{}: {message}", self.path)).help(help),
        }
    }
}

/// The names in serde's "unknown field `x`, expected one of `a`, `b`".
fn unknown_name(message: &str) -> Option<(&str, impl Iterator<Item = &str>)> {
    let mut names = message.strip_prefix("unknown ")?.split('`').skip(1).step_by(2);
    Some((names.next()?, names))
}

/// "did you mean", if one of the candidates is near.
pub fn did_you_mean<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let likeness = |candidate: &&str| strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase());
    let nearest = candidates.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(&nearest) > 0.7).then(|| format!("did you mean `{nearest}`?"))
}
