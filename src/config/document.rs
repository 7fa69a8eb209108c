//! The text of a dataflow file with its overrides, and diagnostics that point into either.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::error::{At, SpannedError};
use crate::config::{Diagnostic, Override};

/// File and overrides. A span beyond the file's end points at an override: their values are parsed as if they
/// stood behind the file, each on a line of its own.
#[derive(Clone)]
pub struct Document {
    pub path: String,
    pub text: String,
    pub overrides: Vec<PlacedOverride>,
}

/// Makes a value a TOML document.
const PREFIX: &str = "v = ";

/// An override with its value, padded to its offset behind the file.
#[derive(Clone)]
pub struct PlacedOverride {
    pub given: Override,
    pub padded: String,
    start: usize,
}

impl Document {
    pub fn new(path: String, text: String, overrides: &[Override]) -> Document {
        let mut start = text.len() + PREFIX.len() + 1;
        let place = |given: &Override| {
            let padded = format!("{}{PREFIX}{}", " ".repeat(start - PREFIX.len()), given.value);
            let placed = PlacedOverride { given: given.clone(), start, padded };
            start += given.value.len() + PREFIX.len() + 1;
            placed
        };
        let overrides = overrides.iter().map(place).collect();
        Document { path, text, overrides }
    }

    /// The value of an override; a text that is no TOML stands for itself.
    pub fn value(placed: &PlacedOverride) -> Spanned<DeValue<'_>> {
        let parsed = DeTable::parse(&placed.padded).ok().and_then(|mut table| table.get_mut().remove("v"));
        parsed.unwrap_or_else(|| {
            let text = placed.given.value.as_str();
            Spanned::new(placed.start..placed.padded.len(), DeValue::String(text.into()))
        })
    }

    /// The diagnostic of what is wrong: the one place where errors get the text that they point into.
    pub fn diagnostic(&self, SpannedError { wrong, at }: SpannedError) -> Diagnostic {
        let (title, help) = (wrong.to_string(), wrong.help());
        match at {
            At::Nowhere => Diagnostic::new(title).help(help),
            At::File => Diagnostic::new(format!("{}: {title}", self.path)).help(help),
            At::Span(span) => match self.overrides.iter().rev().find(|placed| span.start >= placed.start) {
                Some(placed) => Diagnostic::new(format!("{}: {title}", placed.given.shown)).help(help),
                None => {
                    let span = wrong.within().and_then(|part| self.within(&span, part)).unwrap_or(span);
                    Diagnostic::new(title).at(&self.path, &self.text, span, wrong.label()).help(help)
                }
            },
        }
    }

    /// The span of a part of a text whose TOML is at `span`; `None` if it is written with escapes.
    fn within(&self, span: &Range<usize>, part: Range<usize>) -> Option<Range<usize>> {
        let written = &self.text[span.clone()];
        let value = DeValue::parse(written).ok()?;
        let start = span.start + written.find(value.get_ref().as_str()?)?;
        Some(start + part.start..start + part.end)
    }
}
