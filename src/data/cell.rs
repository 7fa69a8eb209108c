//! One cell: which texts are missing values, and how a text becomes a number.

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
    fn numbers_with_spaces_and_without_a_leading_zero() {
        assert_eq!(number(" .0723"), Some(0.0723));
        assert_eq!(number("-1e-3 "), Some(-0.001));
        assert_eq!(number("inf"), Some(f64::INFINITY));
        assert_eq!(number("12 a"), None);
    }
}
