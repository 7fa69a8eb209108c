//! The keys of JSON objects in the order of the previous row.

use crate::data::Schema;
use crate::format::Decoding;
use crate::format::column_units::ColumnUnits;

/// The columns of the previous row's keys: stations send their keys in one order.
#[derive(Default)]
pub(crate) struct KeyOrder {
    pub(crate) keys: Vec<(String, Option<usize>)>,
    /// The units of the numbers behind them.
    pub(crate) units: ColumnUnits,
}

impl KeyOrder {
    pub(crate) fn place(&mut self, index: usize, key: &str, schema: &Schema, decoding: &Decoding) -> Option<usize> {
        if let Some((_, place)) = self.keys.get(index).filter(|(known, _)| known == key) {
            return *place;
        }
        let place = decoding.place(schema, key);
        self.keys.truncate(index);
        self.units.truncate(index);
        self.units.see(index, key, place, schema, decoding);
        self.keys.push((key.to_owned(), place));
        place
    }
}
