//! The columns of a row: their names in order, and their kinds.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An `f64`; missing is NaN.
    Number,
    /// Text that passes through the dataflow unchanged.
    Text,
}

/// One column of a schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The column's name.
    pub name: String,
    /// Numbers or texts.
    pub kind: Kind,
    /// The column's place among the columns of its kind.
    pub slot: usize,
}

/// Column names in their order, unique, each a number or text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(String, Kind)>", into = "Vec<(String, Kind)>")]
pub struct Schema {
    columns: Vec<Column>,
    places: HashMap<String, usize>,
    numbers: Vec<usize>,
    texts: Vec<usize>,
}

impl Schema {
    /// Builds a schema; of two columns with one name the first is kept.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = (S, Kind)>) -> Schema {
        let mut schema = Schema { columns: Vec::new(), places: HashMap::new(), numbers: Vec::new(), texts: Vec::new() };
        for (name, kind) in columns {
            schema.push(name.into(), kind);
        }
        schema
    }

    fn push(&mut self, name: String, kind: Kind) {
        if self.places.contains_key(&name) {
            return;
        }
        let place = self.columns.len();
        let of_kind = match kind {
            Kind::Number => &mut self.numbers,
            Kind::Text => &mut self.texts,
        };
        let slot = of_kind.len();
        of_kind.push(place);
        self.places.insert(name.clone(), place);
        self.columns.push(Column { name, kind, slot });
    }

    /// This schema with more columns appended.
    pub fn with(mut self, columns: impl IntoIterator<Item = (String, Kind)>) -> Schema {
        columns.into_iter().for_each(|(name, kind)| self.push(name, kind));
        self
    }

    /// The first of new columns whose name is taken, by this schema or by one before it.
    pub fn taken(&self, new: impl IntoIterator<Item = String>) -> Option<String> {
        let mut names: HashSet<String> = self.names().map(str::to_owned).collect();
        new.into_iter().find(|name| !names.insert(name.clone()))
    }

    /// This schema with these columns on top: one that it has already gets another kind in its place.
    pub fn overlaid(self, columns: Vec<(String, Kind)>) -> Schema {
        let kind = |name: &str| columns.iter().find(|(listed, _)| listed == name).map(|(_, kind)| *kind);
        let own = self.columns.iter().map(|column| (column.name.clone(), kind(&column.name).unwrap_or(column.kind)));
        Schema::new(own.chain(columns.iter().cloned()))
    }

    /// This schema without the text columns in `slots`.
    pub fn without_texts(&self, slots: &[usize]) -> Schema {
        let stays = |column: &&Column| column.kind == Kind::Number || !slots.contains(&column.slot);
        Schema::new(self.columns.iter().filter(stays).map(|column| (column.name.clone(), column.kind)))
    }

    /// The built-in schema `davis`: 33 values a row, 26 of them numbers, named as WeeWX names them.
    pub fn davis() -> Schema {
        Schema::new(DAVIS.iter().map(|(name, kind, _)| (*name, *kind)))
    }

    /// Whether another has the same columns, in any order.
    pub fn has_columns_of(&self, other: &Schema) -> bool {
        let same = |column: &Column| self.get(&column.name).is_some_and(|own| own.kind == column.kind);
        self.columns.len() == other.columns.len() && other.columns.iter().all(same)
    }

    /// All columns, in the order of the results.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The place of a column, if the schema has it.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The column of this name.
    pub fn get(&self, name: &str) -> Option<&Column> {
        self.place(name).map(|place| &self.columns[place])
    }

    /// How many columns are numbers.
    pub fn number_count(&self) -> usize {
        self.numbers.len()
    }

    /// How many columns are text.
    pub fn text_count(&self) -> usize {
        self.texts.len()
    }

    /// The name of the number column in slot `slot`.
    pub fn number_name(&self, slot: usize) -> &str {
        &self.columns[self.numbers[slot]].name
    }

    /// The names of all columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }
}

