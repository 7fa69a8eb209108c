//! The columns of rows in the order of their appearance, each with its kind and some of its values.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::inner_arrays::{is_plain_word, pairs_of};
use crate::data::cell::{self, DecimalMark, number_by};
use crate::data::{Bucket, Format, Header, Kind, Row};
use crate::format::{PLACE, cells, cells_of, conversion, csv, path, weewx};

/// The longest example in a comment, in characters.
const LONGEST_EXAMPLE: usize = 40;
/// Most values of a column that are kept, to see whether they are times.
const MOST_VALUES: usize = 50;
/// Arrays with more elements are no columns.
pub(super) const MOST_ELEMENTS: usize = 16;
/// Rows that are arrays with more elements have no columns.
const MOST_CELLS: usize = 64;
/// So many different words in a column of numbers are words for missing values; more make it a text.
const MOST_WORDS: usize = 3;

/// Words that mean no value wherever numbers stand beside them: of Home Assistant, of loggers, of programs.
const NO_VALUES: [&str; 8] = ["unavailable", "unknown", "undefined", "invalid", "error", "none", "nil", "-"];

/// A column that rows have.
#[derive(Clone, Debug, Default)]
pub(super) struct FoundColumn {
    /// The name or path in the rows.
    pub key: String,
    /// The column's name.
    pub name: String,
    /// Its first value, as text.
    pub example: String,
    /// Some of its values that are there.
    pub values: Vec<String>,
    /// How many values are numbers, with a decimal comma or without.
    numbers: usize,
    /// How many are texts with a decimal comma.
    pub commas: usize,
    /// How many are texts with a decimal point.
    pub points: usize,
    /// Those that are no numbers, with how often they came.
    words: BTreeMap<String, usize>,
    /// Whether it is a text whatever its values are.
    pub is_text: bool,
}

impl FoundColumn {
    /// Numbers, where nearly all values are some: the others are [missing](FoundColumn::missing).
    pub fn kind(&self) -> Kind {
        let is_other = |(word, _): &(&String, &usize)| !NO_VALUES.contains(&word.to_lowercase().as_str());
        let words: usize = self.words.iter().filter(is_other).map(|(_, count)| count).sum();
        let any_number = self.numbers > 0 || self.words.is_empty();
        let is_number = any_number && self.words.len() <= MOST_WORDS && self.numbers >= 4 * words;
        if is_number && !self.is_text { Kind::Number } else { Kind::Text }
    }

    /// The words among its numbers.
    pub fn missing(&self) -> impl Iterator<Item = &String> {
        self.words.keys().filter(|_| self.kind() == Kind::Number)
    }

    /// As a list of the file has it.
    pub fn listed(&self) -> toml::Value {
        if self.name == self.key {
            return self.name.as_str().into();
        }
        let pair = |key: &str, value: &str| (key.to_owned(), toml::Value::from(value));
        toml::Value::Table([pair("name", &self.name), pair("from", &self.key)].into_iter().collect())
    }

    fn take(&mut self, text: &str, is_number: bool) {
        if self.example.is_empty() {
            self.example = text.chars().filter(|c| !c.is_control()).take(LONGEST_EXAMPLE).collect();
        }
        if self.values.len() < MOST_VALUES {
            self.values.push(text.to_owned());
        }
        if is_number {
            self.numbers += 1;
        } else if self.words.len() <= MOST_WORDS || self.words.contains_key(text) {
            *self.words.entry(text.to_owned()).or_default() += 1;
        }
    }
}

/// All columns, and what was left out of them.
#[derive(Default)]
pub(super) struct FoundColumns {
    pub columns: Vec<FoundColumn>,
    places: HashMap<String, usize>,
    pub remarks: Vec<String>,
    /// The object around rows that was read last.
    around: Vec<u8>,
}

