//! What `[source]` and `[schema]` of a dataflow file should say of a source, as some of its payloads show it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use toml::Value;

use super::csv_dialect::CsvDialect;
use super::found_columns::{FoundColumn, FoundColumns};
use super::found_time::FoundTime;
use super::found_topics::{FoundTopics, KnownPublish};
use super::inner_arrays::{rows_of, value_key};
use crate::config::{Dataflow, SchemaChoice};
use crate::data::cell::DecimalMark;
use crate::data::{Bucket, Format, Kind};
use crate::format::{
    BadCell, CellRules, Compression, Decoder, FileKind, Framing, InnerRows, MAX_PAYLOAD, PayloadFormat, PayloadKind,
    ValuePath,
};
use crate::registry::Registry;
use crate::source::{RawSample, SourceUrl};

/// A key of `[source]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Setting {
    pub key: &'static str,
    pub value: Value,
    /// Why, in words.
    pub comment: &'static str,
}

/// What a dataflow file should say of a source.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The dataflow's name.
    pub(super) name: String,
    /// The name of the files of results, without its end.
    pub(super) results: String,
    pub(super) source: SourceUrl,
    /// What `[source]` says beside the address.
    pub(super) settings: Vec<Setting>,
    pub(super) columns: Vec<FoundColumn>,
    /// Further words for a missing value.
    pub(super) missing: BTreeSet<String>,
    /// Whether numbers in texts have a decimal comma.
    pub(super) commas: bool,
    /// What stands between thousands.
    pub(super) thousands: Option<char>,
    pub(super) time: Option<FoundTime>,
    /// The units of columns whose names carry labels of several.
    pub(super) unit: BTreeMap<String, String>,
    /// Whether rows of CSV have no header and columns of several kinds: numbers among them are texts first.
    pub(super) casts: bool,
    /// Whether the rows are cells under a header.
    pub(super) has_header: bool,
    pub(super) remarks: Vec<String>,
    pub(super) rows: usize,
}

/// Keys of `[source]` that a proposal may set.
const SETTINGS: [&str; 8] = ["format", "compression", "topic", "collect", "value", "rows", "csv", "units"];

/// Proposes a dataflow file for a source of which these are some payloads; it is one that `rowmill check` takes. At most
/// `most` rows are looked at.
///
/// # Errors
/// In words: payloads that have no columns.
pub fn propose(
    name: &str,
    source: &SourceUrl,
    sample: &RawSample,
    most: usize,
    registry: &Registry,
) -> Result<Proposal, String> {
    let mut proposal = Proposal {
        name: name.to_owned(),
        results: name.to_owned(),
        source: source.clone(),
        settings: Vec::new(),
        columns: Vec::new(),
        missing: BTreeSet::new(),
        commas: false,
        thousands: None,
        time: None,
        unit: BTreeMap::new(),
        casts: false,
        has_header: false,
        remarks: Vec::new(),
        rows: 0,
    };
    let (mut framing, nameless) = proposal.look_at(sample);
    let rows = proposal.find_rows(sample, &mut framing, most);
    proposal.rows = rows.raw.rows().filter(|row| !matches!(row.format, Format::Broken(_))).count();
    let mut found = proposal.find_columns(&rows, nameless);
    proposal.unit = found.join_units();
    if !proposal.unit.is_empty() {
        proposal.set("units", true, "names carry labels of units, of several for one column");
    }
    if found.columns.is_empty() {
        return Err(format!("the rows of {source} have no columns: `rowmill peek` shows them"));
    }
    proposal.name_levels(&mut found, &framing, &rows);
    if let (Some(value), RawSample::Publishes(publishes)) = (&framing.value, sample) {
        publishes.iter().for_each(|(_, payload)| found.times_beside(payload, value));
    }
    if let Some((outer, _)) = proposal.rows_path().and_then(|rows| rows.split_once("[*]")) {
        found.leave_out_twins(outer);
    }
    proposal.take_columns(found, nameless, &rows);
    proposal.settle(sample, most, registry)
}

impl Proposal {
    /// The rows that it was made from.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The same, whose results go to files of this name, without its end.
    pub fn writing_to(self, results: &str) -> Proposal {
        Proposal { results: results.to_owned(), ..self }
    }