impl From<Vec<(String, Kind)>> for Schema {
    fn from(columns: Vec<(String, Kind)>) -> Schema {
        Schema::new(columns)
    }
}

impl From<Schema> for Vec<(String, Kind)> {
    fn from(schema: Schema) -> Self {
        schema.columns.into_iter().map(|column| (column.name, column.kind)).collect()
    }
}

/// The columns of a Davis station as WeeWX names them, with their units (`data/README.md` lists the same).
pub const DAVIS: [(&str, Kind, &str); 33] = [
    ("dateTime", Kind::Text, "s since 1970-01-01 UTC"),
    ("station", Kind::Text, "name"),
    ("usUnits", Kind::Text, "1 = US units"),
    ("interval", Kind::Text, "min"),
    ("barometer", Kind::Number, "inHg"),
    ("pressure", Kind::Number, "inHg"),
    ("altimeter", Kind::Number, "inHg"),
    ("inTemp", Kind::Number, "degF"),
    ("outTemp", Kind::Number, "degF"),
    ("inHumidity", Kind::Number, "%"),
    ("outHumidity", Kind::Number, "%"),
    ("windSpeed", Kind::Number, "mph"),
    ("windDir", Kind::Number, "deg"),
    ("windGust", Kind::Number, "mph"),
    ("windGustDir", Kind::Number, "deg"),
    ("rainRate", Kind::Number, "in/h"),
    ("rain", Kind::Number, "in"),
    ("dewpoint", Kind::Number, "degF"),
    ("windchill", Kind::Number, "degF"),
    ("heatindex", Kind::Number, "degF"),
    ("ET", Kind::Number, "in"),
    ("radiation", Kind::Number, "W/m^2"),
    ("UV", Kind::Number, "index"),
    ("extraTemp1", Kind::Number, "degF"),
    ("extraHumid1", Kind::Number, "%"),
    ("soilTemp1", Kind::Number, "degF"),
    ("soilMoist1", Kind::Number, "cb"),
    ("leafWet1", Kind::Number, "0 to 15"),
    ("rxCheckPercent", Kind::Number, "%"),
    ("consBatteryVoltage", Kind::Number, "V"),
    ("txBatteryStatus", Kind::Text, "bit a transmitter"),
    ("forecastIcon", Kind::Text, "code"),
    ("forecastRule", Kind::Text, "rule"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn davis_has_33_values_and_26_numbers() {
        let schema = Schema::davis();
        assert_eq!((schema.columns().len(), schema.number_count()), (33, 26));
        assert_eq!(schema.number_name(0), "barometer");
    }

    #[test]
    fn columns_on_top_keep_their_place() {
        let schema = Schema::new([("a", Kind::Number), ("b", Kind::Text)]);
        let both = schema.overlaid(vec![("c".into(), Kind::Text), ("a".into(), Kind::Text)]);
        let expected = Schema::new([("a", Kind::Text), ("b", Kind::Text), ("c", Kind::Text)]);
        assert_eq!(both, expected);
    }

    #[test]
    fn the_column_dictionary_lists_every_column_with_its_unit() {
        let dictionary = include_str!("../../data/README.md");
        for (name, _, unit) in DAVIS {
            let line = dictionary.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
            let line = line.unwrap_or_else(|| panic!("data/README.md lacks {name}"));
            assert!(line.contains(unit), "data/README.md gives {name} another unit: {line}");
        }
    }

    #[test]
    fn names_that_are_taken_are_found() {
        let schema = Schema::new([("a", Kind::Number)]);
        let taken = |new: [&str; 2]| schema.taken(new.map(str::to_owned));
        assert_eq!(taken(["b", "c"]), None);
        assert_eq!((taken(["b", "a"]).as_deref(), taken(["b", "b"]).as_deref()), (Some("a"), Some("b")));
    }

    #[test]
    fn a_schema_survives_serde() {
        let text = serde_json::to_string(&Schema::davis()).unwrap();
        assert_eq!(serde_json::from_str::<Schema>(&text).unwrap(), Schema::davis());
    }
}
