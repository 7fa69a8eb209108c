//! What is wrong with an expression, and where.

use std::ops::Range;

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ExpressionError {
    /// The bytes of the expression's text that it points at.
    pub span: Range<usize>,
    /// In a sentence.
    pub reason: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl ExpressionError {
    pub(super) fn new(span: Range<usize>, reason: impl Into<String>) -> ExpressionError {
        ExpressionError { span, reason: reason.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> ExpressionError {
        self.help = Some(help.into());
        self
    }

    pub(super) fn maybe_help(mut self, help: Option<String>) -> ExpressionError {
        self.help = help;
        self
    }

    /// As in a longer text, in which the expression begins at `start`.
    pub(super) fn moved(mut self, start: usize) -> ExpressionError {
        self.span = self.span.start + start..self.span.end + start;
        self
    }
}
