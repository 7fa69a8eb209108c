//! Which pass of the hour that stands twice a row is of, by the rows of its station before it.

use jiff::civil::DateTime;

use crate::data::StationClock;

/// Seconds between local times that are not of one change of clocks.
pub(super) const FAR: i64 = 12 * 3600;
/// So many rows behind two of one time, further ones of one time are expected.
const EQUAL: u8 = 4;
/// So many rows in succession may be late; then the station goes on from them.
const MOST_LATE: u8 = 4;

/// What is known of a station near a change of clocks.
pub(super) struct Latest {
    /// Its last row that was not late.
    pub clock: StationClock,
    /// Whether that is of an earlier run: rows between may be missing.
    pub is_earlier: bool,
    /// Whether it may come again, as what a broker retains does in a new session.
    pub comes_again: bool,
}

/// Which pass a row is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fold {
    /// Whether its time stands twice, and it is the second one.
    pub second: bool,
    /// The row whose pass is left open, this one or the one before it: its time, and whether it is read as the second.
    pub open: Option<(DateTime, bool)>,
}

impl Latest {
    /// Of a station's first row. `repeated`: how many seconds apart a local time stands twice, if it does.
    pub fn first(clock: StationClock, repeated: impl Fn(DateTime) -> Option<i64>) -> (Latest, Fold) {
        let twice = repeated(clock.local).is_some();
        let open = twice.then_some((clock.local, false));
        (
            Latest { clock: StationClock { twice, ..clock }, is_earlier: false, comes_again: false },
            Fold { second: false, open },
        )
    }

    /// Takes in the station's next row.
    pub fn take(&mut self, local: DateTime, repeated: impl Fn(DateTime) -> Option<i64>) -> Fold {
        let (length, length_before) = (repeated(local), repeated(self.clock.local));
        let ahead = self.ahead(local);
        if let Some(is_much) = self.is_late(ahead, length, length_before) {
            self.keep_step(local);
            self.clock.late += u8::from(is_much);
            // It is of the pass that was left, or late by the hour more.
            let second = length.is_some() && !self.clock.backwards;
            let open = (length.is_some() && is_much).then_some((local, second));
            return Fold { second, open };
        }
        let fold = match length {
            Some(length) => {
                let (second, is_open) = self.pass(local, length);
                if !self.clock.twice || self.clock.second == second {
                    self.keep_step(local);
                }
                Fold { second, open: is_open.then_some((local, second)) }
            }
            None => {
                let left = length_before.filter(|length| self.has_one_pass(local, *length));
                self.keep_step(local);
                Fold { second: false, open: left.map(|_| (self.clock.local, self.clock.second)) }
            }
        };
        self.advance(local, length.is_some(), fold.second);
        fold
    }

    /// A row in the hour behind which nothing has told yet whether it is of the first pass: its time.
    pub fn undecided(&self) -> Option<DateTime> {
        let StationClock { local, twice, second, backwards, .. } = self.clock;
        (twice && second == backwards && !self.is_earlier).then_some(local)
    }

    /// Keeps a step that no change of clocks makes: as rows that are late step.
    fn keep_step(&mut self, local: DateTime) {
        let between = seconds(self.clock.local, local);
        if between.abs() <= FAR {
            let longest = &mut self.clock.longest[usize::from(between > 0)];
            *longest = between.abs().max(*longest);
        }
    }

    /// How late rows of the station were, in seconds.
    fn lateness(&self) -> i64 {
        self.clock.longest[usize::from(self.clock.backwards)]
    }

    /// Seconds that a local time lies ahead, where the station's rows go on.
    fn ahead(&self, local: DateTime) -> i64 {
        let between = seconds(self.clock.local, local);
        if self.clock.backwards { -between } else { between }
    }

    /// Whether a row comes behind one of another side of the hour that stands before it; and whether by much.
    fn is_late(&self, ahead: i64, length: Option<i64>, length_before: Option<i64>) -> Option<bool> {
        let is_on_another_side = self.clock.left || length_before.is_some() && length.is_none();
        let is_vague = self.is_earlier && self.comes_again;
        if !is_on_another_side || is_vague || ahead >= 0 || -ahead > FAR || self.clock.late >= MOST_LATE {
            return None;
        }
        // Behind the hour only rows within it matter.
        let hour = length.or(length_before)?;
        Some(12 * -ahead >= hour)
    }

