//! Sends results, in their order: in halves where the server refuses some rows, or fails at them.
//!
//! A server that answers 500 is ill, or a row makes it fail. It is the row where it alone is answered with 500 again and
//! again over a minute, while the server takes another row of the same request and day just before and just after each
//! time; over five minutes, beside a row of another day, where there is none of its own. After such a search all lines but
//! the dead letters are sent again in their order, so the last value of a point stays the last. All else is an illness of
//! the server, and holds the source back: no answer, any other answer, a 500 to all rows.

use std::time::{Duration, Instant};

use super::point_lines::{PointLines, RowPlace, day};
use super::sender::{PointSender, Sent};
use crate::data::Message;
use crate::sink::{Error, RefusedLine};

/// The bytes of results that are sent at a time: some ten thousand points, as InfluxDB recommends.
const REQUEST_BYTES: usize = 1 << 20;

/// The bytes up to which a request grows that does not tell rows from the server.
const MOST_BYTES: usize = 2 * REQUEST_BYTES;

/// So many answers of 500 in a row are waited out before it is looked for the row that causes them.
const FAILURES: usize = 5;
/// So many rows are sent alone at a time where nothing is taken; other ones each time.
const PROBES: usize = 16;
/// How often, and for how long, a row must fail alone while others are taken.
const TRIALS: u32 = 3;
const TRIAL_TIME: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 60 });

/// One without another row of its day beside it must fail for so long: a server may fail for a range of time.
const LONE_TRIAL_TIME: Duration = TRIAL_TIME.saturating_mul(5);

/// A line that was taken before the request is sent again as a witness for so long.
const WITNESS_TIME: Duration = Duration::from_secs(600);

/// Sends what comes into the sender's queue, until all is over.
pub fn run(mut sender: PointSender) {
    loop {
        let mut messages = sender.queue.take(REQUEST_BYTES);
        if messages.is_empty() {
            return;
        }
        match send(&mut sender, &mut messages) {
            Ok(refused) => sender.queue.done(&messages, refused),
            Err(error) => return sender.queue.fail(error),
        }
    }
}

/// Sends messages, and what waits behind them where they alone do not tell rows from the server; what it does not take.
fn send(sender: &mut PointSender, messages: &mut Vec<Message>) -> Result<Vec<RefusedLine>, Error> {
    let (lines, mut refused, not_taken) = loop {
        let (lines, unwritable) = PointLines::encode(messages, &sender.layout);
        // What a request with fewer rows had settled was told to nobody.
        if let Some(not_taken) = Sending::new(sender, &lines, messages).send()? {
            break (lines, unwritable, not_taken);
        }
        let sent = bytes(messages);
        messages.extend(sender.queue.take_more(MOST_BYTES - sent));
    };
    refused.extend(not_taken.into_iter().map(|(line, reason)| (lines.places(line..line + 1)[0], reason)));
    let of = |((message, row), reason): (RowPlace, String)| {
        let line = sender.encoder.encode(messages[message].take_rows(&[row])).into_lines().unwrap_or_default();
        RefusedLine { line, excess: None, reason }
    };
    Ok(refused.into_iter().map(of).collect())
}

fn bytes(messages: &[Message]) -> usize {
    messages.iter().map(Message::byte_len).sum()
}

/// The lines of one request on their way.
struct Sending<'a> {
    sender: &'a mut PointSender,
    lines: &'a PointLines,
    /// Whether more rows may join the request.
    has_room: bool,
    /// What became of each line, which is settled once.
    states: Vec<LineState>,
    refused: Vec<(usize, String)>,
    searches: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LineState {
    Open,
    Taken,
    /// Taken, then refused when it was sent again.
    TakenOnce,
    Dead,
}

