//! Where the objects of a JSON text end, whatever is in them: they are read later, one by one.

use std::ops::Range;

use super::json_cursor::MAX_DEPTH;

/// A search for the end of an object or an array, part by part.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndSearch {
    depth: u8,
    quoted: bool,
    escaped: bool,
    /// The last byte that was no white space.
    last: u8,
    /// Whether nothing but white space was seen since a line break.
    line_begins: bool,
}

/// What a search found in a part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Searched {
    /// The value goes on behind the part.
    More,
    /// It ends before this place.
    End(usize),
    /// What comes at this place can't be a part of it.
    Broken(usize),
}

impl EndSearch {
    /// Searches the next part; the first one begins with the opening bracket.
    pub fn go_on(&mut self, part: &[u8]) -> Searched {
        for (at, byte) in part.iter().enumerate() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\n' if self.quoted => return Searched::Broken(at),
                b'\\' if self.quoted => self.escaped = true,
                b'"' if self.quoted => self.quoted = false,
                _ if self.quoted => {}
                b'\n' => self.line_begins = true,
                b' ' | b'\t' | b'\r' => {}
                _ => {
                    // Within a value no object follows another value: a line before was cut off.
                    let follows = matches!(self.last, b':' | b',' | b'[');
                    if self.line_begins && *byte == b'{' && !follows {
                        return Searched::Broken(at);
                    }
                    (self.line_begins, self.last) = (false, *byte);
                    match byte {
                        b'"' => self.quoted = true,
                        b'{' | b'[' if self.depth == MAX_DEPTH => return Searched::Broken(at),
                        b'{' | b'[' => self.depth += 1,
                        b'}' | b']' if self.depth <= 1 => return Searched::End(at + 1),
                        b'}' | b']' => self.depth -= 1,
                        _ => {}
                    }
                }
            }
        }
        Searched::More
    }
}

/// Whether a text that begins with a brace, and has no line break, seems to be one object: its braces, those in strings
/// among them, are balanced at its end and not before, and none opens behind one that closes.
pub(crate) fn is_one_object(line: &[u8]) -> bool {
    let mut depth = 0_usize;
    for at in memchr::memchr2_iter(b'{', b'}', line) {
        if line[at] == b'{' {
            depth += 1;
        } else if depth <= 1 {
            return depth == 1 && at + 1 == line.len();
        } else if line[at + 1..].trim_ascii_start().first() == Some(&b'{') {
            return false;
        } else {
            depth -= 1;
        }
    }
    false
}

/// Calls `f` with the objects that stand one behind the other or one a line in a text that begins with a brace. What
/// belongs to none is passed in one piece, up to the next line that begins with a brace.
pub(crate) fn each_object<'a>(text: &'a [u8], mut f: impl FnMut(&'a [u8])) {
    let (mut rest, one_line) = (text, memchr::memchr(b'\n', text).is_none());
    while !rest.is_empty() {
        let (object, behind) = rest.split_at(object_end(rest, one_line));
        f(object.trim_ascii_end());
        let next = behind.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != 0);
        rest = &behind[next.unwrap_or(behind.len())..];
    }
}

fn object_end(text: &[u8], one_line: bool) -> usize {
    if one_line && is_one_object(text) {
        return text.len();
    }
    if text[0] == b'{'
        && let Searched::End(end) = EndSearch::default().go_on(text)
    {
        return end;
    }
    memchr::memmem::find(text, b"\n{").map_or(text.len(), |at| at + 1)
}

/// Whether no element of an array is an object or an array; `None` if the text ends before that is known.
pub(crate) fn holds_values(array: &[u8]) -> Option<bool> {
    unquoted(&array[1..]).find_map(|(_, byte)| match byte {
        b'{' | b'[' => Some(false),
        b']' => Some(true),
        _ => None,
    })
}

/// The element of an array that begins at `start`, and whether the array ends behind it, too; `None` if it does not
/// end.
///
/// Elements are split at the array's own commas and not checked here: a bad one must not affect the good ones.
pub(crate) fn element(array: &[u8], start: usize) -> Option<(Range<usize>, bool)> {
    let mut depth = 1_usize;
    for (at, byte) in unquoted(&array[start..]) {
        match byte {
            b'[' | b'{' => depth += 1,
            b',' if depth == 1 => return Some((start..start + at, false)),
            b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return (byte == b']').then_some((start..start + at, true));
                }
            }
            _ => {}
        }
    }
    None
}