    /// The pass of a local time that stands twice, `length` seconds apart, and whether the rows leave it open.
    fn pass(&self, local: DateTime, length: i64) -> (bool, bool) {
        let StationClock { twice, second, backwards, .. } = self.clock;
        let between = seconds(self.clock.local, local);
        // Behind a gap, or a row that comes again, an earlier run's row tells little.
        let is_behind = |apart| self.comes_again && between <= 0 || between > 2 * apart;
        let is_vague = self.is_earlier && self.pace().is_none_or(is_behind);
        if !twice || between.abs() > FAR {
            // A step too short by the hour has it between its ends.
            let even = self.even_pace(length).filter(|(apart, _)| between.abs() < *apart);
            let even = even.filter(|(apart, _)| (between.abs() + length - apart).abs() <= length / 60);
            let (holds, is_weak) = even.map_or((false, false), |(_, steps)| (steps > 1, steps == 1));
            return ((between < 0) != holds, between.abs() > FAR || is_vague || is_weak);
        }
        if is_vague && !second && !backwards && 2 * -between < length {
            return (false, true);
        }
        let back = -self.ahead(local);
        if second != backwards {
            // The change lies behind the station: what steps back is late, and what runs ahead may be so, of the first pass.
            let is_late = 12 * back >= length || back < 0 && length + back <= self.lateness();
            return (second, is_late);
        }
        let together = self.clock.since_equal.is_some_and(|rows| rows < EQUAL);
        // With the hour between them they are as far apart as the rows before.
        let goes_on = self.pace().is_some_and(|apart| is_about(length - back, apart, length));
        // At a pace of about the hour, rows of one time are several of it.
        let is_apart = back > 0 || !is_about(back, 0, length);
        let changed = 2 * back >= length || goes_on && (is_apart || !together);
        let is_open = match changed {
            // Rows as late as that were there, or the pace is one of some steps only.
            true => {
                back > 0 && back <= self.lateness()
                    || 2 * back < length && self.even_pace(length).is_none_or(|(_, steps)| steps == 1)
            }
            false => 12 * back >= length || back == 0 && goes_on,
        };
        (second != changed, is_open)
    }

    /// Seconds between the last rows that are not of one time, where all are as far apart; and how many steps tell it.
    fn even_pace(&self, length: i64) -> Option<(i64, usize)> {
        let apart = self.pace()?;
        let steps: Vec<i64> = self.clock.steps.iter().flatten().copied().collect();
        steps.iter().all(|step| is_about(*step, apart, length)).then_some((apart, steps.len()))
    }

    /// Whether rows before `local`, which stands once, were of one pass of the hour alone.
    fn has_one_pass(&self, local: DateTime, length: i64) -> bool {
        let between = seconds(self.clock.local, local).abs();
        if self.clock.second != self.clock.backwards || between > FAR {
            return false;
        }
        // With the hour between them they are as far apart as the rows before.
        !self.even_pace(length).is_some_and(|(apart, steps)| steps > 1 && is_about(between + length, apart, length))
    }

    /// The least seconds between the last rows that are not of one time.
    fn pace(&self) -> Option<i64> {
        self.clock.steps.iter().flatten().copied().min()
    }

    /// The station's last row is one of a local time and pass.
    fn advance(&mut self, local: DateTime, twice: bool, second: bool) {
        let ahead = self.ahead(local);
        let (between, before) = (seconds(self.clock.local, local), &mut self.clock);
        let is_near = between.abs() <= FAR;
        if twice && !(before.twice && is_near) {
            before.backwards = between < 0;
        }
        before.left = !twice && is_near && (before.left || before.twice && ahead >= 0);
        before.since_equal = before.since_equal.map(|rows| rows.saturating_add(1));
        if !(before.twice && twice && before.second != second) {
            match between.abs() {
                0 => before.since_equal = Some(0),
                step => {
                    before.steps.rotate_right(1);
                    before.steps[0] = Some(step);
                }
            }
        }
        (before.local, before.twice, before.second, before.late) = (local, twice, second, 0);
        (self.is_earlier, self.comes_again) = (false, false);
    }
}

/// Whether two spans agree, of rows near an hour of this `length`; all in seconds.
fn is_about(span: i64, expected: i64, length: i64) -> bool {
    (span - expected).abs() <= length / 20
}

/// The seconds from a local time to another.
pub(super) fn seconds(from: DateTime, to: DateTime) -> i64 {
    to.duration_since(from).as_secs()
}
