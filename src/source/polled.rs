//! The traits of sources that a program adds, and their registry: a source is polled, and told which deliveries are
//! durable.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

/// The delivery guarantee of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivers {
    /// Delivered once, whether its rows become durable or not.
    AtMostOnce,
    /// Redelivered, even to a later run, until it is acknowledged.
    AtLeastOnce,
}

/// The settings of a source as they stand in `[source]` beside `url`, and what opens it.
///
/// Doc comments of the fields are what the JSON schema and the reference say of them.
pub trait SourceConfig: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The delivery guarantee.
    const DELIVERS: Delivers;

    /// Refuses an address, when the dataflow file is read.
    ///
    /// # Errors
    /// In words: what is wrong with it.
    fn check(&self, _url: &str) -> Result<(), String> {
        Ok(())
    }

    /// Opens the source at an address, on the thread that will poll it.
    ///
    /// # Errors
    /// In words: why it can't be opened. The run fails.
    fn build(&self, url: &str) -> Result<Box<dyn PolledSource>, String>;
}

/// A source that is open. It is polled and acknowledged by one thread of its own.
pub trait PolledSource: Send {
    /// The next delivery; waits for one no longer than `timeout`. A file or a query that is at its end ends the run.
    ///
    /// # Errors
    /// In words: why nothing more can be read. The run fails.
    fn poll(&mut self, timeout: Duration) -> Result<Polled, String>;

    /// All rows of the delivery with this id are durable, or counted as dropped: it need not be redelivered. Called in
    /// the order of delivery, and never for sources that deliver at most once.
    ///
    /// # Errors
    /// In words: why it can't be acknowledged. The run fails.
    fn acknowledge(&mut self, _id: &str) -> Result<(), String> {
        Ok(())
    }
}

/// The result of a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// A delivery.
    Delivery(Payload),
    /// Nothing before the timeout.
    Nothing,
    /// Nothing, and the source is at its end.
    End,
}

/// Rows that are acknowledged together: a JSON object, an array of objects, or CSV lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Identifies the delivery when it is acknowledged or redelivered, and is the topic of its dead letters.
    pub id: String,
    /// The rows.
    pub bytes: Vec<u8>,
}

type OpenSourceFn = dyn Fn() -> Result<Box<dyn PolledSource>, String> + Send + Sync;

/// A source of the registry with its settings and its address.
#[derive(Clone)]
pub struct CustomSource {
    pub(super) url: String,
    pub(super) delivers: Delivers,
    pub(super) open: Arc<OpenSourceFn>,
    refused: Option<String>,
}

impl CustomSource {
    pub(super) fn new<T: SourceConfig>(config: T, url: &str) -> CustomSource {
        let (refused, url) = (config.check(url).err(), url.to_owned());
        let address = url.clone();
        CustomSource { url, delivers: T::DELIVERS, open: Arc::new(move || config.build(&address)), refused }
    }

    /// Why its address is refused, if it is.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }
}

impl fmt::Debug for CustomSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomSource").field("delivers", &self.delivers).finish_non_exhaustive()
    }
}