/// Behind the bracket or brace that closes an object or an array; `None` if the text ends within it.
pub(crate) fn value_end(value: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in unquoted(value) {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth <= 1 => return Some(at + 1),
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The bytes that stand in no string, with their places.
#[inline]
fn unquoted(text: &[u8]) -> impl Iterator<Item = (usize, u8)> + '_ {
    let mut next = 0;
    std::iter::from_fn(move || {
        loop {
            let (at, byte) = (next, *text.get(next)?);
            next += 1;
            if byte != b'"' {
                return Some((at, byte));
            }
            loop {
                match *text.get(next)? {
                    b'"' => break,
                    b'\\' => next += 2,
                    _ => next += 1,
                }
            }
            next += 1;
        }
    })
}

/// Most elements whose places are kept while the array's end is searched; those behind them are searched again.
const MAX_KEPT: usize = 4096;

/// Calls `f` with the elements of a JSON array; `None`, and no call, if it does not end with the text.
pub(crate) fn each_element<'a>(array: &'a [u8], mut f: impl FnMut(&'a [u8])) -> Option<()> {
    let (mut kept, mut start, mut behind) = (Vec::new(), 1, None);
    loop {
        let (range, last) = element(array, start)?;
        let (end, element) = (range.end, array[range].trim_ascii());
        if last && end + 1 != array.len() {
            return None;
        }
        if last && start == 1 && element.is_empty() {
            return Some(());
        }
        if kept.len() < MAX_KEPT {
            kept.push(element);
        } else {
            behind.get_or_insert(start);
        }
        if last {
            break;
        }
        start = end + 1;
    }
    kept.into_iter().for_each(&mut f);
    while let Some(start) = behind {
        let (range, last) = element(array, start)?;
        behind = (!last).then_some(range.end + 1);
        f(array[range].trim_ascii());
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(text: &str) -> Vec<&str> {
        let mut all = Vec::new();
        each_object(text.as_bytes(), |object| all.push(std::str::from_utf8(object).unwrap()));
        all
    }

    #[test]
    fn objects_are_cut_where_they_end() {
        for (text, expected) in [
            ("{\"t\":1}", &["{\"t\":1}"][..]),
            ("{\"t\":4}{\"t\":5}\0", &["{\"t\":4}", "{\"t\":5}"]),
            ("{\"t\":1}\n{\"t\":2} \r\n\n{\"t\":3}\n", &["{\"t\":1}", "{\"t\":2}", "{\"t\":3}"]),
            ("{\n \"t\": {\n\"u\": [\n{}\n,{}]\n}\n}", &["{\n \"t\": {\n\"u\": [\n{}\n,{}]\n}\n}"]),
            ("{\"t\":\"}{\\\"\"} {\"t\":\"}\"}", &["{\"t\":\"}{\\\"\"}", "{\"t\":\"}\"}"]),
            // What is cut off costs itself alone.
            ("{\"t\":1\n{\"t\":2}\n{\"t\":\"x\n{\"t\":3}", &["{\"t\":1", "{\"t\":2}", "{\"t\":\"x", "{\"t\":3}"]),
            ("{\"t\":1} x {\"t\":2}\n{}", &["{\"t\":1}", "x {\"t\":2}", "{}"]),
            ("{\"t\":1}{\"t\":", &["{\"t\":1}", "{\"t\":"]),
        ] {
            assert_eq!(objects(text), expected, "{text}");
        }
    }

    /// Looking for the line's end before each object would take minutes.
    #[test]
    fn a_long_line_is_read_once() {
        let (text, since, mut count) = ("{\"t\":1}".repeat(500_000), std::time::Instant::now(), 0);
        each_object(text.as_bytes(), |_| count += 1);
        assert_eq!(count, 500_000);
        assert!(since.elapsed() < std::time::Duration::from_secs(60), "{:?}", since.elapsed());
    }

    #[test]
    fn a_search_goes_on_where_it_stopped() {
        let text = b"{\"a\": [\"]}\\\"\", {\"b\": {}}]} {";
        for cut in 0..text.len() - 2 {
            let mut search = EndSearch::default();
            assert_eq!(search.go_on(&text[..cut]), Searched::More, "{cut}");
            assert_eq!(search.go_on(&text[cut..]), Searched::End(text.len() - 2 - cut), "{cut}");
        }
        assert_eq!(EndSearch::default().go_on("[".repeat(129).as_bytes()), Searched::Broken(128));
    }
}
