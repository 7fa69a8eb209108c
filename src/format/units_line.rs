//! The line of units that some loggers write behind the header.

use crate::data::Kind;
use crate::data::cell::{self, DecimalMark};
use crate::format::{Framing, csv};

/// Units that loggers write below a name, without brackets.
const UNITS: &[&str] = &[
    "C", "F", "K", "degC", "degF", "deg C", "deg F", "deg", "degrees", "hPa", "kPa", "Pa", "mbar", "mb", "bar", "inHg",
    "mmHg", "mm", "cm", "in", "inch", "inches", "ft", "m", "km", "mi", "kph", "mph", "mps", "kn", "kt", "kts", "knots",
    "knot", "V", "mV", "volt", "volts", "A", "mA", "W", "kW", "Wh", "kWh", "lx", "lux", "ppm", "ppb", "dB", "dBm",
    "Hz", "kHz", "s", "sec", "min", "h", "pH", "dBi",
];

/// Those among them that are no words and no names.
const SIGNS: &[&str] = &[
    "degC", "degF", "hPa", "kPa", "mbar", "inHg", "mmHg", "kph", "mph", "mps", "kWh", "dBm", "ppm", "ppb", "%", "%RH",
];

/// Whether the first line behind a header holds units: no cell is a number, and what stands in the number columns are
/// units. Without columns to go by, half of the cells are units, and one is a sign that no name has.
pub fn is_units(line: &str, header: &str, separator: u8, framing: &Framing) -> bool {
    let cells = csv::cells_by(line, separator);
    let (mut filled, mut units, mut signs) = (0, 0, 0);
    match &framing.columns {
        Some(schema) => {
            let names = csv::cells_by(header, separator);
            for (cell, name) in cells.zip(names) {
                let place = framing.decoding.place(schema, name.trim());
                if place.is_none_or(|place| schema.columns()[place].kind != Kind::Number) || cell.trim().is_empty() {
                    continue;
                }
                if !is_unit(&cell) || framing.decoding.number(&cell, DecimalMark::Either).is_some() {
                    return false;
                }
                units += 1;
            }
            units > 0
        }
        None => {
            for cell in cells.filter(|cell| !cell.trim().is_empty()) {
                if cell::number_by(&cell, DecimalMark::Either).is_some() {
                    return false;
                }
                filled += 1;
                units += usize::from(is_unit(&cell));
                signs += usize::from(is_sign(&cell));
            }
            units * 2 >= filled && signs > 0
        }
    }
}

fn is_unit(cell: &str) -> bool {
    let cell = cell.trim();
    // Loggers of Campbell Scientific write Deg C.
    is_sign(cell) || UNITS.iter().any(|unit| *unit == cell || unit.len() > 3 && unit.eq_ignore_ascii_case(cell))
}

/// What loggers of Campbell Scientific write below the units: how each value was made of its samples.
const PROCESSES: [&str; 14] =
    ["Smp", "Avg", "Tot", "Max", "Min", "Std", "Med", "WVc", "TMx", "TMn", "SMM", "Cov", "RTXs", "ETXs"];

/// Whether a line behind one of units says how the values were made: no cell of it is anything else.
pub fn is_processes(line: &str, separator: u8) -> bool {
    let mut filled = 0;
    let all = csv::cells_by(line, separator).filter(|cell| !cell.trim().is_empty()).all(|cell| {
        filled += 1;
        PROCESSES.contains(&cell.trim())
    });
    all && filled > 0
}

/// A unit with a sign that words do not have: a degree, a percentage, a quotient such as km/h, brackets.
fn is_sign(cell: &str) -> bool {
    const LONGEST: usize = 12;
    let cell = cell.trim();
    let bracketed = |open, close| cell.starts_with(open) && cell.ends_with(close) && cell.len() > 2;
    let quotient = |(over, under): (&str, &str)| {
        let letters = |text: &str| text.starts_with(char::is_alphabetic);
        letters(over) && letters(under) && !over.contains(char::is_numeric) && !under.contains('/')
    };
    let short = cell.chars().count() <= LONGEST;
    short
        && (cell.contains('\u{b0}')
            || SIGNS.contains(&cell)
            || bracketed('[', ']')
            || bracketed('(', ')')
            || cell.split_once('/').is_some_and(quotient))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Schema;
    use std::sync::Arc;

    #[test]
    fn units_stand_where_numbers_would() {
        let framing = |columns: Option<Schema>| Framing { columns: columns.map(Arc::new), ..Framing::default() };
        let known = framing(Some(Schema::new([
            ("time", Kind::Text),
            ("temp", Kind::Number),
            ("hum", Kind::Number),
            ("wind", Kind::Number),
        ])));
        let header = "time,temp,hum,wind";
        for (line, by_columns, by_words) in [
            ("UTC,\u{b0}C,%,km/h", true, true),
            (",C,%,", true, true),
            ("dd/mm/yy,[degC],(%),mph", true, true),
            (",C,V,", true, false),
            (",C,V,mph", true, true),
            ("12:00,20,50,3", false, false),
            ("12:00,20,%,3", false, false),
            ("12:00,---,N/A,", false, false),
            ("boot,err,err,err", false, false),
            (",,,", false, false),
        ] {
            assert_eq!(is_units(line, header, b',', &known), by_columns, "{line} by columns");
            assert_eq!(is_units(line, header, b',', &framing(None)), by_words, "{line} by words");
        }
        let text = framing(Some(Schema::new([("time", Kind::Text), ("temp", Kind::Text)])));
        assert!(!is_units("UTC,\u{b0}C", "time,temp", b',', &text));
    }
}
