//! Sends lines until the server has something to say about them, and waits while it is away.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;

use super::answer::WriteAnswer;
use super::client::{HttpClient, NoAnswer};
use super::point_layout::PointLayout;
use super::queue::PointQueue;
use crate::data::Schema;
use crate::format::{Encoder, Encoding, Infinity};
use crate::mqtt::Backoff;
use crate::sink::opening::Opening;
use crate::sink::pause::pause;
use crate::sink::{Deadline, Error};

/// How often it is told that the server takes nothing.
const TELL_INTERVAL: Duration = Duration::from_secs(60);
/// The longest wait that a server may ask for.
const LONGEST_RETRY_INTERVAL: Duration = Duration::from_secs(600);

/// Sends lines to one address.
pub struct PointSender {
    /// The address without its password.
    shown: String,
    client: HttpClient,
    pub(super) layout: PointLayout,
    compresses: bool,
    /// Of rows that are refused.
    pub(super) encoder: Encoder,
    pub(super) queue: Arc<PointQueue>,
    deadline: Deadline,
    backoff: Backoff,
    /// When it was last told that the server takes nothing, if it does not.
    told: Option<Instant>,
    /// How often there was no answer, or one that asks to come later.
    pub(super) outages: u64,
    /// The last line of the requests before, and when it was taken.
    pub(super) taken: Option<(Vec<u8>, Instant)>,
}

/// What became of points.
pub(super) enum Sent {
    Taken,
    Refused {
        reason: String,
        all: bool,
    },
    /// The server has answered with 500, as often as that was waited out.
    Failed {
        reason: String,
    },
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
        let (told, outages, taken) = (None, 0, None);
        let mut sender =
            PointSender { shown, client, layout, compresses, encoder, queue, deadline, backoff, told, outages, taken };
        let (since, deadline) = (Instant::now(), &opening.deadline);
        let late = || opening.connect_timeout.is_some_and(|timeout| since.elapsed() > timeout);
        // Some servers refuse that there is no point: they take points here.
        sender
            .post(&Bytes::new(), false, 0, usize::MAX, || late() || deadline.is_stopped() || deadline.has_passed())?;
        Ok(sender)
    }

    /// Sends lines, so many points, until there is an answer about them, or so many answers of 500 in a row.
    pub(super) fn send(&mut self, lines: &[u8], points: usize, failures: usize) -> Result<Sent, Error> {
        let body = self.body(lines);
        let (queue, deadline) = (self.queue.clone(), self.deadline.clone());
        self.post(&body, self.compresses, points, failures, || queue.is_over() || deadline.has_passed())
    }

    /// Waits before the next trial.
    pub(super) fn pause(&mut self, wait: Duration) -> Result<(), Error> {
        let (queue, deadline) = (self.queue.clone(), self.deadline.clone());
        self.queue.progress.beat();
        if pause(wait, || queue.is_over() || deadline.has_passed()) {
            return Ok(());
        }
        let reason =
            "the server fails at rows, and the run ends: they are not acknowledged, and come again in the next run";
        Err(self.failed(reason.into()))
    }

    /// Tells that rows become dead letters for which the server fails.
    pub(super) fn tell_fault(&self, rows: usize, reason: &str) {
        let shown = &self.shown;
        tracing::warn!("{shown}: {reason}: the server fails at {rows} rows and takes others: they are dead letters");
    }

    fn body(&self, lines: &[u8]) -> Bytes {
        if !self.compresses {
            return Bytes::copy_from_slice(lines);
        }
        let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 4), Compression::fast());
        encoder.write_all(lines).expect("a Vec takes everything");
        encoder.finish().expect("a Vec takes everything").into()
    }

    /// Sends so many points until there is an answer about them, or so many answers of 500 in a row.
    fn post(
        &mut self,
        body: &Bytes,
        is_compressed: bool,
        points: usize,
        failures: usize,
        over: impl Fn() -> bool,
    ) -> Result<Sent, Error> {
        let mut failed = 0;
        loop {
            let answer = self.client.post(body.clone(), is_compressed, &over);
            // Whoever looks for the server is not stuck.
            self.queue.progress.beat();
            let (reason, after) = match answer.map(|answer| WriteAnswer::of(&answer, &self.client.secrets)) {
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
                Ok(WriteAnswer::Failed { reason }) => {
                    failed += 1;
                    if failed >= failures {
                        return Ok(Sent::Failed { reason });
                    }
                    (reason, None)
                }
                Ok(WriteAnswer::Later { reason, after }) => {
                    (self.outages, failed) = (self.outages + 1, 0);
                    (reason, after)
                }
                Err(NoAnswer::Absent(reason)) => {
                    (self.outages, failed) = (self.outages + 1, 0);
                    (reason, None)
                }
            };
            let (wait, until) = waiting(self.backoff.next_wait(), after);
            if self.told.is_none_or(|told| told.elapsed() >= TELL_INTERVAL) || wait >= TELL_INTERVAL {
                tracing::warn!("{}: {reason}: the source waits until the server takes results{until}", self.shown);
                self.told = Some(Instant::now());
            }
            self.queue.progress.lost();
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

/// The wait before the next try where the server may have asked for one, and until when that is in words.
fn waiting(own: Duration, asked: Option<Duration>) -> (Duration, String) {
    let Some(asked) = asked.filter(|asked| *asked > own) else { return (own, String::new()) };
    let wait = asked.min(LONGEST_RETRY_INTERVAL);
    let until = jiff::Timestamp::now() + wait;
    let more = if asked > wait { ", which names a later time" } else { "" };
    (wait, format!(", and is asked again at {until:.0}, as of its Retry-After{more}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_again_within_a_bound_which_is_told() {
        let seconds = Duration::from_secs;
        assert_eq!(waiting(seconds(2), None), (seconds(2), String::new()));
        assert_eq!(waiting(seconds(2), Some(seconds(1))), (seconds(2), String::new()));
        let (wait, until) = waiting(seconds(2), Some(seconds(90)));
        assert!(wait == seconds(90) && until.contains("asked again at 2") && until.ends_with("Retry-After"), "{until}");
        let (wait, until) = waiting(seconds(2), Some(Duration::MAX));
        assert!(wait == LONGEST_RETRY_INTERVAL && until.ends_with("a later time"), "{until}");
    }
}
