//! The line of units that some loggers write behind the header.

use crate::data::Kind;
use crate::data::cell::DecimalMark;
use crate::format::{Framing, csv};

/// Units that loggers write below a name, without brackets.
const UNITS: &[&str] = &[
    "C",
    "F",
    "K",
    "degC",
    "degF",
    "degT",
    "deg C",
    "deg F",
    "deg",
    "degrees",
    "Grad",
    "hPa",
    "kPa",
    "Pa",
    "mbar",
    "mb",
    "bar",
    "inHg",
    "mmHg",
    "mm",
    "cm",
    "in",
    "inch",
    "inches",
    "ft",
    "m",
    "km",
    "mi",
    "nmi",
    "kph",
    "mph",
    "mps",
    "kn",
    "kt",
    "kts",
    "knots",
    "knot",
    "V",
    "mV",
    "volt",
    "volts",
    "A",
    "mA",
    "W",
    "kW",
    "Wh",
    "kWh",
    "lx",
    "lux",
    "ppm",
    "ppb",
    "dB",
    "dBm",
    "dBi",
    "Hz",
    "kHz",
    "s",
    "sec",
    "ms",
    "min",
    "h",
    "pH",
    "g",
    "kg",
    "mg",
    "ug",
    "\u{b5}g",
    "\u{3bc}g",
    "l",
    "L",
    "ml",
    "J",
    "kJ",
    "MJ",
    "mol",
    "umol",
    "\u{b5}mol",
    "\u{3bc}mol",
    "mS",
    "uS",
    "\u{b5}S",
    "Watts",
    "counts",
    "hr",
    "mo",
    "dy",
    "mn",
    "yr",
    "index",
    "UVI",
    "RN",
    "%",
    "%RH",
    "% RH",
    "-",
];

/// Those among them that are no words and no names.
const SIGNS: &[&str] = &[
    "degC", "degF", "degT", "hPa", "kPa", "mbar", "inHg", "mmHg", "kph", "mph", "mps", "kWh", "dBm", "ppm", "ppb", "%",
    "%RH", "% RH",
];

/// What stands in a line of units below a time, beside patterns such as dd/mm/yy.
const CLOCKS: &[&str] = &[
    "UTC", "GMT", "CET", "CEST", "MEZ", "MESZ", "BST", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "LST",
    "local", "TS",
];

/// Whether the first line behind a header holds units: every cell that is filled is a unit or the pattern of a time, and
/// a unit stands where numbers do. Without columns to go by, one is a sign that no name has.
pub fn is_units(line: &str, header: &str, separator: u8, framing: &Framing) -> bool {
    let mut told = false;
    let mut names = csv::cells_by(header, separator);
    for cell in csv::cells_by(line.trim_start_matches('#'), separator) {
        let (cell, name) = (cell.trim(), names.next());
        if cell.is_empty() {
            continue;
        }
        if !is_unit(cell) && !is_clock(cell) {
            return false;
        }
        told |= match &framing.columns {
            Some(schema) => {
                let place = name.and_then(|name| framing.decoding.place(schema, name.trim()));
                place.is_some_and(|place| schema.columns()[place].kind == Kind::Number)
                    && is_unit(cell)
                    && framing.decoding.number(cell, DecimalMark::Either).is_none()
            }
            None => is_sign(cell),
        };
    }
    told
}

/// Whether a text is a unit and nothing else.
pub fn is_unit(cell: &str) -> bool {
    let cell = cell.trim();
    // Loggers of Campbell Scientific write Deg C.
    is_sign(cell) || UNITS.iter().any(|unit| *unit == cell || unit.len() > 3 && unit.eq_ignore_ascii_case(cell))
}

/// Whether a text says how a time is written, or of which zone it is: UTC, dd/mm/yy, h:m, TT.MM.JJJJ.
fn is_clock(cell: &str) -> bool {
    let letters = |part: &str| part.bytes().all(|byte| b"yYmMdDhHsS".contains(&byte));
    // Days, months and years of other languages, each by its letter.
    let is_one_letter = |part: &str| {
        let mut bytes = part.bytes();
        let first = bytes.next().unwrap_or_default().to_ascii_lowercase();
        b"tjag".contains(&first) && bytes.all(|byte| byte.to_ascii_lowercase() == first)
    };
    let separators = ['/', '-', '.', ':', ' '];
    let parts = || cell.split(separators);
    let is_several = parts().count() > 1;
    let written = cell.len() > if is_several { 2 } else { 3 } && cell.len() <= 20 && cell.contains(char::is_alphabetic);
    CLOCKS.contains(&cell) || written && parts().all(|part| letters(part) || is_several && is_one_letter(part))
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

/// A unit with a sign that words do not have: a degree, a percentage, a quotient such as km/h, a unit in brackets. What has a
/// number before it is a value.
fn is_sign(cell: &str) -> bool {
    const LONGEST: usize = 14;
    let cell = cell.trim();
    // A degree sign of an encoding that is not said is the mark of what can't be read.
    let is_degree = || {
        cell.contains(['\u{b0}', '\u{ba}', '\u{fffd}'])
            && cell.chars().all(|c| c.is_alphabetic() || matches!(c, '\u{b0}' | '\u{fffd}' | ' '))
    };
    let bracketed = |open, close| cell.strip_prefix(open)?.strip_suffix(close);
    let inner = bracketed('[', ']').or_else(|| bracketed('(', ')'));
    cell.chars().count() <= LONGEST
        && (SIGNS.contains(&cell) || is_degree() || is_quotient(cell) || inner.is_some_and(is_unit))
}

/// Whether a text is a unit by others: km/h, W/m\u{b2}, \u{b5}mol/s/m2.
fn is_quotient(cell: &str) -> bool {
    let stem = |unit: &str| unit.trim_end_matches(['2', '3', '\u{b2}', '\u{b3}', '^']).to_owned();
    let is_known = |unit: &str| UNITS.contains(&stem(unit).as_str());
    cell.contains('/') && cell.split('/').all(|unit| is_known(unit) || matches!(unit, "d" | "day" | "hour"))
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
            ("2024-03-01 12:00,21.5 \u{b0}C,,", false, false),
            ("UTC,21.5\u{b0}C,(5),", false, false),
            (",(5),(6),(7)", false, false),
            ("north,\u{b0}C,%,km/h", false, false),
            ("north,Asia/Tokyo,,", false, false),
            ("A/B,new,,", false, false),
            ("Alpha,52\u{b0}30N,,", false, false),
            ("YYYY,W/m\u{b2},\u{b5}g/m3,index", true, true),
            ("TS,RN,Volts,Deg C", true, false),
            ("d/m/y,\u{b0}C,%,", true, true),
            ("h:m,\u{b0}C,%,", true, true),
            ("TT.MM.JJJJ,\u{b0}C,%,", true, true),
            ("Tag,\u{b0}C,%,", false, false),
            ("Ja/gt,\u{b0}C,%,", false, false),
            ("yyyy-mm-dd hh:mm,\u{fffd}C,% RH,m/s", true, true),
        ] {
            assert_eq!(is_units(line, header, b',', &known), by_columns, "{line} by columns");
            assert_eq!(is_units(line, header, b',', &framing(None)), by_words, "{line} by words");
        }
        let text = framing(Some(Schema::new([("time", Kind::Text), ("temp", Kind::Text)])));
        assert!(!is_units("UTC,\u{b0}C", "time,temp", b',', &text));
        assert!(is_units("#yr  mo dy degT m/s", "YY  MM DD WDIR WSPD", b' ', &framing(None)));
    }
}
