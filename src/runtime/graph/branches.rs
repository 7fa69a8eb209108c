//! What the sinks take of a message: behind a step or at the end of the chain, each its rows and columns.

use std::time::Instant;

use crate::config::Branch;
use crate::data::{Message, Numbers, TextColumn};
use crate::format::{Encoder, Output};
use crate::runtime::graph::in_flight::{EpochOutcome, InFlightMessage};
use crate::tables::{Alert, AlertEvent, AlertRows};

/// Encodes what one sink takes.
struct BranchEncoder {
    sink: usize,
    branch: Branch,
    encoder: Encoder,
}

impl BranchEncoder {
    fn new(sink: usize, branch: &Branch) -> BranchEncoder {
        let encoder = Encoder::new(branch.schema.clone().into(), branch.encoding).with_infinity(branch.infinity);
        BranchEncoder { sink, branch: branch.clone(), encoder }
    }

    /// Encodes a message that ends here.
    fn encode(&self, mut message: Message, outcome: &mut EpochOutcome) -> Output {
        if let Some(predicate) = &self.branch.predicate {
            let keep = predicate.holds(&message);
            message.retain(&keep);
        }
        self.chosen(message, outcome)
    }

    /// Encodes the columns of its rows.
    fn chosen(&self, mut message: Message, outcome: &mut EpochOutcome) -> Output {
        if let Some(selection) = &self.branch.selection {
            selection.select(&mut message);
        }
        outcome.rows_by_sink.add(self.sink, message.rows() as u64);
        self.encoder.encode(message)
    }

    /// Encodes a message that goes on.
    fn encode_copy(&self, message: &Message, numbers: Option<&Numbers>, outcome: &mut EpochOutcome) {
        let mut copy = match &self.branch.predicate {
            Some(predicate) => {
                let keep = predicate.holds(message);
                message.copy_rows((0..keep.len()).filter(|row| keep[*row]))
            }
            None => message.copy_rows(0..message.rows()),
        };
        if let Some(numbers) = numbers {
            copy.ids.iter_mut().for_each(|id| *id = numbers.of(*id));
        }
        let output = self.chosen(copy, outcome);
        outcome.branched.push((self.sink, output));
    }
}

/// A sink that takes the rows with which its condition begins or ends.
pub struct AlertBranch {
    encoder: BranchEncoder,
    pub alert: Alert,
}

impl AlertBranch {
    /// The sinks with an alert behind an operator.
    pub fn behind(operator: usize, branches: &[Branch]) -> Vec<AlertBranch> {
        let here = branches.iter().enumerate().filter(|(_, branch)| branch.operator == operator);
        let alert = |(sink, branch): (usize, &Branch)| {
            Some(AlertBranch { encoder: BranchEncoder::new(sink, branch), alert: branch.alert.clone()? })
        };
        here.filter_map(alert).collect()
    }

    /// The number of the sink.
    pub fn sink(&self) -> usize {
        self.encoder.sink
    }

    /// What the sink is called.
    pub fn name(&self) -> &str {
        &self.encoder.branch.name
    }

    /// What the rows of a message say; `now` is in milliseconds since 1970.
    pub fn rows(&self, message: &Message, now: i64) -> AlertRows {
        let predicate = self.encoder.branch.predicate.as_ref().expect("an alert without a condition is refused");
        self.alert.rows(message, &predicate.holds(message), now)
    }

    /// Encodes some rows of a message that goes on, each with what it begins or ends.
    pub fn encode_events(
        &self,
        InFlightMessage { message, outcome }: &mut InFlightMessage,
        events: &[(usize, AlertEvent)],
    ) {
        let mut copy = message.copy_rows(events.iter().map(|(row, _)| *row));
        let mut words = TextColumn::default();
        events.iter().for_each(|(_, event)| words.push(Some(event.word())));
        copy.texts.push(words);
        if !outcome.numbers.is_plain() {
            copy.ids.iter_mut().for_each(|id| *id = outcome.numbers.of(*id));
        }
        let output = self.encoder.chosen(copy, outcome);
        outcome.branched.push((self.sink(), output));
    }
}

/// The sinks that take messages behind one operator, from which they go on.
pub struct Tap(Vec<BranchEncoder>);

impl Tap {
    /// The sinks behind an operator; `None` if there are none.
    pub fn behind(operator: usize, branches: &[Branch]) -> Option<Tap> {
        let here = branches.iter().enumerate().filter(|(_, branch)| takes_messages(branch, operator));
        let here: Vec<_> = here.map(|(sink, branch)| BranchEncoder::new(sink, branch)).collect();
        Some(Tap(here)).filter(|Tap(here)| !here.is_empty())
    }

    /// Encodes a message for each sink.
    pub fn take(&self, InFlightMessage { message, outcome }: &mut InFlightMessage) {
        let start = Instant::now();
        let numbers = (!outcome.numbers.is_plain()).then(|| outcome.numbers.clone());
        for branch in &self.0 {
            branch.encode_copy(message, numbers.as_ref(), outcome);
        }
        outcome.service += start.elapsed().as_nanos() as u64;
    }
}

/// Whether a sink takes all rows behind an operator, or each for which its condition is true.
pub fn takes_messages(branch: &Branch, operator: usize) -> bool {
    branch.operator == operator && branch.alert.is_none()
}

/// The sinks that take messages at the end of the chain.
pub struct ChainEnd {
    /// The last of them, which gets the message itself.
    last: Option<BranchEncoder>,
    others: Vec<BranchEncoder>,
}

impl ChainEnd {
    /// The sinks behind the last operator of a chain.
    pub fn behind(operator: usize, branches: &[Branch]) -> ChainEnd {
        let Tap(mut others) = Tap::behind(operator, branches).unwrap_or(Tap(Vec::new()));
        ChainEnd { last: others.pop(), others }
    }

    /// The sink that gets the message itself, if any takes it at the end.
    pub fn last(operator: usize, branches: &[Branch]) -> Option<usize> {
        branches.iter().rposition(|branch| takes_messages(branch, operator))
    }

    /// Encodes a message; the output is that of the last sink, and empty if all take it earlier.
    pub fn encode(&self, message: Message, outcome: &mut EpochOutcome) -> Output {
        self.others.iter().for_each(|branch| branch.encode_copy(&message, None, outcome));
        match &self.last {
            Some(last) => last.encode(message, outcome),
            None => {
                message.recycle();
                Output::Lines(Vec::new())
            }
        }
    }
}
