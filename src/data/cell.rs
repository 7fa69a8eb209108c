//! One cell: which texts are missing values, and how a text becomes a number.

use serde::{Deserialize, Serialize};

/// The mark before a number's fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DecimalMark {
    /// 20.5
    #[default]
    Point,
    /// 20,5
    Comma,
    /// Whichever of the two stands in the cell.
    Either,
}

/// Words that mean "no value": those of `pandas.read_csv`.
const MISSING: [&str; 17] = [
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL",
    "NaN", "None", "n/a", "nan",
];

/// Whether a cell holds no value: empty, `null`, two dashes or more, or a word pandas reads as NaN.
pub fn is_missing(cell: &str) -> bool {
    let cell = cell.trim();
    match cell.as_bytes() {
        [] => true,
        // The fast path: numbers are by far the most common cells.
        [b'0'..=b'9', ..] => matches!(cell, "1.#IND" | "1.#QNAN"),
        [b'-', rest @ ..] if !rest.is_empty() && rest.iter().all(|byte| *byte == b'-') => true,
        _ => cell == "null" || MISSING.contains(&cell),
    }
}

/// Reads a number, NaN where the cell is missing, `None` where it is neither.
pub fn number(cell: &str) -> Option<f64> {
    match cell.trim().parse::<f64>() {
        Ok(value) => Some(value),
        Err(_) => is_missing(cell).then_some(f64::NAN),
    }
}

/// Reads a number with this decimal mark, NaN where the cell is missing, `None` where it is neither. Its thousands may
/// stand apart, where nothing else can be meant.
pub fn number_by(cell: &str, mark: DecimalMark) -> Option<f64> {
    let number = match mark {
        DecimalMark::Point => number(cell),
        DecimalMark::Either => number(cell).or_else(|| with_comma(cell)),
        // A point is no decimal mark here: 1.234 may be a thousand.
        DecimalMark::Comma => number(cell).filter(|x| x.is_nan() || !cell.contains('.')).or_else(|| with_comma(cell)),
    };
    number.or_else(|| with_thousands(cell, mark))
}

/// Reads a number whose thousands stand apart, or whose sign is typographic: `1 234,5`, `1'234.5`, `1.234,5`, `−5,2`.
///
/// Two numbers that stand in one cell are none: a space of the keyboard stands between thousands only beside a decimal
/// comma, and the other decimal mark only before a fraction, or where a comma is the decimal mark for certain.
#[cold]
fn with_thousands(cell: &str, mark: DecimalMark) -> Option<f64> {
    /// No-break spaces, the thin space, and the apostrophes.
    const APART: [char; 5] = ['\u{a0}', '\u{202f}', '\u{2009}', '\'', '\u{2019}'];
    let decimal = match mark {
        DecimalMark::Point => '.',
        DecimalMark::Comma => ',',
        DecimalMark::Either => cell.chars().rev().find(|c| matches!(c, '.' | ',')).unwrap_or(','),
    };
    let is_certain = mark == DecimalMark::Comma;
    grouped(cell, decimal, |apart, whole, has_fraction| match apart {
        ' ' => is_certain || has_fraction && decimal == ',',
        ',' => has_fraction && decimal == '.',
        // Of a single point and no fraction nobody knows.
        '.' => decimal == ',' && (has_fraction || is_certain && whole.matches('.').count() > 1),
        apart => APART.contains(&apart),
    })
}

/// Reads a number whose thousands stand apart by this character, `None` where it is none; `mark` is its decimal mark.
pub fn by_thousands(cell: &str, thousands: char, mark: DecimalMark) -> Option<f64> {
    let decimal = match mark {
        DecimalMark::Comma => ',',
        DecimalMark::Either if thousands == '.' => ',',
        DecimalMark::Point | DecimalMark::Either => '.',
    };
    grouped(cell, decimal, |apart, _, _| apart == thousands)
}

