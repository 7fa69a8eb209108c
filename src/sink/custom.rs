//! The traits of sinks in the registry, those that a program adds and those that are built in, and the adapter to
//! [`Sink`].

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::error::Error;
use super::kind::{LastTransaction, Sink, Takes, TypedSink};
use super::opening::Opening;
use crate::data::{self, Message};
use crate::format::Encoding;
use crate::mqtt::masked;

/// The settings of a sink as they stand in `[sink]` beside `url`, and what opens it.
///
/// Doc comments of the fields are what the JSON schema and the reference say of them. `name`, `where`, `after` and
/// `columns` are keys of every sink, and do not come here.
pub trait SinkConfig: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The open sink.
    type Writer: OpenSink;

    /// Refuses an address, when the dataflow file is read.
    ///
    /// # Errors
    /// In words: what is wrong with it.
    fn check(&self, _url: &str) -> Result<(), String> {
        Ok(())
    }

    /// Opens the sink at an address, for results of these columns.
    ///
    /// # Errors
    /// In words: why it can't be opened. The run fails.
    fn build(&self, url: &str, schema: &data::Schema) -> Result<Self::Writer, String>;
}

/// A sink that is open: it takes messages in order. What it takes is a type, so that nothing else can be passed.
pub trait OpenSink: 'static {
    /// [`JsonLines`], [`CsvLines`] or the columns of a [`Message`].
    type Input: ResultInput;

    /// Takes the results of a message.
    ///
    /// # Errors
    /// In words: why nothing more can be written. The run fails.
    fn write(&mut self, results: &Self::Input) -> Result<(), String>;

    /// Waits until all that was written is durable: only then are deliveries acknowledged. Called at checkpoints, and
    /// at the end. What was written and not synced is redelivered, to this sink or to that of the next run.
    ///
    /// # Errors
    /// In words: why it is not durable. The run fails.
    fn sync(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// What a sink can take, and the encoding that makes it.
pub trait ResultInput: Sized {
    /// What the encoder makes for it.
    const ENCODING: Encoding;

    /// The type of what the encoder makes: `Vec<u8>` or [`Message`].
    type Encoded: EncodedResults;

    /// Converts what the encoder made.
    #[doc(hidden)]
    fn of(encoded: Self::Encoded) -> Self;

    /// Returns its buffers to this thread's pools.
    #[doc(hidden)]
    fn recycle(self);
}

/// What the encoder makes: bytes of whole lines, or columns.
pub trait EncodedResults: Sized + 'static {
    /// A sink that takes it.
    #[doc(hidden)]
    fn typed(sink: Box<dyn Takes<Self>>) -> TypedSink;
}

impl EncodedResults for Vec<u8> {
    fn typed(sink: Box<dyn Takes<Vec<u8>>>) -> TypedSink {
        TypedSink::Lines(sink)
    }
}

impl EncodedResults for Message {
    fn typed(sink: Box<dyn Takes<Message>>) -> TypedSink {
        TypedSink::Columns(sink)
    }
}

/// Results of a message as JSON objects, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonLines(pub Vec<u8>);

/// Results of a message as CSV lines, without a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvLines(pub Vec<u8>);

impl ResultInput for JsonLines {
    const ENCODING: Encoding = Encoding::JsonLines;

    type Encoded = Vec<u8>;

    fn of(lines: Vec<u8>) -> JsonLines {
        JsonLines(lines)
    }

    fn recycle(self) {
        data::recycle_lines(self.0);
    }
}

impl ResultInput for CsvLines {
    const ENCODING: Encoding = Encoding::Csv;

    type Encoded = Vec<u8>;

    fn of(lines: Vec<u8>) -> CsvLines {
        CsvLines(lines)
    }

    fn recycle(self) {
        data::recycle_lines(self.0);
    }
}

impl ResultInput for Message {
    const ENCODING: Encoding = Encoding::Columns;

    type Encoded = Message;

    fn of(message: Message) -> Message {
        message
    }

    fn recycle(self) {
        Message::recycle(self);
    }
}

/// A sink of the registry that is built in: beside its settings it knows the run that opens it.
#[cfg(any(feature = "postgres", feature = "influxdb"))]
pub trait RunSink: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// [`JsonLines`], [`CsvLines`] or the columns of a [`Message`].
    type Input: ResultInput;
    /// Whether it takes results in transactions, with the run's progress in each.
    const IS_TRANSACTIONAL: bool;

    /// Refuses an address, when the dataflow file is read.
    ///
    /// # Errors
    /// In words: what is wrong with it.
    fn check(&self, url: &str) -> Result<(), String>;

    /// Refuses columns of results; `time` says when a row was measured, if the dataflow names one.
    ///
    /// # Errors
    /// In words: what does not fit.
    fn check_columns(&self, _schema: &data::Schema, _time: Option<&str>) -> Result<(), String> {
        Ok(())
    }

    /// Opens the sink at an address, for results of these columns.
    ///
    /// # Errors
    /// If it can't be opened.
    fn open(&self, url: &str, schema: &data::Schema, opening: &Opening) -> Result<OpenedRunSink<Self>, Error>;

    /// What its last transaction has left; a `fresh` run forgets it.
    ///
    /// # Errors
    /// If the sink can't be asked.
    fn committed(&self, _url: &str, _opening: &Opening, _fresh: bool) -> Result<Option<LastTransaction>, Error> {
        Ok(None)
    }
}

