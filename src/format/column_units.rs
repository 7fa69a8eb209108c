//! Units behind names: numbers of one unit become those of the unit that `[schema] unit` gives their column.

use std::collections::{HashMap, HashSet};

use super::column_builder::ColumnBuilder;
use super::units::{self, Conversion};
use crate::data::{Column, Kind, Schema};
use crate::format::{Decoding, weewx};

/// The units of the names that fill columns.
#[derive(Default)]
pub(crate) struct ColumnUnits {
    /// The slots that are converted.
    conversions: Vec<(usize, Conversion)>,
    /// The first label of each column, with the name that carried it.
    labels: HashMap<usize, String>,
    /// Columns that their own names fill.
    bare: HashSet<usize>,
    /// The first name of each column that carries the label of a unit which its own name may not have.
    changed: HashMap<usize, String>,
    /// Columns of which it was told that they come in two units.
    told: HashSet<usize>,
    /// What has yet to be told of columns.
    untold: Vec<UnitNotice>,
}

/// What is to be told of a column's units: the column, and the text.
pub type UnitNotice = (String, String);

impl ColumnUnits {
    /// The names that follow are those of another header.
    pub fn begin(&mut self) {
        self.conversions.clear();
    }

    /// A name fills the column at a place, or none.
    pub fn see(&mut self, name: &str, place: Option<usize>, schema: &Schema, decoding: &Decoding) {
        let conversion = self.conversion(name, place, schema, decoding);
        self.conversions.extend(place.zip(conversion).map(|(place, with)| (schema.columns()[place].slot, with)));
    }

    /// The conversion of a name that fills the column at a place, or none, which the caller applies.
    pub fn conversion(
        &mut self,
        name: &str,
        place: Option<usize>,
        schema: &Schema,
        decoding: &Decoding,
    ) -> Option<Conversion> {
        // Where labels are not cut off, the column is still looked for: two units may be told.
        let place = place.or_else(|| weewx::place(name, |name| decoding.keys.place(schema, name)))?;
        let column = &schema.columns()[place];
        let own = decoding.keys.key(&column.name);
        if column.kind != Kind::Number {
            return None;
        }
        let asked = decoding.unit.get(&column.name).filter(|_| decoding.units);
        if name == own {
            let label = own_label(own, &column.name);
            if let (Some(label), Some(asked)) = (label, decoding.unit.get(&column.name)) {
                let conversion = units::conversion(label, asked);
                if conversion.is_none() && self.told.insert(place) {
                    let text =
                        format!("{name} fills column {0} as it is: it can't be converted to {asked}", column.name);
                    self.untold.push((column.name.clone(), text));
                }
                return conversion;
            }
            self.bare.insert(place);
            self.tell_bare(place, column, asked);
            return None;
        }
        let label = name.strip_prefix(own).and_then(|rest| rest.strip_prefix('_'))?;
        let conversion = asked.and_then(|unit| units::conversion(label, unit));
        if !conversion.is_some_and(Conversion::is_none) && decoding.units {
            self.changed.entry(place).or_insert_with(|| name.to_owned());
            self.tell_bare(place, column, asked);
        }
        if conversion.is_some() {
            return conversion;
        }
        let first = self.labels.entry(place).or_insert_with(|| name.to_owned());
        if (asked.is_none() && first == name) || !self.told.insert(place) {
            return None;
        }
        let column = &column.name;
        let text = match (asked, decoding.units) {
            (Some(unit), _) => format!("{name} fills column {column} as it is: it can't be converted to {unit}"),
            (None, true) => format!(
                "column {column} holds two units, of {first} and of {name}: say unit = {{ {column} = \"degree_C\" }} in \
                 [schema], or whichever it is to have, and both are converted"
            ),
            (None, false) => format!(
                "neither {first} nor {name} fills column {column}: with unit = {{ {column} = \"degree_C\" }} in [schema], \
                 or whichever it is to have, both do"
            ),
        };
        self.untold.push((column.clone(), text));
        None
    }

    /// Tells of a column that is filled by its own name, which says no unit, and by names with the label of a unit.
    fn tell_bare(&mut self, place: usize, column: &Column, asked: Option<&String>) {
        let Some(labelled) = self.changed.get(&place).filter(|_| self.bare.contains(&place)) else { return };
        if !self.told.insert(place) {
            return;
        }
        let column = &column.name;
        let text = match asked {
            Some(unit) => format!(
                "column {column} is filled by its own name as it is, and by {labelled} converted to {unit}: if the former is \
                 in another unit, give it a column of its own"
            ),
            None => format!(
                "column {column} is filled by its own name, which says no unit, and by {labelled}: if they are not of one \
                 unit, say unit = {{ {column} = \"degree_C\" }} in [schema], or whichever its own name has"
            ),
        };
        self.untold.push((column.clone(), text));
    }

