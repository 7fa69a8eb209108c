//! Sends results, in their order: in halves where the server refuses some rows, or fails at them.
//!
//! A server that answers 500 is ill, or a row makes it fail. It is the row where it alone is answered with 500 again and
//! again over a minute, while the server takes another row, of the same tags if there is one, just before and just after
//! each time. What was taken can be sent again for that: points replace themselves. All else is an illness of the server,
//! and holds the source back: no answer, any other answer, a 500 to all rows.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::point_lines::{PointLines, RowPlace};
use super::sender::{PointSender, Sent};
use crate::data::Message;
use crate::sink::{Error, RefusedLine};

/// The bytes of results that are sent at a time: some ten thousand points, as InfluxDB recommends.
const REQUEST_BYTES: usize = 1 << 20;

/// So many answers of 500 in a row are waited out before it is looked for the row that causes them.
const FAILURES: usize = 5;
/// So many rows may fail alone before the first one that is taken.
const FIRST_SUSPECTS: usize = 8;
/// How often, and for how long, a row must fail alone while others are taken.
const TRIALS: u32 = 3;
const TRIAL_TIME: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 60 });

/// Sends what comes into the sender's queue, until all is over.
pub fn run(mut sender: PointSender) {
    loop {
        let messages = sender.queue.take(REQUEST_BYTES);
        if messages.is_empty() {
            return;
        }
        match send(&mut sender, &messages) {
            Ok(refused) => sender.queue.done(&messages, refused),
            Err(error) => return sender.queue.fail(error),
        }
    }
}

/// Sends messages; what the server does not take of them.
fn send(sender: &mut PointSender, messages: &[Message]) -> Result<Vec<RefusedLine>, Error> {
    let (lines, mut refused) = PointLines::encode(messages, &sender.layout);
    let not_taken = Sending::new(sender, &lines).send()?;
    refused.extend(not_taken.into_iter().map(|(line, reason)| (lines.places(line..line + 1)[0], reason)));
    let of = |((message, row), reason): (RowPlace, String)| {
        let line = sender.encoder.encode(messages[message].take_rows(&[row])).into_lines().unwrap_or_default();
        RefusedLine { line, excess: None, reason }
    };
    Ok(refused.into_iter().map(of).collect())
}

/// The lines of one request on their way.
struct Sending<'a> {
    sender: &'a mut PointSender,
    lines: &'a PointLines,
    taken: Vec<bool>,
    refused: Vec<(usize, String)>,
}

/// What became of lines.
enum LinesAnswer {
    /// Each is taken or refused.
    Settled,
    /// Some are refused: those that are good are taken now, or again.
    InPart,
    /// The server fails.
    Failed(String),
}

/// A line at which the server fails, with its words.
struct Suspect {
    line: usize,
    reason: String,
}