    /// What of it makes other rows than inference does, as the file has it, and the columns that are not among these.
    pub fn beyond(&self, columns: &[String]) -> (Vec<String>, Vec<&str>) {
        let of_rows = |setting: &&Setting| !["csv", "compression", "collect"].contains(&setting.key);
        let mut settings: Vec<String> = self
            .settings
            .iter()
            .filter(of_rows)
            .map(|setting| format!("{} = {}", setting.key, setting.value))
            .collect();
        settings.extend(self.commas.then(|| "decimal = \",\"".to_owned()));
        settings.extend(self.thousands.map(|thousands| format!("thousands = \"{thousands}\"")));
        let words: Vec<Value> = self.missing.iter().map(|word| word.as_str().into()).collect();
        settings.extend((!words.is_empty()).then(|| format!("missing = {}", Value::Array(words))));
        let is_other = |column: &&FoundColumn| !columns.contains(&column.key) && !columns.contains(&column.name);
        (settings, self.columns.iter().filter(is_other).map(|column| &*column.name).collect())
    }

    /// Where the rows are inside of payloads.
    fn rows_path(&self) -> Option<&str> {
        self.settings.iter().find(|setting| setting.key == "rows")?.value.as_str()
    }

    /// The arrays of objects whose elements are columns: `rows` could make rows of one of them.
    pub fn arrays(&self) -> BTreeSet<String> {
        let rows = self.rows_path();
        let arrays = self.columns.iter().filter_map(|column| column.key.split_once("[0].")).map(|(array, _)| array);
        // Those of rows within an array are within each of its elements.
        arrays.map(|array| rows.map_or_else(|| array.to_owned(), |rows| format!("{rows}[*].{array}"))).collect()
    }

    /// What is not in the file, in words.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The filter of topics, where it is another one than that of the source.
    pub fn topic(&self, source: &SourceUrl) -> Option<&str> {
        match (&self.source, source) {
            (SourceUrl::Mqtt(own), SourceUrl::Mqtt(given)) if own.topic != given.topic => Some(&own.topic),
            _ => None,
        }
    }

    /// The keys of a dataflow file that it sets, and those that it takes away, in this order.
    pub fn edits(&self) -> Vec<(String, Option<Json>)> {
        let mut edits: Vec<(String, Option<Json>)> = Vec::new();
        for key in SETTINGS {
            let set = self.settings.iter().find(|setting| setting.key == key);
            edits.push((format!("source.{key}"), set.map(|setting| json(&setting.value))));
        }
        for key in ["base", "id", "unit", "number", "text", "missing", "decimal", "thousands", "time"] {
            edits.push((format!("schema.{key}"), None));
        }
        let mut set = |key: &str, value: Value| edits.push((format!("schema.{key}"), Some(json(&value))));
        for (key, kind) in [("number", Kind::Number), ("text", Kind::Text)] {
            let columns: Vec<Value> = self.of_kind(kind).map(FoundColumn::listed).collect();
            // A schema is one of columns even if it has none of a kind.
            if !columns.is_empty() {
                set(key, Value::Array(columns));
            }
        }
        if !self.missing.is_empty() {
            set("missing", Value::Array(self.missing.iter().map(|word| word.as_str().into()).collect()));
        }
        if self.commas {
            set("decimal", ",".into());
        }
        if let Some(thousands) = self.thousands {
            set("thousands", thousands.to_string().into());
        }
        for (column, unit) in &self.unit {
            set(&format!("unit.{column}"), unit.as_str().into());
        }
        if let Some(time) = &self.time {
            set("time.column", time.column.as_str().into());
            if !time.from.is_empty() {
                set("time.from", Value::Array(time.from.iter().map(|name| name.as_str().into()).collect()));
            }
            for (key, value) in [("time.unit", time.unit), ("time.format", time.format), ("time.order", time.order)] {
                if let Some(value) = value {
                    set(key, value.into());
                }
            }
        }
        edits
    }

