//! Outcomes of results that a process other than the first publishes: they wait until the broker has taken the results.
//! The first worker asks its own sinks before it commits.

use std::collections::VecDeque;
use std::time::Duration;

use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;

use crate::runtime::graph::in_flight::{EpochOutcome, RefusedRow, RowSource};
use crate::runtime::graph::output::OutputSession;
use crate::runtime::ingest::held_buckets::HeldBuckets;
use crate::sink::{LinePosition, RefusedLine};

/// How often the sinks are asked what they have delivered.
const DELIVERY_INTERVAL: Duration = Duration::from_millis(1);

/// A result that a sink has refused.
pub struct RefusedResult {
    /// The sink's number.
    pub sink: usize,
    pub line: RefusedLine,
}

/// What the sinks have done with the results so far.
pub struct DeliveryState {
    /// The first epoch with a result that was neither taken nor refused; `None` if there is none.
    pub waits_from: Option<u64>,
    /// Results refused since the last call.
    pub refused: Vec<RefusedResult>,
    /// Why a sink has failed, if one has: what it was given and has not taken is lost.
    pub failure: Option<String>,
}

/// A writer whose results are delivered some time after they were written.
pub trait AwaitsDelivery {
    /// `None` where the first worker asks, or where writing is delivering.
    fn delivery(&mut self) -> Option<DeliveryState>;
}

/// Holds outcomes back until their results are delivered; refused ones are told in the outcome.
pub(super) fn delivered<'scope>(
    outcomes: StreamVec<'scope, u64, EpochOutcome>,
    mut writer: impl AwaitsDelivery + 'static,
    held: HeldBuckets,
) -> StreamVec<'scope, u64, EpochOutcome> {
    let scope = outcomes.scope();
    let mut undelivered: VecDeque<(Capability<u64>, EpochOutcome)> = VecDeque::new();
    outcomes.unary(Pipeline, "delivery", |_, info| {
        let activator = scope.activator_for(info.address);
        move |input, output: &mut OutputSession<'_, EpochOutcome>| {
            input.for_each(|capability, outcomes| {
                let capability = capability.retain_least(0).expect("a batch has an epoch");
                undelivered.extend(outcomes.drain(..).map(|outcome| (capability.clone(), outcome)));
            });
            let state = if undelivered.is_empty() { None } else { writer.delivery() };
            let mut from = None;
            if let Some(DeliveryState { waits_from, refused, failure }) = state {
                from = waits_from;
                refused.into_iter().for_each(|refused| refuse(&mut undelivered, &held, refused));
                if failure.is_some() {
                    for (_, outcome) in &mut undelivered {
                        (outcome.written, outcome.unwritten) = (None, failure.clone());
                    }
                }
            }
            let is_delivered = |outcome: &EpochOutcome| from.is_none_or(|from| outcome.epoch < from);
            while let Some((capability, outcome)) = undelivered.pop_front_if(|(_, outcome)| is_delivered(outcome)) {
                output.session(&capability).give(outcome);
            }
            if !undelivered.is_empty() {
                activator.activate_after(DELIVERY_INTERVAL);
            }
        }
    })
}

/// Adds a refused result to the outcome of its epoch, with the row that it was made of.
fn refuse(
    undelivered: &mut VecDeque<(Capability<u64>, EpochOutcome)>,
    held: &HeldBuckets,
    RefusedResult { sink, line: RefusedLine { line, reason, .. } }: RefusedResult,
) {
    let LinePosition { message, row } = LinePosition::of(&line).unwrap_or_default();
    let place = undelivered.iter().position(|(_, outcome)| outcome.epoch == message).unwrap_or(0);
    let Some((_, outcome)) = undelivered.get_mut(place) else { return };
    let bucket = held.bucket(message);
    let found = bucket.as_ref().and_then(|bucket| Some((bucket, bucket.place_of(row)?)));
    let source = match found {
        Some((bucket, index)) => RowSource::of(bucket, index),
        None => RowSource { topic: "".into(), position: 0, raw: line },
    };
    outcome.refused.push(RefusedRow { sink, row, reason, source });
}
