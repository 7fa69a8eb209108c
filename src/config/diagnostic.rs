//! What is wrong with a dataflow file, and where.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::mqtt::masked;

/// An error that points into the file. Nothing of it shows a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Diagnostic {
    title: String,
    place: Option<Box<TextPosition>>,
    help: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct TextPosition {
    path: String,
    text: String,
    span: Range<usize>,
    label: String,
}

impl Diagnostic {
    /// An error without a span.
    pub fn new(title: impl Into<String>) -> Diagnostic {
        Diagnostic { title: masked(&title.into()), place: None, help: None }
    }

    /// Points at bytes `span` of `text`.
    pub fn at(mut self, path: &str, text: &str, span: Range<usize>, label: &str) -> Diagnostic {
        let end = span.end.min(text.len());
        let span = span.start.min(end)..end;
        self.place = Some(Box::new(TextPosition { path: path.into(), text: masked(text), span, label: masked(label) }));
        self
    }

    /// What is wrong, in one sentence.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The bytes of the file it points at.
    pub fn span(&self) -> Option<Range<usize>> {
        self.place.as_ref().map(|place| place.span.clone())
    }

    /// With what to do about it.
    pub fn help(mut self, help: Option<String>) -> Diagnostic {
        self.help = help.as_deref().map(masked);
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut group = Level::ERROR
            .primary_title(self.title.as_str())
            .elements([] as [Snippet<'_, annotate_snippets::Annotation<'_>>; 0]);
        if let Some(place) = &self.place {
            let annotation = AnnotationKind::Primary.span(place.span.clone()).label(place.label.as_str());
            group =
                group.element(Snippet::source(place.text.as_str()).path(place.path.as_str()).annotation(annotation));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        f.write_str(&Renderer::plain().render(&[group]))
    }
}
