//! The tokens of an expression, as Python's tokenizer and pandas' backticks make them.

use std::ops::Range;

use super::ExpressionError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A number; true if it is an integer of Python.
    Number(f64, bool),
    Text(String),
    /// A name; true if it stands in backticks.
    Name(String, bool),
    /// An operator, a bracket, or a keyword that is one.
    Symbol(&'static str),
    End,
}

/// The longest first.
const SYMBOLS: [&str; 22] = [
    "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "<", ">", "&", "|", "~", "(", ")", "[", "]", ",", "=",
];
const WORDS: [&str; 4] = ["and", "or", "not", "in"];
/// Python's other keywords, which no name can be without backticks.
const KEYWORDS: [&str; 28] = [
    "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else", "except", "finally",
    "for", "from", "global", "if", "import", "is", "lambda", "nonlocal", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// The tokens of a text with their places, an end at last.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, ExpressionError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        if first == '#' {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        let digit_follows = first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit());
        let (token, length) = if first.is_ascii_digit() || digit_follows {
            number(rest).map_err(|error| error.moved(at))?
        } else if first == '"' || first == '\'' {
            quoted(rest, first).map_err(|error| error.moved(at))?
        } else if first == '`' {
            backticked(rest).ok_or_else(|| ExpressionError::new(at..at + 1, "this backtick is not closed"))?
        } else if first == '_' || first.is_alphabetic() {
            let end = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
            word(&rest[..end]).map_err(|error| error.moved(at))?
        } else {
            let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
            let symbol = symbol.ok_or_else(|| unexpected(first).moved(at))?;
            (Token::Symbol(symbol), symbol.len())
        };
        found.push((token, at..at + length));
        at += length;
    }
    found.push((Token::End, text.trim_end().len()..text.trim_end().len()));
    Ok(found)
}

fn unexpected(c: char) -> ExpressionError {
    let error = ExpressionError::new(0..c.len_utf8(), format!("{c:?} is no part of an expression"));
    match c {
        '@' => error.help("there are no variables beside the columns"),
        '.' => error.help("there are no methods; a column with a dot in its name stands in backticks"),
        '!' => error.help("write `not`, or != for unequal"),
        '^' => error.help("a power is written **"),
        ';' => error.help("each assignment stands on a line of its own"),
        _ => error,
    }
}

fn word(word: &str) -> Result<(Token, usize), ExpressionError> {
    if KEYWORDS.contains(&word) {
        let error = ExpressionError::new(0..word.len(), format!("`{word}` is a keyword of Python"));
        return Err(error.help(format!("a column of this name stands in backticks: `{word}`")));
    }
    let symbol = WORDS.into_iter().find(|symbol| *symbol == word);
    Ok((symbol.map_or_else(|| Token::Name(word.to_owned(), false), Token::Symbol), word.len()))
}

/// A number as Python writes it: decimal, hexadecimal, octal or binary, with underscores between digits.
fn number(text: &str) -> Result<(Token, usize), ExpressionError> {
    let bytes = text.as_bytes();
    let digits = |from: usize, radix: u32| {
        let digit = |c: &u8| (*c as char).is_digit(radix) || *c == b'_';
        from + bytes[from..].iter().take_while(|c| digit(c)).count()
    };
    let base = match bytes.get(1).map(u8::to_ascii_lowercase).filter(|_| bytes[0] == b'0') {
        Some(b'x') => 16,
        Some(b'o') => 8,
        Some(b'b') => 2,
        _ => 10,
    };
    let mut end = digits(if base == 10 { 0 } else { 2 }, base);
    let mut whole = true;
    if base == 10 {
        if bytes.get(end) == Some(&b'.') {
            (end, whole) = (digits(end + 1, 10), false);
        }
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if matches!(bytes.get(end), Some(b'e' | b'E')) && bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            (end, whole) = (digits(end + 1 + sign, 10), false);
        }
    }
    let follows = text[end..].find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len() - end);
    let written = &text[..end + follows];
    let plain = text[..end].replace('_', "");
    let value = match base {
        10 => plain.parse().ok(),
        _ => u64::from_str_radix(&plain[2..], base).ok().map(|value| value as f64),
    };
    let underscored = text[..end].contains("__") || text[..end].ends_with('_') || text[..end].contains("_.");
    let zeros = whole && base == 10 && plain.len() > 1 && plain.starts_with('0') && plain.contains(|c| c != '0');
    let value = value.filter(|value: &f64| follows == 0 && !underscored && !zeros && (!whole || value.is_finite()));
    let value = value.ok_or_else(|| ExpressionError::new(0..written.len(), format!("`{written}` is no number")))?;
    Ok((Token::Number(value, whole), end))
}

/// A text in single or double quotes, with Python's escapes.
fn quoted(text: &str, quote: char) -> Result<(Token, usize), ExpressionError> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((Token::Text(value), at + 1)),
            '\n' => break,
            '\\' => {
                let Some((_, escaped)) = chars.next() else { break };
                match escaped {
                    'n' => value.push('\n'),
                    't' => value.push('\t'),
                    'r' => value.push('\r'),
                    '\\' | '\'' | '"' => value.push(escaped),
                    _ => {
                        let span = at..at + 1 + escaped.len_utf8();
                        let error = ExpressionError::new(span, format!("unknown escape \\{escaped}"));
                        return Err(error.help("a backslash is written twice"));
                    }
                }
            }
            c => value.push(c),
        }
    }
    Err(ExpressionError::new(0..1, "this quote is not closed"))
}

/// A name in backticks, in which a backtick is written twice.
fn backticked(text: &str) -> Option<(Token, usize)> {
    let mut name = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != '`' {
            name.push(c);
        } else if chars.next_if(|(_, next)| *next == '`').is_some() {
            name.push('`');
        } else {
            return Some((Token::Name(name, true), at + 1));
        }
    }
    None
}
