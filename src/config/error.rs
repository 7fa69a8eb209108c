//! What can be wrong with a dataflow, and where in its document.

use std::ops::Range;

use crate::data::{Schema, did_you_mean};
use crate::subtasks::Refusal;

/// A rule that a dataflow breaks, and where. It becomes a [`Diagnostic`](crate::config::Diagnostic) where the text of
/// the document is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpannedError {
    pub wrong: Box<Wrong>,
    pub at: At,
}

/// Where something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// These bytes of the document.
    Span(Range<usize>),
    /// The file as a whole.
    File,
    /// Not in the file alone: on the command line, or in the rows.
    Nowhere,
}

/// The rule that is broken, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// What the TOML reader says, and the name that may be meant.
    #[error("{reason}")]
    Toml { reason: String, help: Option<String> },
    /// An override whose key is not of this file.
    #[error("{shown}: {reason}")]
    Override { shown: String, reason: String },
    #[error("{path} gives no {section}.url")]
    NoUrl { path: String, section: &'static str, flag: &'static str },
    #[error("the name {name:?} cannot be a part of a file's name")]
    Name { name: String, longest: usize },
    #[error("a source's name is made of letters, digits, _ and -")]
    SourceName,
    #[error("two sources are named `{0}`")]
    SourceTwice(String),
    #[error("two sources read {0}, where each row comes once")]
    StreamTwice(String),
    #[error("one of several sources without a name")]
    SourceWithoutName,
    #[error("a source without `url`")]
    SourceWithoutUrl,
    #[error("the schema of several sources cannot be inferred")]
    SourcesInfer,
    #[error("{0} begins anew in each run, and other sources of the file go on where a run has ended")]
    SourceOnce(String),
    #[error("the rows of several sources come together with other columns: {reason}")]
    SourcesDiffer { reason: String, other: String },
    #[error("the file has no source `{name}`")]
    NoSource { name: String, nearest: Option<String> },
    #[error("{0} takes the rows of one source, behind a step that takes those of all")]
    InputBehindAll(String),
    #[error("{0} keeps state, and takes the rows of one of several sources")]
    InputWithState(String),
    #[error("behind `{label}`, the rows of the sources have not come together")]
    BeforeAllRows { label: String, last: String },
    /// A section that may come several times, but is written as one.
    #[error("write [[{0}]] with two brackets")]
    OneBracket(&'static str),

    #[error("unknown schema `{0}`")]
    UnknownSchema(String),
    #[error("schema is \"davis\", \"infer\" or a [schema] table")]
    NoSchema,
    #[error("the schema names no column")]
    EmptySchema,
    #[error("{0:?} can't stand both between thousands and before a fraction: `thousands` and `decimal` are the same")]
    AmbiguousMark(char),
    /// What is wrong with the key that a column is read from.
    #[error("{0}")]
    ColumnKey(String),
    /// What is wrong with the path of the rows.
    #[error("rows: {0}")]
    RowsPath(String),
    /// What is wrong with the path of the value.
    #[error("value: {0}")]
    ValuePath(String),
    #[error("a column is named `{0}`")]
    ReservedColumn(String),
    /// As [`Wrong::ReservedColumn`], where the source or a step names the column.
    #[error("a column is named `{0}`")]
    ReservedColumnMade(String),

    #[error("a subtask is a table")]
    SubtaskIsNoTable,
    #[error("a subtask without `use`")]
    SubtaskWithoutUse,
    #[error("unknown subtask `{name}`")]
    UnknownSubtask { name: String, nearest: Option<String> },
    #[error("{name}: `{parameter}` is refused", parameter = refusal.parameter)]
    Parameter { name: String, refusal: Refusal },
    #[error("{label}: {parameter}: {refusal}", parameter = refusal.parameter)]
    Scope { label: String, refusal: Refusal },
    #[error("{0} cannot learn over the stream")]
    CannotStream(String),
    #[error("{option} without fit = \"{fit}\"")]
    OptionOfFit { option: &'static str, fit: &'static str },
    #[error("{0}: fit = \"frozen\" without params")]
    FrozenWithoutParams(&'static str),
    #[error("{0} is a model without params")]
    ModelWithoutParams(&'static str),
    #[error("{0} is a model, which is fitted in Python")]
    ModelIsFrozen(&'static str),
    #[error("{0} is a model, which learns over the stream or is fitted in Python")]
    ModelOfMessage(&'static str),
    #[error("{0}: fit = \"stream\" without a target")]
    StreamWithoutTarget(&'static str),
    #[error("{name}: {option} without fit = \"stream\"")]
    LearningOfFrozen { option: String, name: &'static str },
    #[error("fit is \"message\", \"stream\" or \"frozen\"")]
    UnknownFit,
    #[error("no column is named")]
    NoColumns,
    #[error("{name} takes no parameter `{parameter}`")]
    FixedParameter { name: String, parameter: String },
    #[error("{name} stands {end} in the chain")]
    FixedPlace { name: String, end: &'static str },
    #[error("params of {label}: {path}: {reason}")]
    Params { label: String, path: String, reason: String },

    #[error("the schema has no column `{name}`")]
    NoColumn { name: String, nearest: Option<String> },
    #[error("the schema has no text column `{name}`")]
    NoTextColumn { name: String, nearest: Option<String> },
    #[error("the topic names `{0}`, which `columns` of the sink leaves out")]
    TopicOfColumnLeftOut(String),
    #[error("`{name}` is a {kind} column")]
    ColumnKind { name: String, kind: &'static str, subtask: &'static str, takes: &'static str },

    #[error("{filter:?} is no filter of MQTT: {reason}")]
    Filter { filter: String, reason: &'static str },
    #[error("no topic under {filter:?} is one of {pattern}")]
    TopicElsewhere { pattern: String, filter: String },
    #[error("Sparkplug B is read from topics of MQTT")]
    SparkplugOfNoTopic,
    #[error("Sparkplug B over a shared subscription: messages of a node would come apart from its birth certificate")]
    SparkplugShared,
    #[error("{0:?} leaves out messages of Sparkplug's nodes")]
    SparkplugFilter(String),
    #[error("`topic` and `rows` are not for Sparkplug B")]
    SparkplugTopic,
    #[error("collect without {{column}} in `topic`")]
    CollectWithoutColumn,
    #[error("value without {{column}} in `topic`")]
    ValueWithoutColumn,
    #[error("rows beside {{column}} in topic: each payload is the value of one column")]
    RowsWithColumn,
    #[error("format = \"{0}\" beside {{column}}: each payload is the value of one column, as text or in JSON")]
    FormatWithColumn(&'static str),
    #[error("values of one row may come over several connections, and each collects its own")]
    CollectShared,
    #[error("{0}")]
    Connections(String),
    #[error("connections without a session")]
    ConnectionsWithoutSession,
    #[error("the schema of several connections cannot be inferred")]
    ConnectionsInfer,
    #[error("rows of a station may overtake each other on several connections, and {0} needs their order")]
    ConnectionsMix(String),

    #[error("dead letters are JSON lines, and {0} does not take them")]
    DeadLetterUrl(String),
    #[error("parts = true is for sinks that are files, not for {0}")]
    PartsOfNoFile(String),
    #[error("properties = true is for sinks that are topics, not for {0}")]
    PropertiesOfNoTopic(String),
    #[error("`key` names columns for tables of a database, not for {0}")]
    KeyOfNoTable(String),
    #[error("{0}: a file's name has no columns")]
    FileOfColumns(String),
    #[error("a sink's name is made of letters, digits, _ and -")]
    SinkName,
    #[error("two sinks are named `{0}`")]
    SinkTwice(String),
    #[error("the column `{0}` is named twice")]
    ColumnTwice(String),
    #[error("parts = true at one sink, and not at another")]
    SomeInParts,
    #[error("{0}: publishes of MQTT 3.1.1 have no properties")]
    PropertiesOfV3(String),
    #[error("shared subscriptions, and so `connections = N`, are of MQTT 5")]
    SharedOfV3,
    #[error("{0}: a sink's topic has no wildcards")]
    WildcardsOfSink(String),
    #[error("infinity is for sinks of results as text, not for {0}")]
    InfinityOfNoText(String),
    #[error("{section}: {reason}")]
    Endpoint { section: &'static str, reason: String },

    #[error("a table's name is made of letters, digits, _, - and .")]
    TableName,
    #[error("the topic names `{0}`, which is no column of the table's key")]
    TopicOfNoKey(String),
    #[error("two tables are named `{0}`")]
    TableTwice(String),
    #[error("a table is not written in parts")]
    TableInParts,
    #[error("{0} without a window")]
    OptionOfWindow(&'static str),
    #[error("late without retention")]
    LateWithoutRetention,
    #[error("hop is longer than the window")]
    HopTooLong,
    #[error("each row would be in {windows} windows")]
    TooManyWindows { windows: i64, most: i64 },
    #[error("delete without upsert")]
    DeleteWithoutUpsert,
    #[error("combine_first without upsert")]
    CombineWithoutUpsert,
    #[error("score: {0}")]
    Score(String),
    #[error("completeness without an interval")]
    CompletenessWithoutInterval,
    #[error("a window without a time")]
    WindowWithoutTime,
    #[error("an alert without a condition")]
    AlertWithoutWhere,
    #[error("`{0}` without `for` or `resolve`")]
    OptionOfAlert(&'static str),
    #[error("`for` without a time")]
    AlertWithoutTime,
    #[error("max_future without `for`")]
    FutureWithoutHold,
    #[error("a column is named `{0}`")]
    AlertColumn(&'static str),
    #[error("table {table} has two columns `{column}`")]
    TableColumnTwice { table: String, column: String },
    #[error("the table has no key `{name}` to join by")]
    NoKey { name: String, nearest: Option<String> },
    #[error("{0}")]
    Reference(String),
    #[error("the chain has no step `{label}`")]
    NoStep { label: String, nearest: Option<String> },
    #[error("`{0}` is a text column")]
    TextInTable(String),

    #[error("{what}, {url}, is under the source's own {filter:?}: {each} would be a row again, for ever")]
    Feedback { what: String, url: String, filter: String, each: &'static str },
    #[error(
        "{one} and {other} have the client_id {id:?} at one broker: each would take the connection from the other, for \
         ever"
    )]
    ClientIdTwice { one: String, other: String, id: String },
    #[error("{one} and {other} are the same file")]
    FileTwice { one: String, other: String },
}

impl Wrong {
    /// There is no column of this name.
    pub fn no_column(name: &str, schema: &Schema) -> Wrong {
        Wrong::NoColumn { name: name.to_owned(), nearest: did_you_mean(name, schema.names()) }
    }

    /// At these bytes of the document.
    pub fn at(self, span: Range<usize>) -> SpannedError {
        SpannedError { wrong: Box::new(self), at: At::Span(span) }
    }

    /// In the file as a whole.
    pub fn in_file(self) -> SpannedError {
        SpannedError { wrong: Box::new(self), at: At::File }
    }

    /// Not in the file alone.
    pub fn nowhere(self) -> SpannedError {
        SpannedError { wrong: Box::new(self), at: At::Nowhere }
    }

    /// The bytes that are wrong of the text at its place; all of it if not given.
    pub fn within(&self) -> Option<Range<usize>> {
        match self {
            Wrong::Parameter { refusal, .. } => refusal.within.clone(),
            _ => None,
        }
    }

    /// What stands at the place itself.
    pub fn label(&self) -> &str {
        match self {
            Wrong::Parameter { refusal, .. } => &refusal.reason,
            _ => "",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Wrong::Toml { help, .. } => return help.clone(),
            Wrong::NoColumn { nearest, .. } | Wrong::NoTextColumn { nearest, .. } | Wrong::NoKey { nearest, .. } => {
                return nearest.clone();
            }
            Wrong::UnknownSchema(name) => {
                return did_you_mean(name, ["davis", "infer"].into_iter())
                    .or(Some("schema is \"davis\", \"infer\" or a [schema] table".into()));
            }
            Wrong::UnknownSubtask { nearest, .. } => {
                return nearest.clone().or(Some("`rowmill subtasks` lists them".into()));
            }
            Wrong::NoStep { nearest, .. } => {
                return nearest.clone().or(Some("write \"raw\" or the name of a step".into()));
            }
            Wrong::NoSource { nearest, .. } => {
                return nearest.clone().or(Some("`input` is the `name` of a [[source]]".into()));
            }
            Wrong::SourcesDiffer { other, .. } => {
                return Some(format!(
                    "give both the same columns, or bring them together with steps of one source: input = {other:?}, such as \
                     `rename`, `drop` or `filter`"
                ));
            }
            Wrong::BeforeAllRows { last, .. } => return Some(format!("write {last:?}, or a later step")),
            Wrong::NoUrl { flag, .. } => return Some(format!("add it to the file, or say {flag} URL")),
            Wrong::Name { longest, .. } => {
                return Some(format!(
                    "up to {longest} bytes of letters, digits, spaces, _, - and ., without a . at the beginning"
                ));
            }
            Wrong::OptionOfFit { option, fit } => return Some(format!("add fit = \"{fit}\", or leave {option} out")),
            Wrong::ColumnKind { subtask, takes, .. } => return Some(format!("{subtask} takes {takes} columns")),
            Wrong::TooManyWindows { most, .. } => {
                return Some(format!("a row is in {most} windows at most: make hop longer"));
            }
            Wrong::Parameter { refusal, .. } if refusal.help.is_some() => return refusal.help.clone(),
            Wrong::Parameter { refusal, .. } => &refusal.reason,
            Wrong::SourceName => "such as roof",
            Wrong::SourceTwice(_) => "a step's `input` and dead letters name the source: give each a name of its own",
            Wrong::SourceWithoutName => "add name = \"roof\": a step's `input` and dead letters name the source",
            Wrong::SourceWithoutUrl => "add url = \"mqtt://HOST/TOPIC\", or a file",
            Wrong::SourcesInfer => {
                "give it in [source.schema] below this source, or in [schema] for all that have none"
            }
            Wrong::StreamTwice(_) => "give one of them another address: each row would go to one of the two by chance",
            Wrong::SourceOnce(_) => "read it in a dataflow of its own, or from a file",
            Wrong::InputBehindAll(_) => "put it before the steps without `input`",
            Wrong::InputWithState(_) => {
                "put it behind the steps with `input`, where it takes the rows of all sources; `key` tells them apart"
            }
            Wrong::EmptySchema => "give number = [...] or text = [...]",
            Wrong::ReservedColumn(_) => {
                "the output has a column of that name itself: leave it out, or let the source name it otherwise"
            }
            Wrong::ReservedColumnMade(_) => {
                "the output has a column of that name itself: name the columns to take in [schema], without it"
            }
            Wrong::SubtaskWithoutUse => "say which: use = \"standard_scaler\"",
            Wrong::CannotStream(_) => {
                "the standard, min-max, max-abs and robust scalers, quantile_transformer, rolling, ewm, diff, shift, cumsum, \
                 pct_change, interpolate, fillna's ffill and the models with partial_fit can"
            }
            Wrong::FrozenWithoutParams(_) => "params = \"weather.fit.json\": the file that `rowmill fit` wrote",
            Wrong::ModelWithoutParams(_) => "params = \"model.fit.json\": the file that rowmill.export wrote in Python",
            Wrong::ModelIsFrozen(_) => "fit = \"frozen\", with the params that rowmill.export wrote",
            Wrong::ModelOfMessage(_) => {
                "fit = \"stream\", or fit = \"frozen\" with the params that rowmill.export wrote"
            }
            Wrong::StreamWithoutTarget(_) => "target = \"COLUMN\": what it learns to predict",
            Wrong::LearningOfFrozen { .. } => "it was fitted with its own: leave it out",
            Wrong::NoColumns => "leave the parameter out for all columns",
            Wrong::FixedPlace { .. } => "it may be left out: it is always there",
            Wrong::Params { .. } => "`rowmill fit` writes it, or rowmill.export in Python",
            Wrong::Filter { .. } => "write + for one whole level, and # for all that follow, at the end",
            Wrong::TopicElsewhere { .. } => "`topic` writes the levels out that the filter's + and # stand for",
            Wrong::SparkplugOfNoTopic => "url = \"mqtt://HOST/spBv1.0/GROUP/#\"",
            Wrong::SparkplugShared => {
                "one connection takes all messages of a node: connections = [\"spBv1.0/north/#\", \"spBv1.0/south/#\"]"
            }
            Wrong::SparkplugFilter(_) => {
                "birth certificates name the metrics: take spBv1.0/#, spBv1.0/GROUP/# or spBv1.0/GROUP/+/NODE/#"
            }
            Wrong::SparkplugTopic => "name `group`, `node`, `device` or `timestamp` as columns of [schema]",
            Wrong::ValueWithoutColumn => {
                "add topic = \"weather/{station}/{column}\"; else [schema] names paths: { name = \"temp\", from = \"value\" }"
            }
            Wrong::RowsWithColumn => "say the path of the value instead: value = \"PATH\"",
            Wrong::FormatWithColumn(_) => "leave format out, or let the level of the topic be none of {column}",
            Wrong::CollectWithoutColumn => "add topic = \"weather/{station}/{column}\", with the levels of your topics",
            Wrong::CollectShared => {
                "let one connection take all values of a row: name the topics of each, a station's in one"
            }
            Wrong::Connections(_) => "connections = 4, or a list of topics",
            Wrong::ConnectionsWithoutSession => "add session = true",
            Wrong::ConnectionsInfer => "give it in [schema]",
            Wrong::ConnectionsMix(_) => {
                "name the topics of each connection: connections = [\"weather/north/#\", \"weather/south/#\"]"
            }
            Wrong::DeadLetterUrl(_) => "give a path that ends in .ndjson, -, mqtt:// or null",
            Wrong::TableName => "such as hourly",
            Wrong::SinkName => "such as alerts",
            Wrong::TopicOfColumnLeftOut(_) => "add it to `columns`",
            Wrong::KeyOfNoTable(_) => {
                "leave it out, or write postgresql://; for one row a key in a file, write a [[table]] with key and upsert"
            }
            Wrong::FileOfColumns(_) => {
                "leave the braces out; for a file each, write a [[sink]] each with `where`; a topic has columns: \
                 mqtt://HOST/weather/{station}"
            }
            Wrong::AlertWithoutWhere => "add where = \"outTemp > 35\": the condition that it tells of",
            Wrong::OptionOfAlert(_) => {
                "they make an alert of the sink: add for = \"5m\" or resolve = true, or leave it out"
            }
            Wrong::AlertWithoutTime => "[schema.time] column = \"NAME\": the column that tells when a row was measured",
            Wrong::FutureWithoutHold => "times count with `for` only: leave it out",
            Wrong::AlertColumn(_) => {
                "the alert has a column of that name itself: rename yours, with `rename` before it"
            }
            Wrong::SomeInParts => {
                "one worker a process writes parts, and the first worker of all writes the other files"
            }
            Wrong::OptionOfWindow(_) => "add window = \"1h\", or leave it out",
            Wrong::LateWithoutRetention => "rows are late where windows go: add retention = \"30d\"",
            Wrong::HopTooLong => "rows between two windows would be in none",
            Wrong::DeleteWithoutUpsert | Wrong::CombineWithoutUpsert => "upsert names the columns that tell rows apart",
            Wrong::CompletenessWithoutInterval => "add interval = \"5m\": how far apart the rows of a key should be",
            Wrong::WindowWithoutTime => "add time = \"NAME\": the column that tells when a row was measured",
            Wrong::TextInTable(_) => "tables summarise number columns",
            Wrong::Feedback { .. } => "give it another topic; allow_loop = true in [source] permits it",
            Wrong::ClientIdTwice { .. } => "give each a client_id of its own; a sink needs none",
            Wrong::FileTwice { .. } => "give one of them another path",
            _ => return None,
        };
        Some(help.to_owned())
    }
}

impl SpannedError {
    /// Where a key is unknown: these may be meant, too.
    pub fn or_meant(mut self, more: &[&str]) -> SpannedError {
        if let Wrong::Toml { reason, help } = &mut *self.wrong {
            let Some((name, candidates)) = unknown_name(reason) else { return self };
            *help = did_you_mean(name, candidates.chain(more.iter().copied()));
            if reason.contains("expected one of") {
                reason.extend(more.iter().map(|key| format!(", `{key}`")));
            }
        }
        self
    }
}

impl From<toml::de::Error> for SpannedError {
    fn from(error: toml::de::Error) -> SpannedError {
        let reason = error.message().trim().replace('\n', "; ");
        let help = unknown_name(&reason).and_then(|(name, candidates)| did_you_mean(name, candidates));
        let at = error.span().map_or(At::File, At::Span);
        SpannedError { wrong: Box::new(Wrong::Toml { reason, help }), at }
    }
}

/// The names in serde's "unknown field `x`, expected one of `a`, `b`".
fn unknown_name(message: &str) -> Option<(&str, impl Iterator<Item = &str>)> {
    let mut names = message.strip_prefix("unknown ")?.split('`').skip(1).step_by(2);
    Some((names.next()?, names))
}
