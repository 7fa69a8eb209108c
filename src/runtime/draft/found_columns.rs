//! The columns of rows in the order of their appearance, each with its kind and some of its values.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::inner_arrays::{is_plain_word, is_time_key, pairs_of};
use crate::data::cell::{self, DecimalMark, number_by};
use crate::data::{Bucket, Format, Header, Kind, Row};
use crate::format::{
    CellRules, DecimalSearch, PLACE, ValuePath, cells, cells_of, conversion, csv, path, weewx, written_number,
};

/// The longest example in a comment, in characters.
const LONGEST_EXAMPLE: usize = 40;
/// Most values of a column that are kept, to see whether they are times.
const MOST_VALUES: usize = 50;
/// Arrays with more elements are no columns.
pub(super) const MOST_ELEMENTS: usize = 16;
/// Rows that are arrays with more elements have no columns.
const MOST_CELLS: usize = 64;
/// So many of the cells that make a column a text are told.
const MOST_WORDS: usize = 3;

/// Words that mean no value wherever numbers stand beside them: of Home Assistant, of loggers, of programs. Any other word
/// may be a value: of a wind that has no direction, of a sensor that is off.
const NO_VALUES: [&str; 18] = [
    "unavailable",
    "unknown",
    "undefined",
    "invalid",
    "error",
    "fault",
    "failed",
    "missing",
    "no data",
    "nodata",
    "n.a.",
    "none",
    "nil",
    "-",
    "defekt",
    "fehler",
    "ungültig",
    "unbekannt",
];

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
    /// How many values are numbers.
    numbers: usize,
    /// How many of them have a decimal comma in a text.
    pub commas: usize,
    /// Words for no value among them.
    no_values: BTreeSet<String>,
    /// How many values are neither, and the first of them.
    others: usize,
    words: Vec<String>,
    /// A number that does not keep the digits of its text.
    cut: Option<String>,
    /// A number with zeros before it, as ids have them.
    padded: Option<String>,
    /// The length of its cells in CSV, and whether they have others.
    width: Option<usize>,
    is_uneven: bool,
    /// Whether it is a text whatever its values are.
    pub is_text: bool,
}

impl FoundColumn {
    /// Numbers, where all values are some or are [missing](FoundColumn::missing), and keep what is written.
    pub fn kind(&self) -> Kind {
        let any_number = self.numbers > 0 || self.no_values.is_empty();
        let is_number = any_number && self.others == 0 && self.cut.is_none() && !self.is_id();
        if is_number && !self.is_text { Kind::Number } else { Kind::Text }
    }

    /// Whether zeros stand before its numbers: in CSV, where all have one length.
    fn is_id(&self) -> bool {
        self.padded.is_some() && !self.is_uneven
    }

    /// Whether its values are numbers, if too long ones for a column of numbers.
    pub fn is_numeric(&self) -> bool {
        self.kind() == Kind::Number || self.cut.is_some() && self.others == 0 && self.no_values.is_empty()
    }

    /// The words among its numbers.
    pub fn missing(&self) -> impl Iterator<Item = &String> {
        self.no_values.iter().filter(|_| self.kind() == Kind::Number)
    }

    /// Why numbers are texts here, in words; `None` if they are not.
    fn why_text(&self) -> Option<String> {
        let name = &self.name;
        if self.is_text || self.kind() == Kind::Number {
            return None;
        }
        let may_be_either = |word: &&String| cell::may_be_thousands(word) && cell::number(word).is_some();
        if let Some(word) = self.words.iter().find(may_be_either) {
            return Some(format!(
                "{name} is a text: {word} may be a thousand or a fraction; thousands = \".\" in [schema] reads a thousand"
            ));
        }
        let has_comma = |word: &&String| number_by(word, DecimalMark::Comma).is_some();
        if let Some(word) = self.words.iter().find(has_comma) {
            return Some(format!("{name} is a text: {word} has a decimal comma where other numbers have a point"));
        }
        // Among texts a number is nothing to be told of.
        if self.numbers < self.others.max(1) {
            return None;
        }
        if !self.words.is_empty() {
            let shown: Vec<String> = self.words.iter().map(|word| toml::Value::from(&**word).to_string()).collect();
            let more = if self.others > shown.len() { " and others" } else { "" };
            return Some(format!(
                "{name} is a text: its numbers stand beside {}{more}; `missing` and `words` in [schema] say what these are",
                shown.join(", ")
            ));
        }
        match (&self.cut, &self.padded) {
            (Some(cell), _) => Some(format!("{name} is a text: a number would not keep the digits of {cell}")),
            (None, Some(cell)) => Some(format!("{name} is a text: a number would lose the zeros of {cell}")),
            (None, None) => None,
        }
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
        } else if NO_VALUES.contains(&text.to_lowercase().as_str()) {
            self.no_values.insert(text.to_owned());
        } else {
            self.others += 1;
            if self.words.len() < MOST_WORDS && !self.words.iter().any(|word| word == text) {
                self.words.push(text.chars().filter(|c| !c.is_control()).take(LONGEST_EXAMPLE).collect());
            }
        }
    }
}

