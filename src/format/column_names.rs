//! Names of a header that are those of columns but for case, and for a unit in brackets behind them.

use std::borrow::Cow;

use crate::data::cell::DecimalMark;
use crate::data::{Kind, Schema};
use crate::format::written_time::WrittenTime;
use crate::format::{Framing, csv, units_line};

/// How many names of a header are those of columns in this way, or exactly.
pub fn known(header: &str, separator: u8, framing: &Framing) -> usize {
    let Some(schema) = &framing.columns else { return 0 };
    let names = renamed(header, separator, schema, framing).unwrap_or_else(|| csv::names(header, separator));
    names.iter().filter(|name| framing.decoding.takes(schema, name)).count()
}

/// Whether a line without rows below it is a header: most of its names are those of columns, and as a row it could not be
/// read, or it holds nothing else.
pub fn are_names(line: &str, separator: u8, framing: &Framing) -> bool {
    let Some(schema) = &framing.columns else { return false };
    let known = known(line, separator, framing);
    let names: Vec<_> = csv::cells_by(line, separator).filter(|name| !name.trim().is_empty()).collect();
    let places = framing.decoding.places_without_header(schema, schema.columns().len());
    let is_cell = |(name, place): (&Cow<'_, str>, &Option<usize>)| {
        place.is_none_or(|place| schema.columns()[place].kind == Kind::Text)
            || framing.decoding.number(name, DecimalMark::Either).is_some()
    };
    let is_row = names.len() == places.len() && names.iter().zip(&places).all(is_cell);
    // One word alone may be any text.
    let is_number = |name: &Cow<'_, str>| {
        let place = framing.decoding.place(schema, name.trim());
        place.is_some_and(|place| schema.columns()[place].kind == Kind::Number)
    };
    let is_several = known > 1 || names.iter().any(is_number);
    is_several && if is_row { known == names.len() } else { 2 * known > names.len() }
}

/// Whether names are those of the columns in the order in which rows without a header have them.
pub fn are_in_order(names: &str, separator: u8, framing: &Framing) -> bool {
    let Some(schema) = &framing.columns else { return true };
    let reading = WrittenTime::reading(schema, &framing.decoding);
    let places = framing.decoding.places_without_header(&reading, schema.columns().len());
    csv::cells_by(names, separator).map(|name| framing.decoding.place(&reading, name.trim())).eq(places)
}

/// A header whose names are those of the columns where they are so but for case and units; the same where they need not
/// be changed.
pub fn adopted<'h>(header: &'h str, separator: u8, framing: &Framing) -> Cow<'h, str> {
    let names = framing.columns.as_ref().and_then(|schema| renamed(header, separator, schema, framing));
    let Some(names) = names else { return Cow::Borrowed(header) };
    let special = [char::from(separator), '"', '\n'];
    let quoted = |name: String| match name.contains(special) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name,
    };
    let names: Vec<String> = names.into_iter().map(quoted).collect();
    Cow::Owned(names.join(&String::from(char::from(separator))))
}

/// The names where some of them are taken for others.
fn renamed(header: &str, separator: u8, schema: &Schema, framing: &Framing) -> Option<Vec<String>> {
    let decoding = &framing.decoding;
    // A time that is made of others has no cell of its own.
    let made = decoding.time.as_ref().filter(|time| !time.from.is_empty() && !time.from.contains(&time.name));
    let made = made.and_then(|time| schema.place(&time.name));
    let place = |name: Cow<'_, str>| decoding.place(schema, name.trim()).filter(|place| Some(*place) != made);
    let places: Vec<Option<usize>> = csv::cells_by(header, separator).map(place).collect();
    // The cells that the time is made of, but for those that are there.
    let has = |wanted: &str| csv::cells_by(header, separator).any(|name| name.trim() == wanted);
    let of_time = || decoding.time.iter().flat_map(|time| &time.from).filter(|cell| !has(cell));
    // The fast path: columns that are there need no other names.
    let is_whole = schema.columns().len() <= places.iter().flatten().count() + usize::from(made.is_some());
    if !places.contains(&None) || is_whole && of_time().next().is_none() {
        return None;
    }
    let mut names = csv::names(header, separator);
    // Of those without a column: how they are compared, and where they are.
    let free = names.iter().enumerate().filter(|(index, _)| places.get(*index).is_some_and(Option::is_none));
    let free: Vec<(usize, String, Option<String>)> =
        free.map(|(index, name)| (index, name.to_lowercase(), without_unit(name).map(str::to_lowercase))).collect();
    let is_absent = |place: usize| Some(place) != made && !places.contains(&Some(place));
    let absent = schema.columns().iter().enumerate().filter(|(place, _)| is_absent(*place));
    let absent = absent.map(|(_, column)| {
        // A number of another unit is converted by its label, if at all.
        (decoding.keys.key(&column.name), !decoding.unit.contains_key(&column.name))
    });
    let mut is_changed = false;
    for (key, of_any_unit) in absent.chain(of_time().map(|cell| (cell.as_str(), true))) {
        let lower = key.to_lowercase();
        let mut found =
            free.iter().filter(|(_, name, bare)| *name == lower || of_any_unit && bare.as_ref() == Some(&lower));
        // Of two nobody knows which it is.
        if let (Some((index, ..)), None) = (found.next(), found.next()) {
            names[*index] = key.to_owned();
            is_changed = true;
        }
    }
    is_changed.then_some(names)
}

