//! `[[table]]`: rows summarised by key and window.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::config::Diagnostic;
use crate::config::error::{SpannedError, Wrong};
use crate::config::model::Dataflow;
use crate::config::params_files::ParsedParams;
use crate::config::parse::sections::Milliseconds;
use crate::config::parse::sink::sink_settings;
use crate::config::table::{PositiveLabel, ReferenceSection, ScoreSection, TableOf, TablePlan, TableSection};
use crate::data::did_you_mean;
use crate::data::{Column, Kind, Schema};
use crate::sink::SinkSettings;
use crate::tables::{
    Aggregate, Grouping, Join, Late, Reference, Score, ScoreAverage, ScoreMetric, Table, Window, text_value,
};

/// The most windows that a row may be in: each holds state for it.
const MOST_WINDOWS: i64 = 10_000;
/// How far ahead of this machine's clock a row may be dated where nothing is said, in milliseconds: ten minutes.
pub(in crate::config) const MAX_FUTURE: i64 = 600_000;

/// Reads all tables of a file.
pub fn read_tables(value: Spanned<DeValue<'_>>) -> Result<Vec<TablePlan>, SpannedError> {
    let span = value.span();
    let DeValue::Array(items) = value.into_inner() else { return Err(Wrong::OneBracket("table").at(span)) };
    let mut plans: Vec<TablePlan> = Vec::new();
    for item in items {
        let mut section = TableSection::deserialize(ValueDeserializer::from(item))?;
        check(&section)?;
        let name = &section.name;
        if plans.iter().any(|plan| plan.section.name.get_ref() == name.get_ref()) {
            return Err(Wrong::TableTwice(name.get_ref().clone()).at(name.span()));
        }
        let sink = section.sink.take().map(|sink| sink_settings(sink, false)).transpose()?;
        let sink = sink.flatten();
        if let Some(column) = sink.as_ref().and_then(|sink| of_no_key(sink, &section)) {
            return Err(Wrong::TopicOfNoKey(column).at(name.span()));
        }
        if sink.as_ref().is_some_and(|sink| sink.parts) {
            return Err(Wrong::TableInParts.at(name.span()));
        }
        plans.push(TablePlan { section, sink });
    }
    Ok(plans)
}

/// A column in the topic of a table's sink that is not of the table's key.
fn of_no_key(sink: &SinkSettings, section: &TableSection) -> Option<String> {
    let is_key = |column: &&str| section.key.iter().any(|key| key.get_ref() == column);
    sink.topic.as_ref()?.columns().find(|column| !is_key(column)).map(str::to_owned)
}

/// Refuses settings that contradict each other.
fn check(section: &TableSection) -> Result<(), SpannedError> {
    let name = section.name.get_ref();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)) {
        return Err(Wrong::TableName.at(section.name.span()));
    }
    for (given, what) in [
        (&section.hop, "hop"),
        (&section.retention, "retention"),
        (&section.interval, "interval"),
        (&section.max_future, "max_future"),
    ] {
        if let Some(given) = given.as_ref().filter(|_| section.window.is_none()) {
            return Err(Wrong::OptionOfWindow(what).at(given.span()));
        }
    }
    if let Some(late) = section.late.as_ref().filter(|_| section.retention.is_none()) {
        return Err(Wrong::LateWithoutRetention.at(late.span()));
    }
    if let (Some(window), Some(hop)) = (&section.window, &section.hop) {
        let (window, length) = (window.get_ref().0, hop.get_ref().0);
        if length > window {
            return Err(Wrong::HopTooLong.at(hop.span()));
        }
        let windows = (window - 1) / length + 1;
        if windows > MOST_WINDOWS {
            return Err(Wrong::TooManyWindows { windows, most: MOST_WINDOWS }.at(hop.span()));
        }
    }
    if let Some(delete) = section.delete.as_ref().filter(|_| section.upsert.is_empty()) {
        return Err(Wrong::DeleteWithoutUpsert.at(delete.span()));
    }
    if let Some(combine) = section.combine_first.as_ref().filter(|_| section.upsert.is_empty()) {
        return Err(Wrong::CombineWithoutUpsert.at(combine.span()));
    }
    if section.aggregates.get_ref().contains(&Aggregate::Completeness) && section.interval.is_none() {
        return Err(Wrong::CompletenessWithoutInterval.at(section.aggregates.span()));
    }
    Ok(())
}

