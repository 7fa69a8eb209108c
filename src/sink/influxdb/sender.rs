//! Sends results, in their order: again until the server takes them, in parts where it refuses some.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;

use super::answer::WriteAnswer;
use super::client::{HttpClient, NoAnswer};
use super::point_layout::PointLayout;
use super::point_lines::{PointLines, RowPlace};
use super::queue::PointQueue;
use crate::data::{Message, Schema};
use crate::format::{Encoder, Encoding, Infinity};
use crate::mqtt::Backoff;
use crate::sink::opening::Opening;
use crate::sink::pause::pause;
use crate::sink::{Deadline, Error, RefusedLine};

/// The bytes of results that are sent at a time: some ten thousand points, as InfluxDB recommends.
const REQUEST_BYTES: usize = 1 << 20;
/// How often it is told that the server takes nothing.
const TELL_INTERVAL: Duration = Duration::from_secs(60);
/// The longest wait that a server may ask for.
const LONGEST_RETRY_INTERVAL: Duration = Duration::from_secs(600);

/// Sends results on a thread of its own.
pub struct PointSender {
    /// The address without its password.
    shown: String,
    client: HttpClient,
    layout: PointLayout,
    compresses: bool,
    /// Of rows that are refused.
    encoder: Encoder,
    queue: Arc<PointQueue>,
    deadline: Deadline,
    backoff: Backoff,
    /// When it was last told that the server takes nothing, if it does not.
    told: Option<Instant>,
}

/// What became of points.
enum Sent {
    Taken,
    Refused { reason: String, all: bool },
}

impl PointSender {
    /// Waits for the server, and asks it whether it takes points at this address.
    ///
    /// # Errors
    /// No server, or one that refuses the login or the address.
    pub fn start(
        shown: String,
        client: HttpClient,
        layout: PointLayout,
        compresses: bool,
        schema: &Schema,
        queue: Arc<PointQueue>,
        opening: &Opening,
    ) -> Result<PointSender, Error> {
        let encoder = Encoder::new(Arc::new(schema.clone()), Encoding::JsonLines).with_infinity(Infinity::Text);
        let (deadline, backoff) = (opening.deadline.clone(), Backoff::default());
        let mut sender =
            PointSender { shown, client, layout, compresses, encoder, queue, deadline, backoff, told: None };
        let (since, deadline) = (Instant::now(), &opening.deadline);
        let late = || opening.connect_timeout.is_some_and(|timeout| since.elapsed() > timeout);
        // Some servers refuse that there is no point: they take points here.
        sender.post(&Bytes::new(), false, 0, || late() || deadline.is_stopped() || deadline.has_passed())?;
        Ok(sender)
    }

    /// Sends what comes, until all is over.
    pub fn run(mut self) {
        loop {
            let messages = self.queue.take(REQUEST_BYTES);
            if messages.is_empty() {
                return;
            }
            match self.send(&messages) {
                Ok(refused) => self.queue.done(&messages, refused),
                Err(error) => return self.queue.fail(error),
            }
        }
    }

    /// Sends messages; what the server refuses of them.
    fn send(&mut self, messages: &[Message]) -> Result<Vec<RefusedLine>, Error> {
        let (lines, unwritable) = PointLines::encode(messages, &self.layout);
        let refuse = |encoder: &Encoder, (message, row): RowPlace, reason: String| {
            let line = encoder.encode(messages[message].take_rows(&[row])).into_lines().unwrap_or_default();
            RefusedLine { line, excess: None, reason }
        };
        let unwritable = unwritable.into_iter().map(|(place, reason)| refuse(&self.encoder, place, reason));
        let mut refused: Vec<RefusedLine> = unwritable.collect();
        let mut ranges: Vec<Range<usize>> = std::iter::once(0..lines.len()).collect();
        while let Some(range) = ranges.pop() {
            if range.is_empty() {
                continue;
            }
            let body = self.body(lines.bytes(range.clone()));
            let (queue, deadline) = (self.queue.clone(), self.deadline.clone());
            match self.post(&body, self.compresses, range.len(), || queue.is_over() || deadline.has_passed())? {
                Sent::Taken => {}
                Sent::Refused { reason, all } if all || range.len() == 1 => {
                    let reason = format!("the server refuses it: {reason}");
                    let places = lines.places(range).iter();
                    refused.extend(places.map(|place| refuse(&self.encoder, *place, reason.clone())));
                }
                // Those that are good are taken now, or again.
                Sent::Refused { .. } => {
                    let middle = range.start + range.len() / 2;
                    ranges.extend([middle..range.end, range.start..middle]);
                }
            }
        }
        Ok(refused)
    }

    fn body(&self, lines: &[u8]) -> Bytes {
        if !self.compresses {
            return Bytes::copy_from_slice(lines);
        }
        let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 4), Compression::fast());
        encoder.write_all(lines).expect("a Vec takes everything");
        encoder.finish().expect("a Vec takes everything").into()
    }

    /// Sends so many points until there is an answer about them.
    fn post(
        &mut self,
        body: &Bytes,
        is_compressed: bool,
        points: usize,
        over: impl Fn() -> bool,
    ) -> Result<Sent, Error> {
        loop {
            let answer = self.client.post(body.clone(), is_compressed, &over);
            // Whoever looks for the server is not stuck.
            self.queue.progress.beat();
            let (reason, after) = match answer.map(|answer| WriteAnswer::of(&answer)) {
                Ok(WriteAnswer::Taken) => {
                    self.answered();
                    return Ok(Sent::Taken);
                }
                Ok(WriteAnswer::Refused { reason, dropped }) => {
                    self.answered();
                    return Ok(Sent::Refused { reason, all: dropped == Some(points) });
                }
                Ok(WriteAnswer::TooLarge { reason }) => {
                    self.answered();
                    return Ok(Sent::Refused { reason, all: false });
                }
                Ok(WriteAnswer::Lasting { reason }) => return Err(self.failed(reason)),
                Err(NoAnswer::Tls(reason)) => return Err(self.failed(reason)),
                Err(NoAnswer::Over) => return Err(self.failed("the server has not answered in time".into())),
                Ok(WriteAnswer::Later { reason, after }) => (reason, after),
                Err(NoAnswer::Absent(reason)) => (reason, None),
            };
            if self.told.is_none_or(|told| told.elapsed() >= TELL_INTERVAL) {
                tracing::warn!("{}: {reason}: the source waits until the server takes results", self.shown);
                self.told = Some(Instant::now());
            }
            self.queue.progress.lost();
            let wait = self.backoff.next_wait().max(after.unwrap_or_default().min(LONGEST_RETRY_INTERVAL));
            if !pause(wait, &over) {
                return Err(self.failed(format!("the server does not take results: {reason}")));
            }
        }
    }

    fn answered(&mut self) {
        self.backoff.reset();
        self.queue.progress.connected();
        if self.told.take().is_some() {
            tracing::warn!("{}: the server takes results again", self.shown);
        }
    }

    fn failed(&self, reason: String) -> Error {
        Error::Custom { url: self.shown.clone(), reason }
    }
}