/// Reads a number in groups of three digits, between which stands one character that `may_be_apart` knows, from its whole
/// part and whether there is a fraction; or a number with a typographic sign.
fn grouped(cell: &str, decimal: char, may_be_apart: impl Fn(char, &str, bool) -> bool) -> Option<f64> {
    const LONGEST: usize = 100;
    let cell = cell.trim();
    if cell.len() > LONGEST {
        return None;
    }
    let (sign, size) = match cell.strip_prefix(['-', '\u{2212}']) {
        Some(size) => ("-", size),
        None => ("", cell.strip_prefix('+').unwrap_or(cell)),
    };
    let (whole, fraction) = match size.split_once(decimal) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (size, None),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_whole = match whole.chars().find(|c| !c.is_ascii_digit()) {
        None => !whole.is_empty(),
        Some(apart) => {
            let mut groups = whole.split(apart);
            let first = groups.next().unwrap_or_default();
            let is_first = matches!(first.as_bytes(), [b'1'..=b'9', rest @ ..] if rest.len() < 3) && is_digits(first);
            may_be_apart(apart, whole, fraction.is_some())
                && is_first
                && groups.all(|group| group.len() == 3 && is_digits(group))
        }
    };
    if !is_whole || !fraction.is_none_or(|fraction| !fraction.is_empty() && is_digits(fraction)) {
        return None;
    }
    let digits: String = whole.chars().filter(char::is_ascii_digit).collect();
    format!("{sign}{digits}.{}", fraction.unwrap_or("0")).parse().ok()
}

/// Whether a number with a point is one of thousands where the decimal mark is a comma: 1.234, and not 21.5.
pub fn may_be_thousands(cell: &str) -> bool {
    let mut groups = cell.trim().trim_start_matches(['-', '+']).split('.');
    let is_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let first = groups.next().unwrap_or_default();
    matches!(first.as_bytes(), [b'1'..=b'9', rest @ ..] if rest.len() < 3)
        && is_digits(first)
        && groups.all(|group| group.len() == 3 && is_digits(group))
}

/// Whether a number keeps all that its text says: of a whole one every digit. NaN stands for what says nothing.
pub fn keeps_digits(text: &str, number: f64) -> bool {
    /// So many digits fit in any f64.
    const ALWAYS: usize = 15;
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if number.is_infinite() {
        return !digits.contains(|c: char| c.is_ascii_digit());
    }
    let is_whole = digits.len() > ALWAYS && digits.bytes().all(|byte| byte.is_ascii_digit());
    number.is_nan() || !is_whole || digits.parse::<u128>().is_ok_and(|whole| number.abs() as u128 == whole)
}

/// Whether zeros stand before a number that is no fraction, as in ids: 0012.
pub fn is_padded(text: &str) -> bool {
    let text = text.trim();
    matches!(text.as_bytes(), [b'0', b'0'..=b'9', ..]) && !text.contains(['.', ','])
}

/// Reads a number with a decimal comma.
fn with_comma(cell: &str) -> Option<f64> {
    /// No f64 needs more characters.
    const LONGEST: usize = 1200;
    let cell = cell.trim();
    let at = cell.find(',')?;
    let digits = |text: &str| !text.contains([',', '.']);
    if cell.len() > LONGEST || !digits(&cell[..at]) || !digits(&cell[at + 1..]) {
        return None;
    }
    cell.replacen(',', ".", 1).parse().ok()
}

/// Reads `true` and `false`, as pandas writes and reads them, as 1 and 0.
pub fn boolean(cell: &str) -> Option<f64> {
    match cell.trim() {
        "true" | "True" | "TRUE" => Some(1.0),
        "false" | "False" | "FALSE" => Some(0.0),
        _ => None,
    }
}