impl Dataflow {
    /// The tables, their columns looked up in what `schema` has become where they take their rows.
    ///
    /// # Errors
    /// A column that is not there or of the wrong kind, or a reference that can't be read.
    pub fn tables(&self, schema: &Schema) -> Result<Vec<TableOf>, Diagnostic> {
        self.find_tables(schema).map_err(|error| self.document.diagnostic(error))
    }

    pub(super) fn find_tables(&self, schema: &Schema) -> Result<Vec<TableOf>, SpannedError> {
        self.tables.iter().map(|plan| self.table(plan, schema)).collect()
    }

    /// The number of the operator after which a table takes its rows; 0 is prepare.
    ///
    /// # Errors
    /// If the chain has no such step.
    pub fn table_input(&self, plan: &TablePlan) -> Result<usize, Diagnostic> {
        self.operator(plan.section.input.as_ref(), plan.section.name.span())
            .map_err(|error| self.document.diagnostic(error))
    }

    fn table(&self, plan: &TablePlan, schema: &Schema) -> Result<TableOf, SpannedError> {
        let section = &plan.section;
        let input = self.operator(section.input.as_ref(), section.name.span())?;
        let schema = self.schema_after(input, schema)?;
        let find = |name: &Spanned<String>| column(name, &schema);
        let all = |names: &[Spanned<String>]| names.iter().map(find).collect::<Result<Vec<Column>, SpannedError>>();
        let keys = all(&section.key)?;
        let grouping = Grouping {
            input,
            window: section
                .window
                .as_ref()
                .map(|length| window(section, length, self.time_name(), &schema))
                .transpose()?,
            upsert: all(&section.upsert)?,
            combine_first: section.combine_first.as_ref().is_some_and(|combine| *combine.get_ref()),
            delete: section.delete.as_ref().map(find).transpose()?,
            retention: milliseconds(&section.retention),
            max_future: milliseconds(&section.max_future).unwrap_or(MAX_FUTURE),
            late: section.late.as_ref().map_or(Late::default(), |late| *late.get_ref()),
            keys,
        };
        let columns = match &section.columns {
            Some(names) => names.iter().map(|name| number(name, &schema)).collect::<Result<Vec<Column>, _>>()?,
            None if section.score.is_some() => Vec::new(),
            None => {
                let is_key = |column: &Column| grouping.keys.contains(column) || grouping.upsert.contains(column);
                let numbers = schema.columns().iter().filter(|column| column.kind == Kind::Number);
                let other = numbers.filter(|column| !is_key(column) && grouping.delete.as_ref() != Some(column));
                other.filter(|column| grouping.window.as_ref().is_none_or(|w| w.time != **column)).cloned().collect()
            }
        };
        let joined = section.reference.as_ref().map(|given| reference(given, section, &grouping.keys));
        let (join, reference) = joined.transpose()?.unzip();
        let table = Table {
            name: section.name.get_ref().clone(),
            grouping,
            columns,
            aggregates: section.aggregates.get_ref().clone(),
            score: section.score.as_ref().map(|given| score(given, &schema)).transpose()?,
            interval: milliseconds(&section.interval),
            join,
            changes: section.changes,
        };
        if let Some(column) = table.twice() {
            return Err(Wrong::TableColumnTwice { table: table.name, column }.at(section.name.span()));
        }
        Ok(TableOf { table, sink: plan.sink.clone(), reference })
    }