impl<'a> Sending<'a> {
    fn new(sender: &'a mut PointSender, lines: &'a PointLines) -> Sending<'a> {
        Sending { sender, lines, taken: vec![false; lines.len()], refused: Vec::new() }
    }

    /// Sends all lines; those that the server does not take, with the reason.
    ///
    /// # Errors
    /// A server that will take nothing, or a wait that is over.
    fn send(mut self) -> Result<Vec<(usize, String)>, Error> {
        let mut unsent: Vec<Range<usize>> = std::iter::once(0..self.lines.len()).collect();
        while let Some(range) = unsent.pop() {
            if range.is_empty() {
                continue;
            }
            match self.answered(&range, FAILURES)? {
                LinesAnswer::Settled => {}
                LinesAnswer::InPart => unsent.extend(halves(range)),
                LinesAnswer::Failed(_) => {
                    let suspects = self.search(range, &mut unsent)?;
                    unsent.extend(self.acquitted(suspects)?.into_iter().rev().map(|line| line..line + 1));
                }
            }
        }
        Ok(self.refused)
    }

    /// Sends lines until there is an answer about them, or so many answers of 500.
    fn answered(&mut self, range: &Range<usize>, failures: usize) -> Result<LinesAnswer, Error> {
        Ok(match self.sender.send(self.lines.bytes(range.clone()), range.len(), failures)? {
            Sent::Taken => {
                self.taken[range.clone()].fill(true);
                self.sender.taken = self.lines.bytes(range.end - 1..range.end).to_vec();
                LinesAnswer::Settled
            }
            Sent::Refused { reason, all } if all || range.len() == 1 => {
                let reason = format!("the server refuses it: {reason}");
                self.refused.extend(range.clone().map(|line| (line, reason.clone())));
                LinesAnswer::Settled
            }
            Sent::Refused { .. } => LinesAnswer::InPart,
            Sent::Failed { reason } => LinesAnswer::Failed(reason),
        })
    }

    /// Halves lines down to those at which the server fails; what is not tried goes to `unsent`.
    fn search(&mut self, range: Range<usize>, unsent: &mut Vec<Range<usize>>) -> Result<Vec<Suspect>, Error> {
        let (mut untried, mut suspects) = (vec![range.clone()], Vec::new());
        while let Some(part) = untried.pop() {
            match self.answered(&part, 1)? {
                LinesAnswer::Settled => {}
                LinesAnswer::Failed(reason) if part.len() == 1 => {
                    suspects.push(Suspect { line: part.start, reason });
                    if suspects.len() > FIRST_SUSPECTS && !self.taken[range.clone()].contains(&true) {
                        break;
                    }
                }
                LinesAnswer::InPart | LinesAnswer::Failed(_) => untried.extend(halves(part)),
            }
        }
        unsent.extend(untried);
        Ok(suspects)
    }

    /// Tries suspects beside lines that the server has taken. Returns those that are to be sent again, for the server is
    /// ill; the others are taken or refused.
    fn acquitted(&mut self, mut suspects: Vec<Suspect>) -> Result<Vec<usize>, Error> {
        let (began, outages) = (Instant::now(), self.sender.outages);
        let again = |suspects: &[Suspect]| Ok(suspects.iter().map(|suspect| suspect.line).collect());
        let Some(mut witnesses) = self.witnesses(&suspects) else { return again(&suspects) };
        for trial in 1.. {
            let mut failing = Vec::new();
            for (place, suspect) in suspects.iter().enumerate() {
                if !self.is_taken(&witnesses[place])? {
                    return again(&suspects);
                }
                let answered = self.answered(&(suspect.line..suspect.line + 1), 1)?;
                failing.push(matches!(answered, LinesAnswer::Failed(_)));
            }
            let last = witnesses.last().cloned();
            keep(&mut suspects, &failing);
            keep(&mut witnesses, &failing);
            if suspects.is_empty() {
                return Ok(Vec::new());
            }
            let is_ill = last.is_some_and(|last| !matches!(self.is_taken(&last), Ok(true)));
            if is_ill || self.sender.outages != outages {
                return again(&suspects);
            }
            if trial >= TRIALS && began.elapsed() >= TRIAL_TIME {
                break;
            }
            self.sender.pause(TRIAL_TIME / TRIALS)?;
        }
        self.sender.tell_fault(suspects.len(), &suspects[0].reason);
        let refused = suspects.into_iter().map(|Suspect { line, reason }| {
            (line, format!("the server fails at it again and again, and takes other rows meanwhile: {reason}"))
        });
        self.refused.extend(refused);
        Ok(Vec::new())
    }

    /// For each suspect a line that the server should take: the last one with its tags that it took of this request, the
    /// last one that it took at all, or the next that waits.
    fn witnesses(&self, suspects: &[Suspect]) -> Option<Vec<Vec<u8>>> {
        let taken = (0..self.lines.len()).filter(|line| self.taken[*line]);
        let last: HashMap<&[u8], usize> = taken.map(|line| (self.lines.series(line), line)).collect();
        let any = Some(self.sender.taken.clone()).filter(|line| !line.is_empty()).or_else(|| self.sender.next_line());
        let of = |suspect: &Suspect| match last.get(self.lines.series(suspect.line)) {
            Some(line) => Some(self.lines.bytes(*line..line + 1).to_vec()),
            None => any.clone(),
        };
        suspects.iter().map(of).collect()
    }

    fn is_taken(&mut self, line: &[u8]) -> Result<bool, Error> {
        Ok(matches!(self.sender.send(line, 1, 1)?, Sent::Taken))
    }
}

/// The halves of a range, the first one last.
fn halves(range: Range<usize>) -> [Range<usize>; 2] {
    let middle = range.start + range.len() / 2;
    [middle..range.end, range.start..middle]
}

fn keep<T>(items: &mut Vec<T>, keep: &[bool]) {
    let mut flags = keep.iter();
    items.retain(|_| flags.next() == Some(&true));
}