    /// The columns that are read as texts and are numbers behind the subtask `astype`: its `dtype`; `None` if there are
    /// none.
    pub fn casts(&self) -> Option<Json> {
        let numbers = self.columns.iter().filter(|column| column.kind() == Kind::Number && column.commas == 0);
        let dtype = numbers.map(|column| (column.name.clone(), Json::from("number"))).collect();
        self.casts.then_some(Json::Object(dtype))
    }

    /// The columns of a kind, as the file lists them.
    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &FoundColumn> {
        // Cells under a header make the time without being columns.
        let is_part =
            |name: &String| self.has_header && self.time.as_ref().is_some_and(|time| time.from.contains(name));
        self.columns.iter().filter(move |column| {
            let own = if self.casts { Kind::Text } else { column.kind() };
            own == kind && !is_part(&column.name)
        })
    }

    fn set(&mut self, key: &'static str, value: impl Into<Value>, comment: &'static str) {
        self.settings.push(Setting { key, value: value.into(), comment });
    }

    /// Finds how payloads are cut into rows, but for arrays in them; and how many cells rows without a header have.
    fn look_at(&mut self, sample: &RawSample) -> (Framing, usize) {
        let mut framing = Framing::default();
        let mut nameless = 0;
        match sample {
            RawSample::Publishes(publishes) => nameless = self.look_at_publishes(publishes, &mut framing),
            RawSample::Beginning { kind, bytes, packed, .. } => {
                if let Some(packed) = packed {
                    self.set_compression(*packed, &mut framing);
                }
                nameless = self.look_at_file(*kind, bytes, &mut framing);
            }
            RawSample::Rows(rows) if !rows.is_empty() && rows.metadata.origin(0).topic.starts_with("spBv1.0/") => {
                self.set_format("sparkplug", &mut framing);
            }
            RawSample::Rows(_) => {}
        }
        (framing, nameless)
    }

    fn set_compression(&mut self, packed: Compression, framing: &mut Framing) {
        let name = if packed == Compression::Gzip { "gzip" } else { "zstd" };
        self.set("compression", name, "");
        framing.compression = packed;
    }

    fn set_format(&mut self, name: &'static str, framing: &mut Framing) {
        self.set("format", name, "");
        framing.format = PayloadFormat::find(name).expect("it is the name of a format");
    }

    fn set_csv(&mut self, dialect: CsvDialect, framing: &mut Framing) -> usize {
        if let Some(setting) = dialect.setting() {
            self.set("csv", setting, "as the first lines are written");
        }
        framing.csv = dialect.options;
        self.thousands = dialect.thousands;
        self.remarks.extend(dialect.is_in_doubt.then(in_doubt));
        dialect.nameless
    }