    /// The number of the operator with this label; `raw` if not given, which then counts as said at `at`.
    pub(in crate::config) fn operator(
        &self,
        label: Option<&Spanned<String>>,
        at: Range<usize>,
    ) -> Result<usize, SpannedError> {
        let (name, at) = label.map_or(("raw", at), |label| (label.get_ref().as_str(), label.span()));
        let mut labels = self.labels();
        labels.pop();
        let place = if name == "raw" { Some(0) } else { labels.iter().position(|other| other == name) };
        let Some(place) = place else {
            let nearest = did_you_mean(name, labels.iter().map(String::as_str));
            return Err(Wrong::NoStep { label: name.to_owned(), nearest }.at(at));
        };
        let apart = self.steps_apart();
        if place < apart {
            let (label, last) = (name.to_owned(), labels[apart].clone());
            return Err(Wrong::BeforeAllRows { label, last }.at(at));
        }
        Ok(place)
    }

    pub(in crate::config) fn schema_after(&self, operator: usize, schema: &Schema) -> Result<Schema, SpannedError> {
        // Where rows of all sources have come together, the columns are those of the first one.
        let mut of_first = self.steps[..operator].iter().filter(|plan| plan.source.is_none_or(|source| source == 0));
        of_first.try_fold(schema.clone(), |schema, plan| {
            let step = self.step(plan, &schema, &ParsedParams::on_disk())?;
            Ok(step.subtask.transform().columns_after(&schema, &step.scope))
        })
    }
}

/// Predictions and labels, their columns looked up.
fn score(section: &ScoreSection, schema: &Schema) -> Result<Score, SpannedError> {
    let ScoreSection { prediction, label, metrics, probability, positive, .. } = section;
    let wrong = |reason: &str, at: std::ops::Range<usize>| Err(Wrong::Score(reason.to_owned()).at(at));
    let all = metrics.get_ref();
    if all.is_empty() {
        return wrong("no metric is named", metrics.span());
    }
    if let Some(place) = (1..all.len()).find(|place| all[..*place].contains(&all[*place])) {
        return wrong(&format!("{} stands there twice", all[place].name()), metrics.span());
    }
    let (said, is) = (column(prediction, schema)?, column(label, schema)?);
    if said.kind != is.kind {
        return wrong("predictions are numbers and labels texts, or the other way round", label.span());
    }
    if let Some(metric) = all.iter().find(|metric| !metric.is_of_classes() && is.kind == Kind::Text) {
        return wrong(
            &format!("{} is a metric of numbers, and `{}` holds texts", metric.name(), is.name),
            label.span(),
        );
    }
    let of_classes = section.probabilities.is_some();
    let binary =
        |metric: &ScoreMetric| metric.is_of_probabilities() && !(of_classes && *metric == ScoreMetric::LogLoss);
    if let Some(metric) = all.iter().copied().find(binary)
        && (probability.is_none() || positive.is_none())
    {
        let reason =
            format!("{} needs probability, a column, and positive, the label that it is of", ScoreMetric::name(metric));
        return wrong(&reason, metrics.span());
    }
    let probability = probability.as_ref().map(|name| number(name, schema)).transpose()?;
    let positive = match positive.as_ref().map(|positive| (label_of(positive.get_ref(), is.kind), positive.span())) {
        None => None,
        Some((Some((_, positive)), _)) => Some(positive),
        Some((None, at)) => return wrong("positive is no label that the label's column can hold", at),
    };
    let average = match section.average.as_ref().map(|average| (*average.get_ref(), average.span())) {
        None if positive.is_some() => ScoreAverage::Binary,
        None => ScoreAverage::Macro,
        Some((ScoreAverage::Binary, at)) if positive.is_none() => {
            return wrong("binary needs positive, the label that it is of", at);
        }
        Some((_, at)) if !all.iter().any(|metric| metric.is_averaged()) => {
            return wrong("none of the metrics is averaged: it is for precision, recall and f1", at);
        }
        Some((average, _)) => average,
    };
    let classes = classes(section, is.kind)?;
    if classes.is_empty() && all.contains(&ScoreMetric::Confusion) {
        return wrong("confusion needs classes, such as classes = [\"dry\", \"wet\"]", metrics.span());
    }
    let probabilities = match &section.probabilities {
        None => Vec::new(),
        Some(names) if names.get_ref().len() != classes.len() => {
            let reason = format!("there are {} columns for {} classes", names.get_ref().len(), classes.len());
            return wrong(&reason, names.span());
        }
        Some(names) => names.get_ref().iter().map(|name| number(name, schema)).collect::<Result<_, _>>()?,
    };
    let metrics = all.clone();
    Ok(Score { prediction: said, label: is, probability, positive, average, classes, probabilities, metrics })
}

