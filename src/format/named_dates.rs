//! Dates whose month is a word, such as `1 Mar 2024 12:00`, `01-MAR-24` and `Fri Mar  1 12:00:00 CET 2024`.

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The parts of a text with such a date.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NamedDate {
    pub year: i16,
    pub month: i8,
    pub day: i8,
    /// The time of day, as it is written; empty if there is none.
    pub time: String,
    /// A word that may be a zone's.
    pub zone: Option<String>,
}

/// The place of the name, from 1, that a word is or abbreviates to three letters or more.
fn place(names: &[&str], word: &str) -> Option<i8> {
    let word = word.trim_end_matches('.').to_ascii_lowercase();
    let found = names
        .iter()
        .position(|name| word.len() >= 3 && name.starts_with(&word) || word == "sept" && *name == "september");
    found.map(|place| place as i8 + 1)
}

/// Reads a text; `None` if no word of it is a month, or something is left over.
pub(super) fn read(text: &str) -> Option<NamedDate> {
    // Most dates are numbers, with two letters at most.
    if text.bytes().filter(u8::is_ascii_alphabetic).count() < 3 {
        return None;
    }
    let mut date = NamedDate::default();
    let mut numbers: Vec<&str> = Vec::new();
    for token in text.split([' ', ',', '\t']).filter(|token| !token.is_empty()) {
        let letters = token.bytes().any(|byte| byte.is_ascii_alphabetic());
        let parts: Vec<&str> = match letters && token.starts_with(|c: char| c.is_ascii_digit()) {
            true => token.split(['-', '/', '.']).collect(),
            false => vec![token],
        };
        for part in parts {
            let number = part.trim_end_matches('.');
            if number.bytes().all(|byte| byte.is_ascii_digit()) && numbers.len() < 2 {
                numbers.push(number);
            } else if let Some(month) = place(&MONTHS, part).filter(|_| date.month == 0) {
                date.month = month;
            } else if place(&DAYS, part).is_some() {
            } else if part.starts_with(|c: char| c.is_ascii_digit()) || is_half(part) {
                date.time.push_str(part);
                date.time.push(' ');
            } else if date.zone.is_none() && part.bytes().all(|byte| byte.is_ascii_alphabetic()) {
                date.zone = Some(part.to_owned());
            } else {
                return None;
            }
        }
    }
    let [first, second] = numbers[..] else { return None };
    let (year, day) = if first.len() > 2 { (first, second) } else { (second, first) };
    (date.year, date.day) = (year.parse().ok()?, day.parse().ok()?);
    (date.month > 0).then_some(date)
}

/// Whether a word is the half of the day.
fn is_half(word: &str) -> bool {
    matches!(word.to_ascii_lowercase().trim_end_matches('.'), "am" | "pm" | "a" | "p" | "a.m" | "p.m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_words_wherever_they_stand() {
        for (text, year, month, day, time, zone) in [
            ("Fri Mar  1 12:00:00 2024", 2024, 3, 1, "12:00:00 ", None),
            ("Fri Mar  1 12:00:00 CET 2024", 2024, 3, 1, "12:00:00 ", Some("CET")),
            ("01-Mar-2024 12:00", 2024, 3, 1, "12:00 ", None),
            ("March 1, 2024 12:00 PM", 2024, 3, 1, "12:00 PM ", None),
            ("1 Sept. 2024", 2024, 9, 1, "", None),
            ("01-MAR-24 12.00.00 PM", 24, 3, 1, "12.00.00 PM ", None),
            ("2024-Mar-01 06:30", 2024, 3, 1, "06:30 ", None),
            ("1. May 2024 1200", 2024, 5, 1, "1200 ", None),
        ] {
            let expected = NamedDate { year, month, day, time: time.into(), zone: zone.map(str::to_owned) };
            assert_eq!(read(text), Some(expected), "{text}");
        }
        for none in ["2024-03-01", "1 Foo 2024", "Mar 2024", "soon", "1 Mar 2024 +?", ""] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
