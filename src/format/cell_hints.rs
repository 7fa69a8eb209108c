//! What to write in the dataflow file for a cell that its number column can't hold.

use super::cell_rules::CellRules;
use super::units;
use crate::data::cell::{self, DecimalMark, by_thousands};

/// Why a cell is no number, and which key reads it, where one does.
#[cold]
pub(crate) fn not_a_number(column: &str, cell: &str, mark: DecimalMark, rules: Option<&CellRules>) -> String {
    let reason = format!("column {column}: {cell:?} is not a number");
    match of(column, cell, mark, rules) {
        Some(hint) => format!("{reason}: {hint}"),
        None => reason,
    }
}

/// A number whose point may stand between thousands, as others have decimal commas.
#[cold]
pub(crate) fn in_doubt(column: &str, cell: &str) -> String {
    format!(
        "column {column}: {cell:?} stands beside numbers with decimal commas: say decimal = \",\" with thousands = \".\" in \
         [schema] if it is a thousand, or decimal = \".\" if it is a fraction"
    )
}

/// Which key of the dataflow file makes a number of a cell.
pub(crate) fn of(column: &str, cell: &str, mark: DecimalMark, rules: Option<&CellRules>) -> Option<String> {
    marks(cell, rules).or_else(|| unit(column, cell, mark, rules))
}

/// Which marks make a number of a cell.
fn marks(cell: &str, rules: Option<&CellRules>) -> Option<String> {
    let reads = |mark| cell::number_by(cell, mark).is_some_and(f64::is_finite);
    let has = rules.map_or((false, false), |rules| (rules.has_decimal(), rules.has_thousands()));
    let apart = |thousands, mark| cell.contains(thousands) && by_thousands(cell, thousands, mark).is_some();
    let text = match has {
        (_, true) => return None,
        (false, false) if reads(DecimalMark::Comma) && apart(',', DecimalMark::Point) => {
            "say decimal = \",\" in [schema] if it is a fraction, or thousands = \",\" if it is a thousand"
        }
        (false, false) if reads(DecimalMark::Comma) => "say decimal = \",\" in [schema]",
        _ if apart('.', DecimalMark::Comma) => {
            "say decimal = \",\" with thousands = \".\" in [schema] if it is a thousand, or decimal = \".\" if it is a fraction"
        }
        _ if apart(',', DecimalMark::Point) => "say thousands = \",\" in [schema]",
        _ if apart(' ', DecimalMark::Point) => "say thousands = \" \" in [schema] if it is one number",
        (true, _) if reads(DecimalMark::Point) || reads(DecimalMark::Comma) => {
            "it has another mark than decimal of [schema] says"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// What to say of the unit behind a number.
fn unit(column: &str, cell: &str, mark: DecimalMark, rules: Option<&CellRules>) -> Option<String> {
    let (number, unit) = units::split(cell)?;
    let asked = rules.and_then(|rules| rules.unit(column));
    let known = units::name(unit);
    Some(match asked {
        _ if super::cell_rules::number(rules, number, mark).is_none() => marks(number, rules)?,
        Some(asked) => match known {
            Some(_) => format!("{unit} can't be converted to {asked}, which unit of [schema] says"),
            None => format!("{unit:?} is no unit that is known"),
        },
        None => {
            format!("say unit = {{ {column} = \"{}\" }} in [schema], and what stands behind it is taken off", known?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::BadCell;
    use std::collections::BTreeMap;

    #[test]
    fn a_cell_says_which_key_reads_it() {
        let none = None;
        let comma = CellRules::new([], BTreeMap::new(), (Some(DecimalMark::Comma), None), BadCell::Row);
        let unit = BTreeMap::from([("t".to_owned(), "degree_C".to_owned())]);
        let celsius = CellRules::default().with_units(unit);
        for (cell, rules, expected) in [
            ("21,5", &none, "decimal = \",\""),
            ("12.345,6", &none, "decimal = \",\""),
            ("1,002", &none, "if it is a fraction, or thousands = \",\""),
            ("1,002,003", &none, "thousands = \",\""),
            ("1.234", &comma, "thousands = \".\""),
            ("21.5", &comma, "another mark"),
            ("21.5 \u{b0}F", &none, "unit = { t = \"degree_F\" }"),
            ("21,5 \u{b0}C", &celsius, "decimal = \",\""),
            ("21.5 V", &celsius, "V can't be converted to degree_C"),
            ("21.5 quux", &celsius, "is no unit that is known"),
        ] {
            let reason = not_a_number("t", cell, DecimalMark::Point, rules.as_ref());
            assert!(reason.contains(expected), "{reason}");
        }
        for cell in ["warm", "21.5 quux", "192.168.1.10", "1,2,3"] {
            let reason = not_a_number("t", cell, DecimalMark::Point, None);
            assert!(reason.ends_with("is not a number"), "{reason}");
        }
    }
}