/// The most classes: the confusion has a column for each pair of them.
const MAX_CLASSES: usize = 100;

/// The labels that are named, each once.
fn classes(section: &ScoreSection, kind: Kind) -> Result<Vec<(String, f64)>, SpannedError> {
    let Some(given) = &section.classes else { return Ok(Vec::new()) };
    let wrong = |reason: String| Err(Wrong::Score(reason).at(given.span()));
    let mut classes: Vec<(String, f64)> = Vec::new();
    for label in given.get_ref() {
        let Some((name, value)) = label_of(label, kind) else {
            return wrong("classes holds a label that the label's column cannot hold".into());
        };
        if classes.iter().any(|(known, other)| *known == name || *other == value) {
            return wrong(format!("{name} stands in classes twice"));
        }
        classes.push((name, value));
    }
    if !(2..=MAX_CLASSES).contains(&classes.len()) {
        return wrong(format!("name from 2 to {MAX_CLASSES} classes"));
    }
    Ok(classes)
}

/// The name of a label, and how a row's values have it; `None` if none has it.
fn label_of(label: &PositiveLabel, kind: Kind) -> Option<(String, f64)> {
    match (label, kind) {
        // An empty text is no value.
        (PositiveLabel::Text(text), Kind::Text) => (!text.is_empty()).then(|| (text.clone(), text_value(text))),
        (PositiveLabel::Whole(number), Kind::Number) => {
            let held = *number as f64;
            (held as i128 == i128::from(*number)).then(|| (number.to_string(), held))
        }
        (PositiveLabel::Number(number), Kind::Number) if !number.is_nan() => Some((number.to_string(), *number)),
        (PositiveLabel::Flag(flag), Kind::Number) => Some((flag.to_string(), f64::from(u8::from(*flag)))),
        _ => None,
    }
}

fn reference(
    reference: &Spanned<ReferenceSection>,
    section: &TableSection,
    keys: &[Column],
) -> Result<(Join, Reference), SpannedError> {
    let ReferenceSection { path, key } = reference.get_ref();
    let name = key.get_ref();
    let place = section.key.iter().position(|other| other.get_ref() == name).ok_or_else(|| {
        let nearest = did_you_mean(name, section.key.iter().map(|other| other.get_ref().as_str()));
        Wrong::NoKey { name: name.clone(), nearest }.at(key.span())
    })?;
    let read = Reference::read(path, name, keys[place].kind);
    let read = read.map_err(|reason| Wrong::Reference(reason).at(reference.span()))?;
    Ok((Join { key: place, columns: read.columns.clone() }, read))
}

fn window(
    section: &TableSection,
    length: &Spanned<Milliseconds>,
    time: &str,
    schema: &Schema,
) -> Result<Window, SpannedError> {
    let time = match &section.time {
        Some(name) => column(name, schema)?,
        None => schema.get(time).cloned().ok_or_else(|| Wrong::WindowWithoutTime.at(length.span()))?,
    };
    let length = length.get_ref().0;
    Ok(Window { time, length, hop: milliseconds(&section.hop).unwrap_or(length) })
}

