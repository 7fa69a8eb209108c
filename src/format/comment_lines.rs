//! Which lines of a CSV text are comments.

use crate::format::csv;

/// The lines that begin with a mark and are no rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommentLines {
    mark: u8,
    /// Where no comments are given: the separator, and how many cells a line has that is a row in spite of its mark.
    wide: Option<(u8, usize)>,
}

impl CommentLines {
    /// All lines with a mark that the dataflow file gives.
    pub fn said(mark: u8) -> CommentLines {
        CommentLines { mark, wide: None }
    }

    /// Lines with `#` that are not as wide as rows, or in which something stands apart from it.
    pub fn beside(separator: u8, wide: usize) -> CommentLines {
        CommentLines { mark: b'#', wide: Some((separator, wide)) }
    }

    /// The same, where rows have become so wide.
    pub fn wide(self, wide: usize) -> CommentLines {
        CommentLines { wide: self.wide.map(|(separator, _)| (separator, wide)), ..self }
    }

    /// Whether a line, or a record, is a comment.
    pub fn contain(&self, line: &[u8]) -> bool {
        // Words stand apart from their mark, values do not.
        let is_of_words = || line.get(1).is_none_or(u8::is_ascii_whitespace);
        let is_row = || self.wide.is_some_and(|(separator, wide)| is_row(line, separator, wide));
        line.first() == Some(&self.mark) && (is_of_words() || !is_row() || is_annotation(line))
    }

    /// Whether a comment has as many cells as rows, so that it may be one.
    pub fn is_wide(&self, comment: &[u8]) -> bool {
        self.wide.is_some_and(|(separator, wide)| wide > 1 && is_row(comment, separator, wide))
            && !is_annotation(comment)
    }
}

/// Whether a line says what the columns of InfluxDB's CSV are.
fn is_annotation(line: &[u8]) -> bool {
    let rest = |word: &str| line.strip_prefix(word.as_bytes());
    let rest = ["#group", "#datatype", "#default"].into_iter().find_map(rest);
    rest.is_some_and(|rest| rest.first().is_none_or(|next| !next.is_ascii_alphanumeric()))
}

/// Whether a line has so many cells, but for empty ones at its end.
#[cold]
fn is_row(line: &[u8], separator: u8, wide: usize) -> bool {
    let line = String::from_utf8_lossy(line);
    let mut cells = csv::cells_by(line.trim_end_matches(['\r', '\n']), separator);
    cells.by_ref().take(wide).count() == wide && cells.all(|cell| cell.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_that_is_as_wide_as_a_row_is_one() {
        let found = CommentLines::beside(b',', 2);
        for (line, comment) in [
            ("# battery\n", true),
            ("#1,20\n", false),
            ("#default,20\n", true),
            ("#defaults,20\n", false),
            ("#1,20,,\r\n", false),
            ("# a, b, c", true),
            ("# logger 7, depth 2 m", true),
            ("1", false),
        ] {
            assert_eq!(found.contain(line.as_bytes()), comment, "{line}");
        }
        assert!(found.is_wide(b"# 5,6\n") && !found.is_wide(b"# battery\n") && !found.is_wide(b"#default,20\n"));
        let said = CommentLines::said(b'%');
        assert!(!said.is_wide(b"%1,20"));
        assert!(said.contain(b"%1,20") && !said.contain(b"#1"));
    }
}