/// A name without the unit in brackets behind it.
fn without_unit(name: &str) -> Option<&str> {
    let at = name.rfind(['(', '['])?;
    let (bare, unit) = name.split_at(at);
    (!bare.trim().is_empty() && units_line::is_unit(unit)).then(|| bare.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Decoding, TimeColumn, TimeRules};
    use std::sync::Arc;

    #[test]
    fn names_are_taken_for_those_of_columns() {
        let schema = Schema::new([("hum", Kind::Number), ("temp", Kind::Number), ("a;b", Kind::Text)]);
        let framing = Framing { columns: Some(Arc::new(schema)), ..Framing::default() };
        for (header, expected, count) in [
            ("Temp;Hum;A;x", "temp;hum;A;x", 2),
            ("temp;HUM [%]", "temp;hum", 2),
            ("Temp (\u{b0}C);\"A;B\"", "temp;\"a;b\"", 2),
            ("Temp (indoor);Temp.1", "Temp (indoor);Temp.1", 0),
            ("Temp (\u{b0}C);TEMP (\u{b0}F);hum", "Temp (\u{b0}C);TEMP (\u{b0}F);hum", 1),
            ("hum;temp;\"a;b\";Hum", "hum;temp;\"a;b\";Hum", 3),
            ("temperature;humidity", "temperature;humidity", 0),
        ] {
            assert_eq!((&*adopted(header, b';', &framing), known(header, b';', &framing)), (expected, count));
        }
    }

    #[test]
    fn a_line_of_names_is_a_header_without_rows() {
        let of = |columns: &[(&str, Kind)]| {
            let columns = Some(Arc::new(Schema::new(columns.iter().copied())));
            Framing { columns, ..Framing::default() }
        };
        let mixed = of(&[("station", Kind::Text), ("temp", Kind::Number)]);
        for (line, expected, in_order) in [
            ("station,temp", true, true),
            ("Temp,Station", true, false),
            ("record,temp,station", true, false),
            ("hill,temp", false, false),
            ("temp,7", false, false),
            ("temp", true, false),
        ] {
            let names = adopted(line, b',', &mixed);
            let found = (are_names(line, b',', &mixed), are_in_order(&names, b',', &mixed));
            assert_eq!(found, (expected, in_order), "{line}");
        }
        let texts = of(&[("station", Kind::Text), ("event", Kind::Text)]);
        for (line, expected) in [("event,station", true), ("event,boot", false), ("event", false)] {
            assert_eq!(are_names(line, b',', &texts), expected, "{line}");
        }
    }

    #[test]
    fn cells_of_the_time_are_known_in_other_case() {
        let schema = Schema::new([("temp", Kind::Number), ("at", Kind::Text)]);
        let from = ["Date".to_owned(), "Time".to_owned()].to_vec();
        let time = TimeColumn { name: "at".into(), from, key: None, rules: TimeRules::default() };
        let decoding = Decoding { time: Some(Arc::new(time)), ..Decoding::default() };
        let framing = Framing { columns: Some(Arc::new(schema)), decoding: Arc::new(decoding), ..Framing::default() };
        for (header, expected) in [
            ("TIME,DATE,temp", "Time,Date,temp"),
            ("Date,Time,temp", "Date,Time,temp"),
            ("date,time,DATE,temp", "date,Time,DATE,temp"),
            ("DATE,TIME,TEMP", "Date,Time,temp"),
            ("at,time,date,temp", "at,Time,Date,temp"),
        ] {
            assert_eq!(adopted(header, b',', &framing), expected);
        }
        assert_eq!(known("DATE,TIME,TEMP", b',', &framing), 3);
    }
}
