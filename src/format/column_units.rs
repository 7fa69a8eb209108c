//! Units behind names: numbers of one unit become those of the unit that `[schema] unit` gives their column.

use std::collections::{HashMap, HashSet};

use super::column_builder::ColumnBuilder;
use super::units::{self, Conversion};
use crate::data::{Kind, Schema};
use crate::format::{Decoding, weewx};

/// The units of the names that fill columns.
#[derive(Default)]
pub(crate) struct ColumnUnits {
    /// The slots that are converted.
    conversions: Vec<(usize, Conversion)>,
    /// The first label of each column, with the name that carried it.
    labels: HashMap<usize, String>,
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
        // Where labels are not cut off, the column is still looked for: two units may be told.
        let Some(place) = place.or_else(|| weewx::place(name, |name| decoding.keys.place(schema, name))) else {
            return;
        };
        let column = &schema.columns()[place];
        let own = decoding.keys.key(&column.name);
        if column.kind != Kind::Number || name == own {
            return;
        }
        let Some(label) = name.strip_prefix(own).and_then(|rest| rest.strip_prefix('_')) else { return };
        let asked = decoding.unit.get(&column.name).filter(|_| decoding.units);
        if let Some(conversion) = asked.and_then(|unit| units::conversion(label, unit)) {
            return self.conversions.push((column.slot, conversion));
        }
        let first = self.labels.entry(place).or_insert_with(|| name.to_owned());
        if (asked.is_none() && first == name) || !self.told.insert(place) {
            return;
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
    }

    /// What is to be told since the last call.
    pub fn take_notices(&mut self) -> Vec<UnitNotice> {
        std::mem::take(&mut self.untold)
    }

    /// The conversion of a name that fills the column at a place, or none, which the caller applies.
    pub fn conversion(
        &mut self,
        name: &str,
        place: Option<usize>,
        schema: &Schema,
        decoding: &Decoding,
    ) -> Option<Conversion> {
        self.see(name, place, schema, decoding);
        self.conversions.pop().map(|(_, conversion)| conversion)
    }

    /// Converts the numbers of the open row.
    pub fn convert(&self, table: &mut ColumnBuilder) {
        for (slot, conversion) in &self.conversions {
            table.convert(*slot, *conversion);
        }
    }
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
}
