//! What is told of lines of a CSV text that are no rows, and of what its first lines show.

/// Lines that are not read as rows, or what is to be said of the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum UnreadLines {
    /// The line behind the header.
    #[error(
        "the line behind the header names units, and is no row: {line}; say csv = {{ skip_after_header = {lines} }} in \
         [source] if so, or 0 if it is one"
    )]
    Units {
        /// The line.
        line: String,
        /// How many lines there are, with one that says how values were made.
        lines: usize,
    },
    /// Lines before the header.
    #[error(
        "lines before the header that are no rows, and are not read: {lines}; the header is {header}; say csv = {{ skip = {skip} \
         }} in [source] if so, or header = false if all lines are rows"
    )]
    Preamble {
        /// How many there are that are neither blank nor comments.
        lines: usize,
        /// The lines before the header, with those that are.
        skip: usize,
        /// The header.
        header: String,
    },
    /// A header among the rows.
    #[error("a header comes again among the rows, and names those behind it: {0}; further ones are not told")]
    Repeated(String),
    /// A line above a header among the rows.
    #[error(
        "a line above a header that comes again is no row, like those above the first one: {0}; further ones are not told"
    )]
    PreambleAgain(String),
    /// A comment with as many cells as rows.
    #[error(
        "a line that begins with # has as many cells as rows, and is taken for a comment: {0}; say csv = {{ comment = \"#\" }} in \
         [source] if so, or another mark, such as \"%\", if it is a row; further ones are not told"
    )]
    WideComment(String),
    /// A header without rows.
    #[error(
        "a header without rows names columns as [schema] does not order them: {0}; rows that come without a header are read in \
         the order of [schema]"
    )]
    Alone(String),
    /// A header that may be a row.
    #[error(
        "the header has names that are numbers or stand for missing values, as cells of rows do: {0}; say csv = {{ header = false }} \
         in [source] if it is a row"
    )]
    NamesLikeCells(String),
    /// A header that is no UTF-8.
    #[error(
        "the header is no UTF-8: {0}; say csv = {{ encoding = \"windows-1252\" }} in [source] if it is that, or which it is"
    )]
    Encoding(String),
}