    /// What is to be told since the last call.
    pub fn take_notices(&mut self) -> Vec<UnitNotice> {
        std::mem::take(&mut self.untold)
    }

    /// Converts the numbers of the open row.
    pub fn convert(&self, table: &mut ColumnBuilder) {
        for (slot, conversion) in &self.conversions {
            table.convert(*slot, *conversion);
        }
    }
}

/// The unit that the key of a column says itself: `Temp (°F)`, `[°F]`, or `temp_F` where the column has another name.
fn own_label<'k>(key: &'k str, column: &str) -> Option<&'k str> {
    let key = key.strip_suffix("\"]").unwrap_or(key).trim_end();
    let bracketed =
        |open, close| key.strip_suffix(close).and_then(|key| key.rsplit_once(open)).map(|(_, unit)| unit.trim());
    let found = bracketed('(', ')').or_else(|| bracketed('[', ']')).filter(|unit| units::is_unit(unit));
    found.or_else(|| weewx::without_label(key).filter(|_| key != column).map(|(_, label)| label))
}

/// The conversion of the values of a column whose key says their unit.
pub(crate) fn own_conversion(column: &Column, decoding: &Decoding) -> Option<Conversion> {
    let asked = decoding.unit.get(&column.name).filter(|_| column.kind == Kind::Number)?;
    units::conversion(own_label(decoding.keys.key(&column.name), &column.name)?, asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn labels_are_converted_or_told() {
        let schema = Schema::new([("t", Kind::Number), ("p", Kind::Number)]);
        let unit = BTreeMap::from([("t".to_owned(), "degree_C".to_owned())]);
        let decoding = Decoding { units: true, unit, ..Decoding::default() };
        let mut seen = ColumnUnits::default();
        let mut table = ColumnBuilder::new(&schema, 1);
        for (name, place) in [("t_F", 0), ("p_mbar", 1)] {
            seen.see(name, Some(place), &schema, &decoding);
        }
        table.set_number(0, 50.0);
        table.set_number(1, 1013.0);
        seen.convert(&mut table);
        assert_eq!((table.open_number(0), table.open_number(1)), (10.0, 1013.0));
        assert!(seen.told.is_empty());
        seen.begin();
        for (name, place) in [("t", 0), ("p_inHg", 1), ("t_V", 0), ("p_mbar", 1)] {
            seen.see(name, Some(place), &schema, &decoding);
        }
        assert!(seen.conversions.is_empty());
        assert_eq!(seen.told, HashSet::from([0, 1]));
        // Where labels are not cut off.
        let (mut seen, plain) = (ColumnUnits::default(), Decoding::default());
        ["t", "t_in", "p_hPa", "x_C"].iter().for_each(|name| seen.see(name, schema.place(name), &schema, &plain));
        assert!(seen.told.is_empty());
        seen.see("p_inHg", None, &schema, &plain);
        assert_eq!(seen.told, HashSet::from([1]));
    }

    #[test]
    fn a_name_without_a_unit_beside_one_is_told() {
        let schema = Schema::new([("t", Kind::Number)]);
        for (unit, names, told) in [
            (Some("degree_C"), ["t_F", "t"], 1),
            (Some("degree_C"), ["t", "t_F"], 1),
            (Some("degree_C"), ["t", "t_C"], 0),
            (None, ["t", "t_F"], 1),
            (None, ["t_F", "t_F"], 0),
        ] {
            let unit = unit.map(|unit| ("t".to_owned(), unit.to_owned())).into_iter().collect();
            let decoding = Decoding { units: true, unit, ..Decoding::default() };
            let mut seen = ColumnUnits::default();
            names.iter().chain(&names).for_each(|name| seen.see(name, Some(0), &schema, &decoding));
            assert_eq!(seen.take_notices().len(), told, "{names:?}");
        }
    }

    #[test]
    fn a_key_may_say_its_unit_itself() {
        let schema = Schema::new([("t", Kind::Number)]);
        for (key, converted) in [
            ("Temp (\u{b0}F)", true),
            ("temp_F", true),
            ("main[\"Temp (\u{b0}F)\"]", true),
            ("Temp (max)", false),
            ("a[0]", false),
            ("t", false),
        ] {
            let unit = [("t".to_owned(), "degree_C".to_owned())].into();
            let mut decoding = Decoding { units: true, unit, ..Decoding::default() };
            decoding.keys.insert("t", key).unwrap();
            assert_eq!(own_conversion(&schema.columns()[0], &decoding).is_some(), converted, "{key}");
            let seen = ColumnUnits::default().conversion(key, Some(0), &schema, &decoding);
            assert_eq!(seen.is_some(), converted, "{key}");
        }
    }
}