impl FoundColumns {
    /// The columns of rows; of CSV without a header, `nameless` ones.
    pub fn of(bucket: &Bucket, nameless: usize) -> FoundColumns {
        let mut found = FoundColumns::default();
        for row in bucket.raw.rows() {
            match row.format {
                Format::Json => {
                    found.json(row.bytes);
                    found.around(row.header);
                }
                Format::Csv | Format::Separated(_) | Format::WeatherLink(_) => found.cells(row, nameless),
                Format::Broken(_) => {}
            }
        }
        let export = bucket.raw.rows().any(|row| matches!(row.format, Format::WeatherLink(_)));
        if export && ["Date", "Time"].iter().all(|name| found.places.contains_key(*name)) {
            // The export's reader joins them.
            found.column("dateTime").is_text = true;
        }
        found.name();
        found
    }

    /// Adds a text column, such as a level of topics.
    pub fn add_text(&mut self, name: &str, example: &str) {
        let column = self.column(name);
        (column.is_text, column.name) = (true, name.to_owned());
        if column.example.is_empty() {
            column.example = example.to_owned();
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    fn column(&mut self, key: &str) -> &mut FoundColumn {
        let place = self.places.get(key).copied().unwrap_or_else(|| {
            self.places.insert(key.to_owned(), self.columns.len());
            self.columns.push(FoundColumn { key: key.to_owned(), ..FoundColumn::default() });
            self.columns.len() - 1
        });
        &mut self.columns[place]
    }

    fn json(&mut self, bytes: &[u8]) {
        // Firmware's words are no JSON.
        match serde_json::from_slice(bytes) {
            Ok(value) => self.walk("", &value),
            Err(_) => self.leaves(bytes),
        }
    }

    fn around(&mut self, header: Option<Header<'_>>) {
        if let Some(header) = header.filter(|header| header.names != self.around) {
            self.around = header.names.to_vec();
            self.json(header.names);
        }
    }

    /// The values of an object that has words which JSON does not know.
    fn leaves(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        for word in ["-nan", "nan", "NaN", "-inf", "inf", "-Infinity", "Infinity", "None"] {
            for behind in [",", "}", "]", " ", "\n", "\r"] {
                for before in [":", ",", " ", "["] {
                    let (bare, null) = (format!("{before}{word}{behind}"), format!("{before}null{behind}"));
                    if text.contains(&bare)
                        && let Ok(value) = serde_json::from_str(&text.replace(&bare, &null))
                    {
                        return self.walk("", &value);
                    }
                }
            }
        }
    }

    /// Takes in what stands under a path.
    fn walk(&mut self, at: &str, value: &Value) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    let mut below = at.to_owned();
                    match at.is_empty() && !value.is_object() && !value.is_array() {
                        // A key of the row itself is the column's name as it is.
                        true => below.push_str(key),
                        false => path::append_key(&mut below, key),
                    }
                    self.walk(&below, value);
                }
            }
            // A row of values.
            Value::Array(array) if at.is_empty() && array.len() <= MOST_CELLS => {
                for (index, value) in array.iter().enumerate() {
                    self.walk(&format!("[{index}]"), value);
                }
            }
            Value::Array(_) if at.is_empty() => {}
            Value::Array(array) => {
                if let Some(pairs) = pairs_of(array) {
                    for element in array {
                        let name = element[pairs.name].as_str().unwrap_or_default();
                        let quoted = Value::from(name).to_string();
                        let shown = if is_plain_word(name) { name } else { &quoted };
                        self.walk(&format!("{at}[{}={shown}].{}", pairs.name, pairs.value), &element[pairs.value]);
                    }
                } else if array.len() > MOST_ELEMENTS {
                    let remark = format!("{at}: an array of {} elements is no column", array.len());
                    if !self.remarks.iter().any(|known| known.starts_with(&format!("{at}: "))) {
                        self.remarks.push(remark);
                    }
                } else {
                    for (index, value) in array.iter().enumerate() {
                        self.walk(&format!("{at}[{index}]"), value);
                    }
                }
            }
            Value::Null => _ = self.column(at),
            Value::Number(number) => self.column(at).take(&number.to_string(), true),
            Value::Bool(value) => self.column(at).take(&value.to_string(), false),
            Value::String(text) => self.text(at, text, DecimalMark::Either),
        }
    }

    fn text(&mut self, key: &str, text: &str, mark: DecimalMark) {
        let column = self.column(key);
        if cell::is_missing(text) {
            return;
        }
        let point = number_by(text, DecimalMark::Point).is_some();
        let is_number = point || number_by(text, mark).is_some();
        column.points += usize::from(point && text.contains('.') && !cell::may_be_thousands(text));
        column.commas += usize::from(is_number && !point);
        column.take(text.trim(), is_number);
    }

    fn cells(&mut self, row: Row<'_>, nameless: usize) {
        let Some((cells, mark)) = cells_of(row) else { return };
        let names = match row.header {
            Some(header) => {
                let mut names = cells::names(&String::from_utf8_lossy(header.names), row.format);
                names.truncate(csv::named(&names));
                names
            }
            None => (1..=nameless).map(|number| format!("column_{number}")).collect(),
        };
        names.iter().for_each(|name| _ = self.column(name));
        if cells.len() >= names.len() {
            for (name, text) in names.iter().zip(cells) {
                self.text(name, &text, mark);
            }
        }
    }

    /// Makes one column of those whose names differ in their unit labels alone; the unit of each, which is that of the
    /// first.
    pub fn join_units(&mut self) -> BTreeMap<String, String> {
        let mut units: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let labelled = |column: &FoundColumn| {
            let (stem, label) = weewx::without_label(&column.key)
                .filter(|(stem, label)| is_joined(label) && !stem.is_empty() && !column.key.contains(['.', '[']))?;
            (column.kind() == Kind::Number).then(|| (stem.to_owned(), label.to_owned()))
        };
        for (stem, label) in self.columns.iter().filter_map(labelled) {
            units.entry(stem).or_default().insert(label);
        }
        units.retain(|stem, labels| labels.len() > 1 && !self.places.contains_key(stem));
        let mut joined: BTreeMap<String, String> = BTreeMap::new();
        let columns = std::mem::take(&mut self.columns);
        for mut column in columns {
            match labelled(&column).filter(|(stem, _)| units.contains_key(stem)) {
                None => self.columns.push(column),
                Some((stem, label)) => {
                    if let Entry::Vacant(entry) = joined.entry(stem.clone()) {
                        entry.insert(label);
                        (column.name, column.key) = (stem.clone(), stem);
                        self.columns.push(column);
                    }
                }
            }
        }
        joined
    }

    /// Gives the columns their names: the last key of a long path, where no other has it.
    fn name(&mut self) {
        self.columns.retain(|column| !column.key.is_empty());
        let last: Vec<String> = self.columns.iter().map(|column| last_key(&column.key)).collect();
        let mut times: HashMap<&str, usize> = HashMap::new();
        last.iter().for_each(|name| *times.entry(name).or_default() += 1);
        let keys: Vec<String> = self.columns.iter().map(|column| column.key.clone()).collect();
        for (column, last) in self.columns.iter_mut().zip(&last) {
            let is_long = column.key.contains('[') || column.key.matches('.').count() > 1;
            let is_free = times[last.as_str()] == 1 && !keys.contains(last);
            column.name = if is_long && is_free { last.clone() } else { column.key.clone() };
            if PLACE.contains(&&*column.name) {
                column.name.push_str("_of_row");
            }
        }
    }
}

/// Whether names that differ in this label are those of one column: of rain_day and rain_hour nobody knows.
fn is_joined(label: &str) -> bool {
    const OF: [&str; 5] = ["degree_C", "mbar", "meter_per_second", "mm", "mm_per_hour"];
    OF.iter().any(|unit| conversion(label, unit).is_some())
}

/// The last key of a path; of an element that is found by its name, this name.
fn last_key(key: &str) -> String {
    use path::PathStep;
    let Ok(steps) = path::parse(key) else { return key.to_owned() };
    let name = steps.iter().enumerate().rev().find_map(|(place, step)| match (step, steps.get(place + 1)) {
        (PathStep::Element { value, .. }, _) => Some(value.clone()),
        (PathStep::Key(key), None) if !matches!(steps.get(place.wrapping_sub(1)), Some(PathStep::Element { .. })) => {
            Some(key.clone())
        }
        _ => None,
    });
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| key.to_owned())
}
