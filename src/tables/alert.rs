//! The state of an alert: since when its condition holds for a key, and whether it is firing.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::KeyCell;
use super::window::shown;
use crate::data::{Column, KeyedState, Message, event_time, from_bytes, to_bytes};

/// When a sink with `for` or `resolve` gets rows, its columns looked up in the schema there.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Each value of these columns has a state of its own; all rows have one if there are none.
    pub by: Vec<Column>,
    /// How long the condition must hold; it fires with the first row for which the condition is true if not given.
    pub hold: Option<Hold>,
    /// Whether the sink also gets the row that ends it.
    pub resolve: bool,
}

/// How long a condition must hold, in event time.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// In milliseconds.
    pub length: i64,
    /// The column that says when a row was measured.
    pub time: Column,
    /// How far ahead of this machine's clock an event time may be, in milliseconds.
    pub max_future: i64,
}

/// What a row says about its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRow {
    /// Its place in the message.
    pub row: usize,
    /// In milliseconds since 1970; 0 where times do not count.
    pub time: i64,
    /// Whether the condition is true.
    pub holds: bool,
}

/// The rows of a message by key, as bytes, and the first of those that are left out.
#[derive(Debug, Default, PartialEq)]
pub struct AlertRows {
    /// In the order of the message, a key's.
    pub by_key: BTreeMap<Vec<u8>, Vec<AlertRow>>,
    /// The first row without a time.
    pub untimed: Option<usize>,
    /// The first row that is dated too far in the future.
    pub early: Option<usize>,
}

/// What a row begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlertEvent {
    /// The condition has held for long enough.
    Firing,
    /// It is no longer true.
    Resolved,
}

impl AlertEvent {
    /// The word for it in the column [`Alert::COLUMN`].
    pub fn word(self) -> &'static str {
        match self {
            AlertEvent::Firing => "firing",
            AlertEvent::Resolved => "resolved",
        }
    }
}

impl Alert {
    /// The column that says what a row begins or ends.
    pub const COLUMN: &'static str = "alert";

    /// The rows of a message by key; `holds` says for each whether the condition is true, `now` is this machine's clock in
    /// milliseconds since 1970.
    pub fn rows(&self, message: &Message, holds: &[bool], now: i64) -> AlertRows {
        let (mut rows, mut by_key) = (AlertRows::default(), BTreeMap::<Vec<KeyCell>, Vec<AlertRow>>::new());
        for (row, holds) in holds.iter().enumerate() {
            let time = match &self.hold {
                None => 0,
                Some(Hold { time, max_future, .. }) => match event_time(message, time, row) {
                    None => {
                        rows.untimed.get_or_insert(row);
                        continue;
                    }
                    Some(time) if time > now.saturating_add(*max_future) => {
                        rows.early.get_or_insert(row);
                        continue;
                    }
                    Some(time) => time,
                },
            };
            let key = self.by.iter().map(|column| KeyCell::of(message, column, row)).collect();
            by_key.entry(key).or_default().push(AlertRow { row, time, holds: *holds });
        }
        rows.by_key = by_key.into_iter().map(|(key, rows)| (to_bytes(&key), rows)).collect();
        rows
    }

    /// Why a row that is dated too far in the future is left out.
    pub fn too_early(&self, message: &Message, row: usize) -> Option<String> {
        let Hold { time, max_future, .. } = self.hold.as_ref()?;
        let dated = event_time(message, time, row).map(shown).unwrap_or_default();
        let most = std::time::Duration::from_millis(max_future.unsigned_abs());
        let most = humantime::format_duration(most);
        Some(format!("{} is {dated}, more than {most} ahead of this machine's clock (max_future)", time.name))
    }
}

/// The state of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct AlertState {
    /// The latest event time, in milliseconds since 1970.
    latest: Option<i64>,
    /// The event time from which on the condition holds.
    since: Option<i64>,
    firing: bool,
}

impl AlertState {
    fn take(&mut self, alert: &Alert, AlertRow { time, holds, .. }: AlertRow) -> Option<AlertEvent> {
        if self.latest.is_some_and(|latest| time < latest) {
            return None;
        }
        self.latest = Some(time);
        if !holds {
            self.since = None;
            let ends = std::mem::take(&mut self.firing);
            return (ends && alert.resolve).then_some(AlertEvent::Resolved);
        }
        let since = *self.since.get_or_insert(time);
        let length = alert.hold.as_ref().map_or(0, |hold| hold.length);
        let begins = !self.firing && time - since >= length;
        self.firing |= begins;
        begins.then_some(AlertEvent::Firing)
    }
}

/// The states of an alert's keys that a worker owns.
pub struct AlertStates {
    alert: Alert,
    of: HashMap<Vec<u8>, AlertState>,
    changed: HashSet<Vec<u8>>,
}