/// An open sink of the registry that is built in.
#[cfg(any(feature = "postgres", feature = "influxdb"))]
pub type OpenedRunSink<T> = Box<dyn Takes<<<T as RunSink>::Input as ResultInput>::Encoded>>;

type OpenSinkFn = dyn Fn(&data::Schema, &Opening) -> Result<TypedSink, Error> + Send + Sync;
type CheckColumnsFn = dyn Fn(&data::Schema, Option<&str>) -> Result<(), String> + Send + Sync;
type CommittedFn = dyn Fn(&Opening, bool) -> Result<Option<LastTransaction>, Error> + Send + Sync;

/// A sink of the registry with its settings and its address.
#[derive(Clone)]
pub struct CustomSink {
    encoding: Encoding,
    open: Arc<OpenSinkFn>,
    /// Of those that are built in: whether they take columns.
    check_columns: Option<Arc<CheckColumnsFn>>,
    /// Of those that take transactions: what the last one holds.
    committed: Option<Arc<CommittedFn>>,
    /// Whether it may refuse a result after it was written.
    may_refuse: bool,
    refused: Option<String>,
}

impl CustomSink {
    pub(super) fn new<T: SinkConfig>(config: T, url: &str) -> CustomSink {
        let (refused, url) = (config.check(url).err(), url.to_owned());
        let open = move |schema: &data::Schema, _: &Opening| {
            let shown = masked(&url);
            let writer = config.build(&url, schema);
            let writer = writer.map_err(|reason| Error::Custom { url: shown.clone(), reason })?;
            Ok(EncodedResults::typed(Box::new(CustomWriter { url: shown, writer })))
        };
        let encoding = <T::Writer as OpenSink>::Input::ENCODING;
        CustomSink { encoding, open: Arc::new(open), check_columns: None, committed: None, may_refuse: false, refused }
    }

    #[cfg(any(feature = "postgres", feature = "influxdb"))]
    pub(super) fn built_in<T: RunSink>(config: T, url: &str) -> CustomSink {
        let (refused, config) = (config.check(url).err(), Arc::new(config));
        let (of_open, at) = (config.clone(), url.to_owned());
        let open = move |schema: &data::Schema, opening: &Opening| {
            of_open.open(&at, schema, opening).map(EncodedResults::typed)
        };
        let of_check = config.clone();
        let check = move |schema: &data::Schema, time: Option<&str>| of_check.check_columns(schema, time);
        let at = url.to_owned();
        let committed = move |opening: &Opening, fresh| config.committed(&at, opening, fresh);
        let committed: Option<Arc<CommittedFn>> = if T::IS_TRANSACTIONAL { Some(Arc::new(committed)) } else { None };
        CustomSink {
            encoding: T::Input::ENCODING,
            open: Arc::new(open),
            check_columns: Some(Arc::new(check)),
            committed,
            may_refuse: true,
            refused,
        }
    }

    /// Whether it may refuse a result after it was written.
    pub(super) fn may_refuse(&self) -> bool {
        self.may_refuse
    }

    /// Whether it takes results in transactions.
    pub(super) fn is_transactional(&self) -> bool {
        self.committed.is_some()
    }

    /// Refuses columns of results; `time` says when a row was measured, if the dataflow names one.
    ///
    /// # Errors
    /// In words: what does not fit.
    pub fn check_columns(&self, schema: &data::Schema, time: Option<&str>) -> Result<(), String> {
        self.check_columns.as_ref().map_or(Ok(()), |check| check(schema, time))
    }

    /// What its last transaction has left, which a `fresh` run forgets.
    pub(super) fn committed(&self, opening: &Opening, fresh: bool) -> Result<Option<LastTransaction>, Error> {
        self.committed.as_ref().map_or(Ok(None), |committed| committed(opening, fresh))
    }

    /// What it takes.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Why its address is refused, if it is.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// # Errors
    /// If it can't be opened.
    pub(super) fn open(&self, schema: &data::Schema, opening: &Opening) -> Result<TypedSink, Error> {
        (self.open)(schema, opening)
    }
}

impl fmt::Debug for CustomSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomSink").field("encoding", &self.encoding).finish_non_exhaustive()
    }
}

/// Adapts a sink of the registry to [`Sink`].
struct CustomWriter<W> {
    url: String,
    writer: W,
}

impl<W: OpenSink> CustomWriter<W> {
    fn done(&self, result: Result<(), String>) -> Result<(), Error> {
        result.map_err(|reason| Error::Custom { url: self.url.clone(), reason })
    }
}

impl<W: OpenSink> Takes<<W::Input as ResultInput>::Encoded> for CustomWriter<W> {
    fn write(&mut self, encoded: <W::Input as ResultInput>::Encoded) -> Result<(), Error> {
        let results = W::Input::of(encoded);
        let written = self.writer.write(&results);
        results.recycle();
        self.done(written)
    }
}

impl<W: OpenSink> Sink for CustomWriter<W> {
    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        let synced = self.writer.sync();
        self.done(synced)
    }

    fn settle(&mut self) -> Result<(), Error> {
        self.sync()
    }

    fn close(mut self: Box<Self>) -> Result<(), Error> {
        self.sync()
    }
}
