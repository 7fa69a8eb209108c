//! Epoch outcomes on the first worker: entered into the ledger, and their dead letters written.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use crate::config::Dataflow;
use crate::data::Bucket;
use crate::runtime::epochs::ledger::Ledger;
use crate::runtime::epochs::never_came::NeverCame;
use crate::runtime::epochs::sink_writers::SinkWriters;
use crate::runtime::epochs::without_column::WithoutColumn;
use crate::runtime::error::Error;
use crate::runtime::first_error::{FirstError, fail};
use crate::runtime::graph::build::OutcomeRecorder;
use crate::runtime::graph::delivery::RefusedResult;
use crate::runtime::graph::in_flight::{EpochOutcome, Notice, RefusedRow, RowSource};
use crate::runtime::observe::activity::{Activity, Destination};
use crate::runtime::options::Options;
use crate::sink::{self, DeadLetter, DeadLetters, Existing, LinePosition};

/// Enters outcomes into the ledger and writes the dead letters: of rows that can't be used, and of results that the
/// sinks refuse. The graph settles outcomes, the coordinator syncs.
#[derive(Clone)]
pub struct LedgerOutcomes {
    ledger: Rc<RefCell<Ledger>>,
    letters: Rc<RefCell<Option<DeadLetters>>>,
    writers: SinkWriters,
    never_came: Rc<RefCell<NeverCame>>,
    unknown: Rc<RefCell<WithoutColumn>>,
    /// What notices were about that have been told.
    noticed: Rc<RefCell<HashSet<String>>>,
    destination: Option<Arc<Destination>>,
    activity: Arc<Activity>,
    failure: FirstError,
}

impl LedgerOutcomes {
    pub fn open(
        dataflow: &Dataflow,
        options: &Options,
        ledger: &Rc<RefCell<Ledger>>,
        writers: &SinkWriters,
        failure: &FirstError,
        activity: &Arc<Activity>,
    ) -> LedgerOutcomes {
        let existing = if options.fresh { Existing::Replace } else { Existing::Append };
        let open = || DeadLetters::open(dataflow.dead_letter.as_ref(), existing, &options.sink_deadline);
        let open = || open().map_err(|error| fail(failure, error)).ok();
        let destination = dataflow.dead_letter.as_ref();
        let destination =
            destination.map(|settings| Destination::of("the dead letters", "dead letters".into(), settings));
        let letters = match &destination {
            Some(destination) => activity.opening(destination, open),
            None => open(),
        };
        if let (Some(destination), Some(letters)) = (&destination, &letters) {
            activity.follow(destination, letters.progress());
        }
        let (ledger, writers) = (ledger.clone(), writers.clone());
        let (letters, failure) = (Rc::new(RefCell::new(letters)), failure.clone());
        let never_came = Rc::new(RefCell::new(NeverCame::of(dataflow)));
        LedgerOutcomes {
            ledger,
            letters,
            writers,
            never_came,
            unknown: Rc::default(),
            noticed: Rc::default(),
            destination,
            activity: activity.clone(),
            failure,
        }
    }

    pub fn ledger(&self) -> &RefCell<Ledger> {
        &self.ledger
    }

    /// Makes dead letters of the results that the sinks have refused since the last call.
    pub fn take_refused(&self) {
        let waits_from = self.writers.waits_from();
        for refused in self.writers.refused() {
            self.with(|letters| self.refuse(&refused, letters));
        }
        self.ledger.borrow_mut().forget_before(waits_from);
    }

    /// Makes the dead letters durable, of refused results only after the sink was synced. False after a failure.
    pub fn sync(&self) -> bool {
        self.take_refused();
        self.with(DeadLetters::sync);
        self.failure.borrow().is_none()
    }

    /// Closes the dead letters; without them, nothing.
    pub fn finish(&self) {
        self.take_refused();
        let told = self.never_came.borrow_mut().close();
        told.into_iter().for_each(|told| tracing::warn!("{told}"));
        let letters = self.letters.borrow_mut().take();
        let close = |letters: DeadLetters| during(&self.activity, self.destination.as_ref(), || letters.close());
        if let Some(Err(error)) = letters.map(close) {
            fail(&self.failure, error);
        }
    }

    /// Checks whether the dead letters' file was moved away, and continues in a new one.
    pub fn follow(&self) {
        self.with(DeadLetters::follow);
    }

    fn with(&self, act: impl FnOnce(&mut DeadLetters) -> Result<(), sink::Error>) {
        let mut letters = self.letters.borrow_mut();
        let act = |letters: &mut DeadLetters| during(&self.activity, self.destination.as_ref(), || act(letters));
        if let Some(Err(error)) = letters.as_mut().map(act) {
            *letters = None;
            fail(&self.failure, error);
        }
    }