impl AlertStates {
    /// States of an alert, none yet.
    pub fn new(alert: Alert) -> AlertStates {
        AlertStates { alert, of: HashMap::new(), changed: HashSet::new() }
    }

    /// Takes the rows of a key; the places of those that begin or end something.
    pub fn take(&mut self, key: Vec<u8>, rows: &[AlertRow]) -> Vec<(usize, AlertEvent)> {
        let before = self.of.get(&key).copied();
        let mut state = before.unwrap_or_default();
        let event = |row: &AlertRow| Some((row.row, state.take(&self.alert, *row)?));
        let events = rows.iter().filter_map(event).collect();
        if before != Some(state) {
            self.changed.insert(key.clone());
            self.of.insert(key, state);
        }
        events
    }

    /// The states that have changed since the last call.
    pub fn changes(&mut self) -> Vec<KeyedState> {
        let of = &self.of;
        self.changed.drain().map(|key| KeyedState { state: to_bytes(&of[&key]), key }).collect()
    }

    /// Restores the states of an earlier run.
    ///
    /// # Errors
    /// Bytes that are no state of an alert.
    pub fn restore(&mut self, states: &[KeyedState]) -> Result<(), String> {
        states.iter().try_for_each(|KeyedState { key, state }| {
            self.of.insert(key.clone(), from_bytes(state)?);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Kind, Schema, TextColumn};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const FAR: i64 = 4_000_000_000_000;

    /// A row as a station sends it: time in seconds if it has one, value if it has one, station.
    #[derive(Clone, Copy, Debug)]
    struct Sent {
        time: f64,
        value: f64,
        station: Option<&'static str>,
    }

    fn schema() -> Schema {
        Schema::new([("time", Kind::Number), ("value", Kind::Number), ("station", Kind::Text)])
    }

    fn message(rows: &[Sent]) -> Message {
        let mut message = Message::from_columns(&[
            rows.iter().map(|row| row.time).collect(),
            rows.iter().map(|row| row.value).collect(),
        ]);
        let mut stations = TextColumn::default();
        rows.iter().for_each(|row| stations.push(row.station));
        message.texts.push(stations);
        message
    }

    fn alert(seconds: Option<i64>, resolve: bool, by: bool) -> Alert {
        let time = schema().get("time").unwrap().clone();
        let hold = seconds.map(|seconds| Hold { length: seconds * 1000, time, max_future: 600_000 });
        Alert { by: schema().get("station").filter(|_| by).cloned().into_iter().collect(), hold, resolve }
    }

    /// What is told of rows in messages of one to five rows, with a restart after each `lifetime` messages; by the place
    /// of the row among all.
    fn told(alert: &Alert, rows: &[Sent], random: &mut ChaCha8Rng, lifetime: usize) -> Vec<(usize, AlertEvent)> {
        let (mut states, mut kept) = (AlertStates::new(alert.clone()), HashMap::new());
        let (mut told, mut first, mut messages) = (Vec::new(), 0, 0);
        while first < rows.len() {
            let count = random.random_range(1..=5).min(rows.len() - first);
            let message = message(&rows[first..first + count]);
            let holds: Vec<bool> = message.column(1).iter().map(|value| *value > 35.0).collect();
            let mut events: Vec<(usize, AlertEvent)> = Vec::new();
            for (key, rows) in alert.rows(&message, &holds, FAR).by_key {
                events.extend(states.take(key, &rows).into_iter().map(|(row, event)| (first + row, event)));
            }
            events.sort_by_key(|(row, _)| *row);
            told.extend(events);
            (first, messages) = (first + count, messages + 1);
            kept.extend(states.changes().into_iter().map(|keyed| (keyed.key.clone(), keyed)));
            if messages % lifetime == 0 {
                states = AlertStates::new(alert.clone());
                states.restore(&kept.values().cloned().collect::<Vec<_>>()).unwrap();
            }
        }
        told
    }

    /// The same by what the words of the reference say, looking back over all rows each time: a row counts that has a
    /// time which is not before that of an earlier one of its station; an episode is a run of such rows that are hot.
    fn expected(alert: &Alert, rows: &[Sent]) -> Vec<(usize, AlertEvent)> {
        let mut told = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            let same = |other: &Sent| alert.by.is_empty() || other.station == row.station;
            let timed = alert.hold.is_some();
            let counts = |at: usize| {
                let time = rows[at].time;
                let before = rows[..at].iter().filter(|other| same(other) && !other.time.is_nan());
                same(&rows[at]) && (!timed || !time.is_nan() && before.into_iter().all(|other| other.time <= time))
            };
            if !counts(place) {
                continue;
            }
            let earlier: Vec<usize> = (0..place).filter(|at| counts(*at)).collect();
            let hot = |at: &usize| rows[*at].value > 35.0;
            let episode: Vec<usize> = earlier.iter().rev().copied().take_while(|at| hot(at)).collect();
            // Seconds from the first row of an episode up to a row in it.
            let reached = |at: usize, first: usize| {
                alert.hold.as_ref().is_none_or(|hold| (rows[at].time - rows[first].time) * 1e3 >= hold.length as f64)
            };
            let first = episode.last().copied().unwrap_or(place);
            let has_fired = episode.iter().any(|at| reached(*at, first));
            if hot(&place) && !has_fired && reached(place, first) {
                told.push((place, AlertEvent::Firing));
            } else if !hot(&place) && has_fired && alert.resolve {
                told.push((place, AlertEvent::Resolved));
            }
        }
        told
    }

    #[test]
    fn a_loop_over_all_rows_says_the_same() {
        let (mut fired, mut resolved) = (0, 0);
        for seed in 0..400 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut clock = 1_700_000_000.0;
            let rows: Vec<Sent> = (0..random.random_range(1..60))
                .map(|_| {
                    clock += [0.0, 1.0, 1.0, 2.0, 10.0, 500.0, -3.0, -40.0][random.random_range(0..8)];
                    let time = if random.random_bool(0.1) { f64::NAN } else { clock };
                    let value = [f64::NAN, 20.0, 35.0, 36.0, 40.0, 50.0, 60.0, 70.0][random.random_range(0..8)];
                    let station = [Some("a"), Some("b"), None, Some("c")][random.random_range(0..4)];
                    Sent { time, value, station }
                })
                .collect();
            let seconds = [None, Some(1), Some(3), Some(30)][random.random_range(0..4)];
            let alert = alert(seconds, random.random_bool(0.7), random.random_bool(0.7));
            let lifetime = random.random_range(1..20);
            let told = told(&alert, &rows, &mut random, lifetime);
            assert_eq!(told, expected(&alert, &rows), "seed {seed}: {alert:?} {rows:?}");
            fired += told.iter().filter(|(_, event)| *event == AlertEvent::Firing).count();
            resolved += told.iter().filter(|(_, event)| *event == AlertEvent::Resolved).count();
        }
        assert!(fired > 500 && resolved > 200, "{fired} {resolved}");
    }