/// All columns, and what was left out of them.
#[derive(Default)]
pub(super) struct FoundColumns {
    pub columns: Vec<FoundColumn>,
    places: HashMap<String, usize>,
    pub remarks: Vec<String>,
    /// The names of times beside values.
    beside: BTreeSet<String>,
    /// The object around rows that was read last.
    around: Vec<u8>,
    /// How cells are read, where that is said.
    rules: Option<CellRules>,
    /// The decimal mark of numbers in the texts of JSON.
    pub decimal: DecimalSearch,
    /// Whether the object that is read has a number with more digits than a u64.
    is_long: bool,
}

impl FoundColumns {
    /// The columns of rows, whose cells are read by these rules; of CSV without a header, `nameless` ones.
    pub fn of(bucket: &Bucket, nameless: usize, rules: Option<CellRules>) -> FoundColumns {
        let mut found = FoundColumns { rules, ..FoundColumns::default() };
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

    /// A word for no value among numbers is one nowhere else: where a text has it, they are texts, too. Tells why numbers
    /// are texts.
    pub fn settle_words(&mut self) {
        loop {
            let texts = self.columns.iter().filter(|column| column.kind() == Kind::Text);
            let held: BTreeSet<String> = texts.flat_map(|column| &column.no_values).cloned().collect();
            let is_shared =
                |column: &&mut FoundColumn| column.kind() == Kind::Number && !column.no_values.is_disjoint(&held);
            let Some(column) = self.columns.iter_mut().find(is_shared) else { break };
            let words: Vec<&str> = column.no_values.intersection(&held).map(String::as_str).collect();
            self.remarks.push(format!(
                "{} is a text: {} among its numbers would be missing from other texts, too; `missing` in [schema] says that \
                 it is",
                column.name,
                words.join(", ")
            ));
            column.is_text = true;
        }
        self.remarks.extend(self.columns.iter().filter_map(FoundColumn::why_text));
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
        /// A u64 has no more digits.
        const LONGEST: usize = 20;
        self.is_long = bytes.split(|byte| !byte.is_ascii_digit()).any(|digits| digits.len() >= LONGEST);
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
            Value::Number(number) => self.number(at, number),
            Value::Bool(value) => self.column(at).take(&value.to_string(), false),
            Value::String(text) => {
                self.decimal.observe_cell(text);
                self.text(at, text, DecimalMark::Point, false);
            }
        }
    }

    fn number(&mut self, at: &str, number: &serde_json::Number) {
        /// Beyond a u64 the digits of a whole number are lost already.
        const MOST: f64 = u64::MAX as f64;
        let (text, value) = (number.to_string(), number.as_f64().unwrap_or_default());
        let is_lost = self.is_long && number.is_f64() && value.abs() >= MOST;
        let column = self.column(at);
        if is_lost || !cell::keeps_digits(&text, value) {
            column.cut.get_or_insert_with(|| text.clone());
        }
        column.take(&text, true);
    }

    fn text(&mut self, key: &str, text: &str, mark: DecimalMark, is_cell: bool) {
        let number = written_number(self.rules.as_ref(), text, mark);
        let column = self.column(key);
        if cell::is_missing(text) {
            return;
        }
        let text = text.trim();
        if let Some(number) = number {
            column.commas += usize::from(number_by(text, DecimalMark::Point).is_none());
            if !cell::keeps_digits(text, number) {
                column.cut.get_or_insert_with(|| text.to_owned());
            }
            if cell::is_padded(text) {
                column.padded.get_or_insert_with(|| text.to_owned());
            }
            column.is_uneven |= is_cell && column.width.replace(text.len()).is_some_and(|width| width != text.len());
        }
        column.take(text, number.is_some());
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
                self.text(name, &text, mark, true);
            }
        }
    }

    /// Leaves out what rows have by a path through the array around them, too, where they have it by its key.
    pub fn leave_out_twins(&mut self, outer: &str) {
        let keys: HashSet<String> = self.columns.iter().map(|column| column.key.clone()).collect();
        let twin = |key: &str| key.strip_prefix(outer)?.strip_prefix('.').map(|rest| keys.contains(rest));
        self.columns.retain(|column| twin(&column.key) != Some(true));
    }

    /// Takes in the times that stand beside a value in its payload, where no topic has their names.
    pub fn times_beside(&mut self, payload: &[u8], value: &ValuePath) {
        let Ok(Value::Object(mut object)) = serde_json::from_slice(payload) else { return };
        let is_known = |key: &str| self.beside.contains(key) || !self.has(key);
        object.retain(|key, cell| {
            is_time_key(key) && is_known(key) && !value.begins_with(key) && !cell.is_object() && !cell.is_array()
        });
        self.beside.extend(object.keys().cloned());
        let named = self.columns.len();
        self.json(Value::Object(object).to_string().as_bytes());
        self.columns[named..].iter_mut().for_each(|column| column.name.clone_from(&column.key));
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
