//! What is wrong with a dataflow file, at the field of the form that it is about.

use serde::Serialize;
use toml_edit::{Document, Item, TableLike};
use utoipa::ToSchema;

use crate::config::Diagnostic;

/// What is wrong with a dataflow file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FileProblem {
    pub message: String,
    pub help: Option<String>,
    /// From 1; 0 if it has no place.
    pub line: usize,
    pub column: usize,
    /// The key it is about, if it is about one.
    pub field: Option<String>,
}

pub(super) fn problem(text: &str, diagnostic: &Diagnostic) -> FileProblem {
    let span = diagnostic.span();
    let (line, column) = span.as_ref().map_or((0, 0), |span| place(text, span.start));
    let document = Document::parse(text).ok();
    let field = span.zip(document).and_then(|(span, document)| field_at(document.as_table(), span.start, ""));
    FileProblem {
        message: diagnostic.title().to_owned(),
        help: diagnostic.advice().map(str::to_owned),
        line,
        column,
        field,
    }
}

/// Line and column of a byte, from 1.
pub(super) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// The key whose name or value stands at a byte.
fn field_at(table: &dyn TableLike, at: usize, prefix: &str) -> Option<String> {
    let holds = |span: Option<std::ops::Range<usize>>| span.is_some_and(|span| (span.start..=span.end).contains(&at));
    for (key, item) in table.iter() {
        let field = format!("{prefix}{key}");
        if let Item::ArrayOfTables(tables) = item {
            for (index, inner) in tables.iter().enumerate() {
                let own = format!("{field}.{index}");
                let deeper = field_at(inner, at, &format!("{own}."));
                if deeper.is_some() || holds(inner.span()) {
                    return deeper.or(Some(own));
                }
            }
        } else if let Some(inner) = item.as_table_like() {
            let deeper = field_at(inner, at, &format!("{field}."));
            if deeper.is_some() || holds(item.span()) {
                return deeper.or(Some(field));
            }
        } else if holds(item.span()) || holds(table.key(key).and_then(toml_edit::Key::span)) {
            return Some(field);
        }
    }
    None
}

pub(super) fn span_of(table: &dyn TableLike, field: &str) -> Option<std::ops::Range<usize>> {
    let (first, rest) = field.split_once('.').map_or((field, None), |(first, rest)| (first, Some(rest)));
    let item = table.get(first)?;
    let Some(rest) = rest else { return item.span() };
    if let Item::ArrayOfTables(tables) = item {
        let (index, rest) = rest.split_once('.')?;
        return span_of(tables.get(index.parse().ok()?)?, rest);
    }
    span_of(item.as_table_like()?, rest)
}