    #[test]
    fn it_fires_once_it_has_held_for_the_time_and_is_told_of_its_end() {
        let of = |time: f64, value: f64| Sent { time, value, station: Some("a") };
        let rows = [of(0.0, 36.0), of(299.0, 36.0), of(300.0, 40.0), of(900.0, 41.0), of(901.0, f64::NAN)];
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let told = |rows: &[Sent], random: &mut ChaCha8Rng| told(&alert(Some(300), true, true), rows, random, 1);
        assert_eq!(told(&rows, &mut random), [(2, AlertEvent::Firing), (4, AlertEvent::Resolved)]);
        // An older row changes nothing; one that is not hot ends what has begun.
        let late = [of(0.0, 36.0), of(200.0, 36.0), of(100.0, 20.0), of(300.0, 36.0)];
        assert_eq!(told(&late, &mut random), [(3, AlertEvent::Firing)]);
        let short = [of(0.0, 36.0), of(299.0, 20.0), of(300.0, 36.0), of(599.0, 36.0)];
        assert_eq!(told(&short, &mut random), []);
    }

    #[test]
    fn rows_without_a_time_or_from_the_future_are_left_out() {
        let of = |time: f64| Sent { time, value: 40.0, station: None };
        let now = 1_700_000_000_000;
        let rows = [of(1_700_000_000.0), of(f64::NAN), of(1_700_000_600.0), of(1_700_000_601.0), of(f64::NAN)];
        let message = message(&rows);
        let found = alert(Some(1), false, true).rows(&message, &[true; 5], now);
        assert_eq!((found.untimed, found.early), (Some(1), Some(3)));
        let taken: Vec<usize> = found.by_key.values().flatten().map(|row| row.row).collect();
        assert_eq!(taken, [0, 2]);
        let why = alert(Some(1), false, true).too_early(&message, 3).unwrap();
        assert_eq!(why, "time is 2023-11-14T22:23:21Z, more than 10m ahead of this machine's clock (max_future)");
        // Without `for`, times do not count.
        let all = alert(None, false, true).rows(&message, &[true; 5], now);
        assert_eq!((all.untimed, all.early, all.by_key.len()), (None, None, 1));
    }

    #[test]
    fn what_is_no_state_is_refused() {
        let keyed = KeyedState { key: vec![1], state: vec![7, 7, 7] };
        assert!(AlertStates::new(alert(None, true, true)).restore(&[keyed]).is_err());
    }
}