/// Reads a text, `None` where it is missing: empty, dashes, `null` or `nan`. Other words that pandas reads as NaN may
/// be names and are texts.
pub fn text(cell: &str) -> Option<&str> {
    let cell = cell.trim();
    let missing = match cell.as_bytes() {
        [] => true,
        [b'-', rest @ ..] => !rest.is_empty() && rest.iter().all(|byte| *byte == b'-'),
        _ => matches!(cell, "null" | "nan" | "NaN"),
    };
    (!missing).then_some(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_as_pandas_and_weatherlink_write_it() {
        for cell in ["", "  ", "---", "------", "NaN", "null", "N/A", "1.#IND"] {
            assert!(is_missing(cell), "{cell:?}");
            assert!(number(cell).unwrap().is_nan(), "{cell:?}");
        }
        for cell in ["-", "0", "-1", "x", "1-"] {
            assert!(!is_missing(cell), "{cell:?}");
        }
    }

    #[test]
    fn words_in_a_text_column_are_texts() {
        for cell in ["NA", "None", "NULL", "N/A", "n/a", "<NA>", "-", "-nan", "1.#IND"] {
            assert_eq!(text(cell), Some(cell));
        }
        for cell in ["", " ", "---", "null", "nan", "NaN"] {
            assert_eq!(text(cell), None, "{cell:?}");
        }
    }

    #[test]
    fn decimal_commas() {
        for (cell, point, comma, either) in [
            ("20,5", None, Some(20.5), Some(20.5)),
            (" -,5e2 ", None, Some(-50.0), Some(-50.0)),
            ("20.5", Some(20.5), None, Some(20.5)),
            ("1.234,5", None, Some(1234.5), Some(1234.5)),
            ("1,234,5", None, None, None),
            ("7", Some(7.0), Some(7.0), Some(7.0)),
            ("x,5", None, None, None),
            (",", None, None, None),
        ] {
            let read = [DecimalMark::Point, DecimalMark::Comma, DecimalMark::Either].map(|mark| number_by(cell, mark));
            assert_eq!(read, [point, comma, either], "{cell}");
        }
        assert!(number_by("1.#IND", DecimalMark::Comma).unwrap().is_nan());
    }

    #[test]
    fn thousands_that_stand_apart() {
        for (cell, point, comma, either) in [
            ("1\u{202f}234,5", None, Some(1234.5), Some(1234.5)),
            ("1\u{a0}234.5", Some(1234.5), None, Some(1234.5)),
            ("12\u{2009}345\u{2009}678", Some(12_345_678.0), Some(12_345_678.0), Some(12_345_678.0)),
            ("-1\u{2019}234'567", None, None, None),
            ("-1'234'567", Some(-1_234_567.0), Some(-1_234_567.0), Some(-1_234_567.0)),
            ("1 234,5", None, Some(1234.5), Some(1234.5)),
            ("1 234", None, Some(1234.0), None),
            // Two numbers: a temperature and a pressure, or a list.
            ("21 450.5", None, None, None),
            ("101,102,103", None, None, None),
            ("1,234", None, Some(1.234), Some(1.234)),
            ("1,234.5", Some(1234.5), None, Some(1234.5)),
            ("1.234", Some(1.234), None, Some(1.234)),
            ("1.234.567", None, Some(1_234_567.0), None),
            ("1.234.567,8", None, Some(1_234_567.8), Some(1_234_567.8)),
            ("\u{2212}5,2", None, Some(-5.2), Some(-5.2)),
            ("\u{2212}5", Some(-5.0), Some(-5.0), Some(-5.0)),
            ("0'123", None, None, None),
            ("1'23", None, None, None),
            ("1234'567", None, None, None),
            ("1'234,", None, None, None),
            ("'123", None, None, None),
            ("1'234,5.6", None, None, None),
            ("192.168.1.10", None, None, None),
            ("\u{2212}", None, None, None),
        ] {
            let read = [DecimalMark::Point, DecimalMark::Comma, DecimalMark::Either].map(|mark| number_by(cell, mark));
            assert_eq!(read, [point, comma, either], "{cell}");
        }
    }

    #[test]
    fn a_point_may_stand_between_thousands() {
        for cell in ["1.234", "-12.345", "1.234.567", "999.999"] {
            assert!(may_be_thousands(cell), "{cell}");
        }
        for cell in ["21.5", "0.123", "1234.567", "48.1374", "1.23", "1e3.000", ""] {
            assert!(!may_be_thousands(cell), "{cell}");
        }
    }

    #[test]
    fn ids_are_no_numbers() {
        for (text, keeps) in [
            ("9007199254740992", true),
            ("9007199254740993", false),
            ("-1234567890123456789", false),
            ("1709294400000000000", true),
            ("0004E30000010530", false),
            ("1e999", false),
            ("inf", true),
            ("-Infinity", true),
            ("0.12345678901234567890", true),
            ("---", true),
            ("123456789012345678901234567890123456789012", false),
        ] {
            assert_eq!(keeps_digits(text, number(text).unwrap()), keeps, "{text}");
        }
        assert!(["0012", "00", " 0004E3"].iter().all(|text| is_padded(text)));
        assert!(!["0", "0.5", "00.5", "0,5", "-1", "10", "0x1F"].iter().any(|text| is_padded(text)));
    }

    #[test]
    fn numbers_with_spaces_and_without_a_leading_zero() {
        assert_eq!(number(" .0723"), Some(0.0723));
        assert_eq!(number("-1e-3 "), Some(-0.001));
        assert_eq!(number("inf"), Some(f64::INFINITY));
        assert_eq!(number("12 a"), None);
    }
}