    fn refuse(
        &self,
        RefusedResult { sink, line: refused }: &RefusedResult,
        letters: &mut DeadLetters,
    ) -> Result<(), sink::Error> {
        let (line, reason, name) = (&refused.line, &refused.reason, self.writers.name(*sink));
        let mut ledger = self.ledger.borrow_mut();
        let LinePosition { message, row } = LinePosition::of(line).unwrap_or_default();
        ledger.refuse(*sink, self.writers.is_at_the_end(*sink), (message, row));
        let bucket = ledger.bucket(message).or_else(|| ledger.kept(message));
        let bucket = bucket.filter(|bucket| bucket.held().is_none());
        let place = bucket.as_ref().and_then(|bucket| Some((bucket, bucket.place_of(row)?)));
        let source = bucket.as_ref().and_then(|bucket| ledger.source_of(&bucket.metadata));
        let letter = match place {
            Some((bucket, index)) => {
                let (origin, raw) = (bucket.metadata.origin(index), bucket.raw.row(index).bytes);
                DeadLetter::new(&origin.topic, origin.position, message, row, name, reason, raw)
            }
            None => DeadLetter::new("", 0, message, row, name, reason, line),
        };
        let letter = letter.of(source);
        ledger.keep_letter(&letter);
        letters.write(&letter)
    }

    fn write(&self, outcome: &EpochOutcome, bucket: &Bucket, letters: &mut DeadLetters) -> Result<(), sink::Error> {
        let mut ledger = self.ledger.borrow_mut();
        let source = ledger.source_of(&bucket.metadata);
        for rejected in &outcome.rejected {
            let label = ledger.labels[rejected.operator].clone();
            for (place, row) in rejected.rows.iter().enumerate() {
                let (topic, position, raw) = match rejected.sources.get(place) {
                    Some(RowSource { topic, position, raw }) => (topic, *position, &raw[..]),
                    None => {
                        let index = (row - bucket.metadata.first_row) as usize;
                        let origin = bucket.metadata.origin(index);
                        (&origin.topic, origin.position, bucket.raw.row(index).bytes)
                    }
                };
                let (message, row) = (outcome.epoch, bucket.metadata.numbers.of(*row));
                let letter =
                    DeadLetter::new(topic, position, message, row, &label, &rejected.reason, raw).of(source.clone());
                ledger.keep_letter(&letter);
                letters.write(&letter)?;
            }
        }
        for RefusedRow { sink, row, reason, source: RowSource { topic, position, raw } } in &outcome.refused {
            ledger.refuse(*sink, self.writers.is_at_the_end(*sink), (outcome.epoch, *row));
            let name = self.writers.name(*sink);
            let letter = DeadLetter::new(topic, *position, outcome.epoch, *row, name, reason, raw).of(source.clone());
            ledger.keep_letter(&letter);
            letters.write(&letter)?;
        }
        letters.flush()
    }
}

/// Runs `act` as a call of the sink of dead letters; without one, nothing can block.
fn during<T>(activity: &Activity, destination: Option<&Arc<Destination>>, act: impl FnOnce() -> T) -> T {
    match destination {
        Some(destination) => activity.during(destination, act),
        None => act(),
    }
}

impl OutcomeRecorder for LedgerOutcomes {
    fn settle(&mut self, mut outcome: EpochOutcome) {
        let bucket = self.ledger.borrow().bucket(outcome.epoch);
        let bucket = bucket.expect("an epoch stays in flight until the probe has passed it");
        self.ledger.borrow_mut().settle(&mut outcome, bucket.len() as u64);
        let told = self.unknown.borrow_mut().settle(std::mem::take(&mut outcome.unknown));
        told.into_iter().for_each(|told| tracing::warn!("{told}"));
        let unread = outcome.rejected.iter().filter(|rejected| rejected.operator == 0);
        let unread = unread.map(|rejected| rejected.rows.len() as u64).sum();
        let told = self.never_came.borrow_mut().settle(outcome.source, &outcome.came, bucket.len() as u64, unread);
        told.into_iter().for_each(|told| tracing::warn!("{told}"));
        for Notice { about, text } in std::mem::take(&mut outcome.notices) {
            if self.noticed.borrow_mut().insert(about) {
                tracing::warn!("{text}");
            }
        }
        if outcome.too_late > 0 && self.noticed.borrow_mut().insert("late".into()) {
            tracing::warn!(
                "rows come later than their windows of a table stay: they are dropped, as late says, and counted"
            );
        }
        if let Some(reason) = outcome.unread.take() {
            fail(&self.failure, Error::Unread(reason));
        }
        if let Some(reason) = outcome.unwritten.take() {
            fail(&self.failure, Error::Unwritten(reason));
        }
        if !outcome.rejected.is_empty() || !outcome.refused.is_empty() {
            self.with(|letters| self.write(&outcome, &bucket, letters));
        }
    }

    fn close(&mut self) {
        // The last transaction may refuse results.
        if !self.writers.are_transactional() {
            self.finish();
        }
    }
}