/// What became of lines.
enum LinesAnswer {
    Taken,
    Refused,
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
    fn new(sender: &'a mut PointSender, lines: &'a PointLines, messages: &[Message]) -> Sending<'a> {
        let has_room = bytes(messages) < MOST_BYTES;
        let states = vec![LineState::Open; lines.len()];
        Sending { sender, lines, has_room, states, refused: Vec::new(), searches: 0 }
    }

    /// Sends all lines; those that the server does not take, with the reason. Nothing if these lines do not tell rows
    /// from the server, and others wait that can join them.
    ///
    /// # Errors
    /// A server that will take nothing, or a wait that is over.
    fn send(mut self) -> Result<Option<Vec<(usize, String)>>, Error> {
        while !self.is_sent()? {
            let can_grow = self.has_room && self.sender.queue.has_more();
            let is_working = self.finds_taken()? || !can_grow && self.takes_before()?;
            let suspects = if is_working { self.search()? } else { Vec::new() };
            if is_working && suspects.is_empty() {
                break;
            }
            let has_found = is_working && self.judges(suspects, can_grow)?;
            if !has_found && can_grow {
                return Ok(None);
            }
            if !has_found && is_working {
                // A server that works in part is not asked on and on.
                self.sender.pause(TRIAL_TIME / TRIALS)?;
            }
            self.searches += 1;
        }
        if let Some(last) = (0..self.lines.len()).rev().find(|line| self.states[*line] == LineState::Taken) {
            self.sender.taken = Some((self.lines.bytes(last..last + 1).to_vec(), Instant::now()));
        }
        Ok(Some(self.refused))
    }

    /// The lines that are not dead letters.
    fn alive(&self) -> Vec<usize> {
        (0..self.lines.len()).filter(|line| self.states[*line] != LineState::Dead).collect()
    }

    /// Sends all that are no dead letters, in their order; whether each is taken or refused.
    fn is_sent(&mut self) -> Result<bool, Error> {
        let mut unsent = vec![self.alive()];
        while let Some(part) = unsent.pop() {
            if part.is_empty() {
                continue;
            }
            match self.answered(&part, FAILURES)? {
                LinesAnswer::Taken | LinesAnswer::Refused => {}
                LinesAnswer::InPart => unsent.extend(halves(&part)),
                LinesAnswer::Failed(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Sends lines until there is an answer about them, or so many answers of 500.
    fn answered(&mut self, part: &[usize], failures: usize) -> Result<LinesAnswer, Error> {
        Ok(match self.sender.send(&self.lines.chosen(part), part.len(), failures)? {
            Sent::Taken => {
                part.iter().for_each(|line| self.states[*line] = LineState::Taken);
                LinesAnswer::Taken
            }
            Sent::Refused { reason, all } if all || part.len() == 1 => {
                part.iter().for_each(|line| self.refuse(*line, format!("the server refuses it: {reason}")));
                LinesAnswer::Refused
            }
            Sent::Refused { .. } => LinesAnswer::InPart,
            Sent::Failed { reason } => LinesAnswer::Failed(reason),
        })
    }

    /// Makes a line a dead letter, unless it was taken before.
    fn refuse(&mut self, line: usize, reason: String) {
        match self.states[line] {
            LineState::Open => {
                self.states[line] = LineState::Dead;
                self.refused.push((line, reason));
            }
            LineState::Taken => self.states[line] = LineState::TakenOnce,
            LineState::TakenOnce | LineState::Dead => {}
        }
    }

    /// Whether the server takes one of the lines: of the last half, or a few alone, other ones each time.
    fn finds_taken(&mut self) -> Result<bool, Error> {
        let alive = self.alive();
        let [half, _] = halves(&alive);
        let (probes, searches) = (PROBES.min(alive.len()), self.searches);
        let apart = (0..probes).map(|n| (n * alive.len() / probes + searches) % alive.len());
        let alone = alive.last().copied().into_iter().chain(apart.map(|place| alive[place]));
        for probe in std::iter::once(half).chain(alone.map(|line| vec![line])) {
            let is_dead = probe.iter().any(|line| self.states[*line] == LineState::Dead);
            if !is_dead && matches!(self.answered(&probe, 1)?, LinesAnswer::Taken) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the server takes the line again that it took last before this request.
    fn takes_before(&mut self) -> Result<bool, Error> {
        let Some((line, _)) = self.sender.taken.clone().filter(|(_, at)| at.elapsed() < WITNESS_TIME) else {
            return Ok(false);
        };
        Ok(matches!(self.sender.send(&line, 1, 1)?, Sent::Taken))
    }

    /// Sends all that are no dead letters, in their order, in halves down to those at which the server fails.
    fn search(&mut self) -> Result<Vec<Suspect>, Error> {
        let (mut untried, mut suspects) = (vec![self.alive()], Vec::new());
        while let Some(part) = untried.pop() {
            match self.answered(&part, 1)? {
                LinesAnswer::Taken | LinesAnswer::Refused => {}
                LinesAnswer::Failed(reason) => match part[..] {
                    [line] => suspects.push(Suspect { line, reason }),
                    _ => untried.extend(halves(&part)),
                },
                LinesAnswer::InPart => untried.extend(halves(&part)),
            }
        }
        Ok(suspects)
    }

    /// Tries suspects again and again, each beside a witness. Those at which the server fails each time
    /// are dead letters, unless it proves to be ill; whether there is one.
    fn judges(&mut self, suspects: Vec<Suspect>, can_grow: bool) -> Result<bool, Error> {
        let (began, outages) = (Instant::now(), self.sender.outages);
        let (lone, beside): (Vec<Suspect>, Vec<Suspect>) =
            suspects.into_iter().partition(|suspect| self.is_lone(suspect.line));
        // Rows of its day may be among those that wait.
        if beside.is_empty() && can_grow {
            return Ok(false);
        }
        // Those that are judged sooner come first.
        let (mut suspects, time, of_day) = match beside.is_empty() {
            true => (lone, LONE_TRIAL_TIME, false),
            false => (beside, TRIAL_TIME, true),
        };
        for trial in 1.. {
            let mut failing = Vec::new();
            for suspect in suspects {
                let Some(witnessed) = self.is_witnessed(suspect.line, of_day)? else { continue };
                if !witnessed {
                    return Ok(false);
                }
                let answered = self.answered(&[suspect.line], 1)?;
                if self.is_witnessed(suspect.line, of_day)? != Some(true) {
                    return Ok(false);
                }
                if matches!(answered, LinesAnswer::Failed(_)) && self.states[suspect.line] == LineState::Open {
                    failing.push(suspect);
                }
            }
            suspects = failing;
            if suspects.is_empty() || self.sender.outages != outages {
                return Ok(false);
            }
            if trial >= TRIALS && began.elapsed() >= time {
                break;
            }
            self.sender.pause(time / TRIALS)?;
        }
        self.sender.tell_fault(suspects.len(), &suspects[0].reason);
        for Suspect { line, reason } in suspects {
            self.refuse(
                line,
                format!("the server fails at it again and again, and takes other rows meanwhile: {reason}"),
            );
        }
        Ok(true)
    }

    /// Whether no other row of the request, nor the one that was taken before it, is of the line's day.
    fn is_lone(&self, line: usize) -> bool {
        let own_day = day(self.lines.bytes(line..line + 1));
        let is_of_day = |other: usize| other != line && day(self.lines.bytes(other..other + 1)) == own_day;
        let before = self.sender.taken.as_ref().is_some_and(|(before, _)| day(before) == own_day);
        !before && !(0..self.lines.len()).any(is_of_day)
    }

    /// Whether the server takes a line that it has taken, of the suspect's day if it is to be `of_day`, for a server may
    /// fail for a range of time; nothing if there is no such line.
    fn is_witnessed(&mut self, suspect: usize, of_day: bool) -> Result<Option<bool>, Error> {
        while let Some(witness) = self.witness(suspect, of_day) {
            match self.answered(&[witness], 1)? {
                LinesAnswer::Taken => return Ok(Some(true)),
                LinesAnswer::Failed(_) => return Ok(Some(false)),
                // It is no sign of an ill server; the next one may tell.
                LinesAnswer::Refused | LinesAnswer::InPart => {}
            }
        }
        let fits = |line: &[u8]| !of_day || day(line) == day(self.lines.bytes(suspect..suspect + 1));
        match &self.sender.taken {
            Some((line, _)) if fits(line) => self.takes_before().map(Some),
            _ => Ok(None),
        }
    }

    /// The nearest line that was taken, of the suspect's day if it is to be `of_day`, and of its tags if there is one.
    fn witness(&self, suspect: usize, of_day: bool) -> Option<usize> {
        let line_day = |line: usize| day(self.lines.bytes(line..line + 1));
        let (own_day, own_series) = (line_day(suspect), self.lines.series(suspect));
        (0..self.lines.len())
            .filter(|line| *line != suspect && self.states[*line] == LineState::Taken)
            .filter(|line| !of_day || line_day(*line) == own_day)
            .min_by_key(|line| (self.lines.series(*line) != own_series, line.abs_diff(suspect)))
    }
}

/// The halves of lines, the first one last.
fn halves(lines: &[usize]) -> [Vec<usize>; 2] {
    let (first, second) = lines.split_at(lines.len() / 2);
    [second.to_vec(), first.to_vec()]
}