    fn look_at_publishes<'a>(&mut self, publishes: &'a [(String, Vec<u8>)], framing: &mut Framing) -> usize {
        let unpacked = |payload: &[u8]| match Compression::Auto.unpacked(payload, MAX_PAYLOAD) {
            Ok(Some(bytes)) => (bytes, Compression::Auto.of(payload)),
            _ => (payload.to_vec(), None),
        };
        let payloads: Vec<(Vec<u8>, Option<Compression>)> =
            publishes.iter().map(|(_, payload)| unpacked(payload)).collect();
        if let Some(packed) = payloads.first().and_then(|(_, packed)| *packed)
            && payloads.iter().all(|(_, other)| *other == Some(packed))
        {
            self.set_compression(packed, framing);
        }
        let mut kinds: Vec<KnownPublish<'a>> = publishes
            .iter()
            .zip(&payloads)
            .map(|((topic, _), (bytes, _))| KnownPublish { topic, kind: PayloadKind::of(bytes) })
            .collect();
        let SourceUrl::Mqtt(url) = &mut self.source else { return 0 };
        let mut topics = FoundTopics::of(&url.topic, &kinds);
        let objects = kinds.iter().zip(&payloads).filter(|(publish, _)| publish.kind == PayloadKind::Json);
        let mut wrapped = None;
        let key = value_key(objects.map(|(publish, (bytes, _))| (publish.topic, &bytes[..])));
        if let Some(key) = key.filter(|_| topics.kind == PayloadKind::Json) {
            let value = |publish: &KnownPublish<'a>| match publish.kind {
                PayloadKind::Json => KnownPublish { kind: PayloadKind::Value, ..publish.clone() },
                _ => publish.clone(),
            };
            let values: Vec<KnownPublish<'_>> = kinds.iter().map(value).collect();
            let by_name = FoundTopics::of(&url.topic, &values);
            if by_name.names_column {
                (kinds, topics) = (values, by_name);
                wrapped = Some(key);
            }
        }
        if let Some(filter) = topics.filter.take() {
            url.topic = filter.clone();
            topics.filter = Some(filter);
        }
        if topics.is_sparkplug {
            self.set_format("sparkplug", framing);
            return 0;
        }
        topics.tell_others(&kinds);
        self.remarks.append(&mut topics.remarks);
        if let Some(key) = wrapped {
            self.set("value", key, "where the value is in a payload");
            framing.value = ValuePath::parse(key).ok();
        }
        let mut nameless = 0;
        match topics.kind {
            PayloadKind::Format(name) => self.set_format(name, framing),
            PayloadKind::Value if !topics.names_column => self.set_format("value", framing),
            PayloadKind::Csv => {
                let first = kinds.iter().position(|publish| publish.kind == PayloadKind::Csv);
                let dialect = CsvDialect::of(&payloads[first.unwrap_or(0)].0, false);
                nameless = self.set_csv(dialect, framing);
            }
            _ => {}
        }
        if let Some(pattern) = &topics.pattern {
            self.set("topic", pattern.as_str(), "what the levels of topics are");
            framing.topic = pattern.parse().ok().map(std::sync::Arc::new);
        }
        if topics.names_column {
            self.set("collect", "2s", "values of one row come so far apart at most");
            framing.collect = Some(std::time::Duration::from_secs(2));
        }
        nameless
    }

    fn look_at_file(&mut self, kind: Option<FileKind>, bytes: &[u8], framing: &mut Framing) -> usize {
        match kind.unwrap_or_else(|| FileKind::sniff(bytes)) {
            FileKind::Payloads(_) => 0,
            FileKind::Ndjson => {
                if matches!(PayloadKind::of(bytes), PayloadKind::Format("senml")) {
                    self.set_format("senml", framing);
                }
                0
            }
            FileKind::WeatherLink if bytes.split(|byte| *byte == b'\n').take(2).any(is_of_export) => 0,
            FileKind::Csv | FileKind::WeatherLink => match lines_of(bytes) {
                // Its name says nothing of it, and its first line is no header.
                PayloadKind::Format(name @ ("influx" | "form")) => {
                    self.set_format(name, framing);
                    0
                }
                _ => self.set_csv(CsvDialect::of(bytes, true), framing),
            },
        }
    }

    /// The rows of the sample, after the array that holds them is found.
    fn find_rows(&mut self, sample: &RawSample, framing: &mut Framing, most: usize) -> Bucket {
        let rows = sample.rows(framing, most);
        let objects: Vec<Json> = rows
            .raw
            .rows()
            .filter(|row| row.format == Format::Json)
            .filter_map(|row| serde_json::from_slice(row.bytes).ok())
            .collect();
        let Some(path) = rows_of(&objects).and_then(|path| Some((InnerRows::parse(&path).ok()?, path))) else {
            return rows;
        };
        self.set("rows", path.1, "what is in it are rows; they have what they lack from the object around it");
        framing.rows = Some(path.0);
        sample.rows(framing, most)
    }

    /// The columns of rows, as their numbers are written.
    fn find_columns(&mut self, rows: &Bucket, nameless: usize) -> FoundColumns {
        let found = FoundColumns::of(rows, nameless, None);
        let is_json = rows.raw.rows().any(|row| row.format == Format::Json);
        if is_json {
            self.commas = found.decimal.found().is_some();
            self.thousands = found.decimal.thousands();
            self.remarks.extend(found.decimal.is_in_doubt().then(in_doubt));
        }
        let decimal = self.commas.then_some(DecimalMark::Comma);
        match CellRules::new([], BTreeMap::new(), (decimal, self.thousands), BadCell::Row) {
            None => found,
            rules => FoundColumns::of(rows, nameless, rules),
        }
    }

    /// Adds the columns that levels of topics are, and names a lone value after its topic.
    fn name_levels(&mut self, found: &mut FoundColumns, framing: &Framing, rows: &Bucket) {
        if framing.format == PayloadFormat::find("value").unwrap_or_default()
            && let SourceUrl::Mqtt(url) = &self.source
            && let [column] = &mut found.columns[..]
        {
            let last = url.topic.rsplit('/').next().unwrap_or_default();
            if !last.is_empty() && !last.contains(['+', '#']) {
                column.name = last.to_owned();
            }
        }
        let Some(pattern) = &framing.topic else { return };
        let topic = rows.raw.topics().map(|(_, topic)| topic.to_owned()).next().unwrap_or_default();
        for (name, value) in pattern.values(&topic) {
            if !found.has(name) {
                found.add_text(name, value);
            }
        }
    }

    fn take_columns(&mut self, mut found: FoundColumns, nameless: usize, rows: &Bucket) {
        let is_table = rows.raw.rows().all(|row| row.format != Format::Json);
        let kinds: Vec<Kind> = found.columns.iter().map(FoundColumn::kind).collect();
        // Cells without names are those of the columns in their order: numbers, then texts.
        let in_order = kinds.is_sorted_by_key(|kind| *kind == Kind::Text);
        self.casts = nameless > 0 && !in_order;
        self.has_header = is_table && nameless == 0;
        if self.casts && found.columns.iter().any(|column| column.kind() == Kind::Number && column.commas > 0) {
            self.remarks.push("numbers with a decimal comma between texts, without a header, stay texts".into());
        }
        found.settle_words();
        self.missing = found.columns.iter().flat_map(FoundColumn::missing).cloned().collect();
        match FoundTime::of(&found) {
            Ok(time) => {
                // A format reads texts.
                let named = time.as_ref().filter(|time| time.format.is_some()).map(|time| time.column.clone());
                let column = found.columns.iter_mut().find(|column| named.as_ref() == Some(&column.name));
                column.into_iter().for_each(|column| column.is_text = true);
                self.remarks.extend(time.as_ref().and_then(|time| time.remark(&found)));
                self.time = time;
            }
            Err(reason) => self.remarks.push(reason),
        }
        self.remarks.append(&mut found.remarks);
        self.columns = found.columns;
    }

    /// Tries the file over the sample, and takes away a time that its rows do not have.
    fn settle(mut self, sample: &RawSample, most: usize, registry: &Registry) -> Result<Proposal, String> {
        let bad = |proposal: &Proposal| -> Result<usize, String> {
            let dataflow = Dataflow::from_text("new.toml", &proposal.text(), &[], registry)
                .map_err(|diagnostic| diagnostic.to_string())?;
            let SchemaChoice::Known { schema, .. } = &dataflow.source().schema else { return Ok(0) };
            let rows = sample.rows(&dataflow.source().settings.framing, most);
            let mut decoder = Decoder::new(schema.clone().into(), dataflow.source().decoding.clone());
            Ok(decoder.decode(&rows).1.len())
        };
        let whole = bad(&self);
        if let Some(time) = self.time.take() {
            let plain = bad(&self)?;
            match whole {
                Ok(whole) if whole <= plain => self.time = Some(time),
                _ => self.remarks.push(format!("{} is no time of every row", time.column)),
            }
        } else {
            whole?;
        }
        Ok(self)
    }
}

/// What is said of commas that may be either mark.
fn in_doubt() -> String {
    "each comma in a number has three digits behind it: if it stands between thousands, write thousands = \",\" in [schema] \
     in place of decimal = \",\""
        .into()
}

/// The kind of a file's first lines.
fn lines_of(bytes: &[u8]) -> PayloadKind {
    const MOST: usize = 10;
    let end = memchr::memchr_iter(b'\n', bytes).nth(MOST - 1).unwrap_or(bytes.len());
    PayloadKind::of(&bytes[..end])
}

/// Whether a line may be of the header of WeatherLink's export, whose reader finds all by itself.
fn is_of_export(line: &[u8]) -> bool {
    line.starts_with(b"\t") || line.split(|byte| *byte == b'\t').any(|cell| cell.trim_ascii() == b"Date")
}

fn json(value: &Value) -> Json {
    serde_json::to_value(value).expect("TOML without dates is JSON")
}