fn column(name: &Spanned<String>, schema: &Schema) -> Result<Column, SpannedError> {
    schema.get(name.get_ref()).cloned().ok_or_else(|| Wrong::no_column(name.get_ref(), schema).at(name.span()))
}

fn number(name: &Spanned<String>, schema: &Schema) -> Result<Column, SpannedError> {
    let column = column(name, schema)?;
    if column.kind == Kind::Number { Ok(column) } else { Err(Wrong::TextInTable(column.name).at(name.span())) }
}

fn milliseconds(given: &Option<Spanned<Milliseconds>>) -> Option<i64> {
    given.as_ref().map(|given| given.get_ref().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
[source]
url = "generate:rows=5"
[[subtask]]
use = "replace"
[[table]]
name = "hourly"
input = "replace"
key = ["station"]
window = "1h"
hop = "15m"
columns = ["outTemp"]
aggregates = ["mean", "~p90", "completeness"]
interval = "5m"
upsert = ["station", "dateTime"]
retention = "2d"
sink = { url = "hourly.ndjson" }
[sink]
url = "null"
"#;

    fn tables(text: &str) -> Result<Vec<TableOf>, String> {
        let dataflow = Dataflow::from_text("f.toml", text, &[], &crate::registry::Registry::builtin())
            .map_err(|error| error.to_string())?;
        dataflow.tables(&Schema::davis()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_table_is_read_whole() {
        let tables = tables(FILE).unwrap();
        let TableOf { table, sink, .. } = &tables[0];
        assert_eq!((table.grouping.input, table.interval), (1, Some(300_000)));
        let window = table.grouping.window.as_ref().unwrap();
        assert_eq!((window.time.name.as_str(), window.length, window.hop), ("dateTime", 3_600_000, 900_000));
        assert_eq!(sink.as_ref().unwrap().url.to_string(), "hourly.ndjson");
        let names: Vec<String> = table.schema().names().map(str::to_owned).collect();
        assert_eq!(names, ["station", "window", "rows", "outTemp_mean", "outTemp_p90", "outTemp_completeness"]);
    }

    #[test]
    fn errors_name_the_place_and_what_to_do() {
        for (from, to, place, hint) in [
            ("\"replace\"\nkey", "\"replce\"\nkey", "f.toml:8:9", "did you mean `replace`?"),
            ("[\"station\"]", "[\"staton\"]", "f.toml:9:8", "did you mean `station`?"),
            ("window = \"1h\"", "window = \"1 hourr\"", "f.toml:10:10", "duration"),
            ("window = \"1h\"\n", "", "f.toml:10:7", "hop without a window"),
            ("\"15m\"", "\"2h\"", "f.toml:11:7", "longer than the window"),
            ("[\"outTemp\"]", "[\"station\"]", "f.toml:12:12", "text column"),
            ("~p90", "p900", "f.toml:13:", "unknown aggregate `p900`"),
            ("interval = \"5m\"\n", "", "f.toml:13:14", "completeness without an interval"),
            ("upsert = [\"station\", \"dateTime\"]", "delete = \"UV\"", "f.toml:15:10", "delete without upsert"),
            ("retention = \"2d\"", "late = \"drop\"", "f.toml:16:8", "late without retention"),
            ("retention = \"2d\"", "retention = \"2d\"\nlate = \"dropp\"", "f.toml:17:8", "`drop`"),
            ("retention = \"2d\"", "max_future = \"-1s\"", "f.toml:16:14", "duration"),
            ("name = \"hourly\"", "name = \"a b\"", "f.toml:7:8", "letters"),
            ("retention", "retenton", "f.toml:16:1", "did you mean `retention`?"),
            ("[\"outTemp\"]", "[\"outTemp\", \"outTemp\"]", "f.toml:7:8", "two columns `outTemp_mean`"),
            (
                "retention = \"2d\"",
                "reference = { path = \"/none.csv\", key = \"station\" }",
                "f.toml:16:13",
                "/none.csv",
            ),
            ("retention = \"2d\"", "reference = { path = \"x\", key = \"UV\" }", "f.toml:16:33", "no key `UV`"),
        ] {
            assert!(FILE.contains(from), "{from}");
            let shown = tables(&FILE.replacen(from, to, 1)).err().unwrap_or_default();
            assert!(shown.contains(place) && shown.contains(hint), "{from} -> {to}:\n{shown}");
        }
    }

    /// Each on its own line behind `[[table]]` is refused where it is wrong.
    #[test]
    fn a_score_that_cannot_be_is_refused_with_what_it_lacks() {
        const LABELS: &str = "prediction = \"station\", label = \"station\"";
        const NUMBERS: &str = "prediction = \"UV\", label = \"rain\"";
        let of = |columns: &str, rest: &str| {
            let score = format!("upsert = [\"station\", \"dateTime\"]\nscore = {{ {columns}, {rest} }}");
            tables(&FILE.replacen("upsert = [\"station\", \"dateTime\"]", &score, 1))
        };
        for (columns, rest, hint) in [
            (LABELS, "metrics = [\"f1\"], average = \"binary\"", "binary needs positive"),
            (LABELS, "metrics = [\"f1\"], average = \"mean\"", "unknown variant `mean`"),
            (LABELS, "metrics = [\"accuracy\"], average = \"micro\"", "none of the metrics is averaged"),
            (LABELS, "metrics = [\"confusion\"]", "confusion needs classes"),
            (LABELS, "metrics = [\"confusion\"], classes = [\"a\"]", "from 2 to 100 classes"),
            (LABELS, "metrics = [\"confusion\"], classes = [\"a\", \"a\"]", "a stands in classes twice"),
            (LABELS, "metrics = [\"confusion\"], classes = [\"a\", 1]", "cannot hold"),
            (NUMBERS, "metrics = [\"confusion\"], classes = [1, 1.0]", "twice"),
            (NUMBERS, "metrics = [\"confusion\"], classes = [1, 9007199254740993]", "cannot hold"),
            (LABELS, "metrics = [\"confusion\"], classes = [\"a\", \"\"]", "cannot hold"),
            (LABELS, "metrics = [\"log_loss\"]", "log_loss needs probability"),
            (
                LABELS,
                "metrics = [\"log_loss\"], classes = [\"a\", \"b\"], probabilities = [\"UV\"]",
                "1 columns for 2 classes",
            ),
            (
                LABELS,
                "metrics = [\"roc_auc\"], classes = [\"a\", \"b\"], probabilities = [\"UV\", \"rain\"]",
                "roc_auc needs",
            ),
            (NUMBERS, "metrics = [\"f1\"], positive = \"a\"", "column can hold"),
        ] {
            let shown = of(columns, rest).err().unwrap_or_default();
            assert!(shown.contains("f.toml:16:") && shown.contains(hint), "{rest}:\n{shown}");
        }
        let whole = "metrics = [\"confusion\", \"log_loss\", \"recall\"], average = \"weighted\", classes = [1, 0], \
                     probabilities = [\"UV\", \"rain\"]";
        let found = of(NUMBERS, whole).unwrap_or_else(|wrong| panic!("{wrong}"));
        let names: Vec<String> = found[0].table.schema().names().map(str::to_owned).collect();
        let confusion = ["1_1", "1_0", "0_1", "0_0"].map(|pair| format!("UV_confusion_{pair}"));
        let own = names.iter().filter(|name| name.starts_with("UV_")).cloned().collect::<Vec<_>>();
        assert_eq!(own, [&confusion[..], &["UV_log_loss".to_owned(), "UV_recall".to_owned()]].concat());
    }
}
