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

/// Reads a number with this decimal mark, NaN where the cell is missing, `None` where it is neither.
pub fn number_by(cell: &str, mark: DecimalMark) -> Option<f64> {
    match mark {
        DecimalMark::Point => number(cell),
        DecimalMark::Either => number(cell).or_else(|| with_comma(cell)),
        // A point is no decimal mark here: 1.234 may be a thousand.
        DecimalMark::Comma => number(cell).filter(|x| x.is_nan() || !cell.contains('.')).or_else(|| with_comma(cell)),
    }
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
            ("1.234,5", None, None, None),
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
    fn numbers_with_spaces_and_without_a_leading_zero() {
        assert_eq!(number(" .0723"), Some(0.0723));
        assert_eq!(number("-1e-3 "), Some(-0.001));
        assert_eq!(number("inf"), Some(f64::INFINITY));
        assert_eq!(number("12 a"), None);
    }
}
