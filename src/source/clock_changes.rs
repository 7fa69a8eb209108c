//! The hour that stands twice when clocks are set back.
//!
//! Rows of one station come in order, of time or against it: where the local times of that hour step back by about its
//! length, or run on behind its end as they did before, the clock was set back between them. This is decided here, where
//! all rows pass in order, whatever messages and workers they come to.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::DateTime;

use crate::data::{Bucket, Kind, Origin, Row, Schema, StationClock};
use crate::format::{Decoder, Decoding, Framing, TimeColumn, TimeRules, TopicPattern};

/// Hours around a change of clocks within which rows tell how a station reads: a day, and the change itself.
const NEAR: i64 = 26;
/// Seconds between local times that are not of one change of clocks.
const FAR: i64 = 12 * 3600;
/// With so many stations, those are forgotten that have had no row for two days.
const MOST_STATIONS: usize = 100_000;
/// So many rows behind two of one time, further ones of one time are expected.
const EQUAL: u8 = 4;
/// Rows of an earlier run that are looked at together.
const PASSED: usize = 1000;

/// Marks the rows of the second pass.
pub struct ClockChanges {
    rules: TimeRules,
    /// Reads local times.
    decoder: Decoder,
    /// The slots of the time and of what tells stations apart.
    time: usize,
    key: Option<usize>,
    latest: HashMap<(Arc<str>, Option<String>), Latest>,
    /// How many stations there are when old ones are forgotten.
    forget_at: usize,
    /// Local times without a change of clocks near them.
    quiet: Range<DateTime>,
    /// Whether it was told that rows leave open which hour they are of.
    told: bool,
    /// Rows that an earlier run has taken, and that were not looked at yet.
    passed: Bucket,
    /// Whether buckets carry the last rows of stations, for a later run that can't read them again.
    keeps: bool,
    /// Whether topics tell stations apart.
    by_topic: bool,
    /// Where topics name columns: all those of a station are one.
    values: Option<Arc<TopicPattern>>,
}

/// The last row of a station near a change of clocks.
#[derive(Clone, Debug)]
struct Latest {
    local: DateTime,
    /// Whether its time stands twice.
    twice: bool,
    second: bool,
    /// Whether the newest rows come first.
    backwards: bool,
    /// The last steps between rows that are not of one time, in seconds.
    steps: [Option<i64>; 4],
    /// How many rows came since one of the same time as the one before it.
    since_equal: Option<u8>,
    /// Whether it is of an earlier run: rows between may be missing.
    is_earlier: bool,
    /// Whether it may come again, as what a broker retains does in a new session.
    comes_again: bool,
}

/// Which pass a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fold {
    second: bool,
    /// Whether the rows before it leave it open.
    open: bool,
}

impl ClockChanges {
    /// Of the rows of a source; `None` if no local time stands twice.
    pub fn of(framing: &Framing) -> Option<ClockChanges> {
        let TimeColumn { name, from, key, rules } = framing.decoding.time.as_deref()?.clone();
        rules.zone.as_ref().filter(|zone| zone.to_fixed_offset().is_err())?;
        let alone = [&name].into_iter().chain(&key).map(|name| (name.clone(), Kind::Text));
        let schema = framing.columns.clone().unwrap_or_else(|| Arc::new(Schema::new(alone)));
        let slot = |name: &str| schema.get(name).filter(|column| column.kind == Kind::Text).map(|column| column.slot);
        let (time, key_slot) = (slot(&name)?, key.as_deref().and_then(slot));
        let local = TimeColumn { rules: TimeRules { zone: None, ..rules.clone() }, name, from, key };
        let decoding = Decoding { time: Some(Arc::new(local)), ..Decoding::clone(&framing.decoding) };
        let decoder = Decoder::new(schema, Arc::new(decoding));
        let (latest, quiet) = (HashMap::new(), DateTime::MAX..DateTime::MIN);
        Some(ClockChanges {
            rules,
            decoder,
            time,
            key: key_slot,
            latest,
            forget_at: MOST_STATIONS,
            quiet,
            told: false,
            passed: Bucket::new(0, 0),
            keeps: false,
            by_topic: true,
            values: framing.topic.clone().filter(|pattern| pattern.names_column()),
        })
    }

    /// The same where topics are names of deliveries: the key alone tells stations apart.
    pub fn of_one_topic(self) -> ClockChanges {
        ClockChanges { by_topic: false, ..self }
    }

    /// The same of rows that come once: goes on with the stations of an earlier run, and tells of its own.
    pub fn after(mut self, clocks: &[StationClock], has_session: bool) -> ClockChanges {
        self.keeps = true;
        let comes_again = !has_session;
        for clock in clocks {
            let StationClock { topic, key, local, twice, second, backwards, steps, since_equal } = clock.clone();
            if let Ok(local) = local.parse() {
                let latest =
                    Latest { local, twice, second, backwards, steps, since_equal, is_earlier: true, comes_again };
                self.latest.insert((topic, key), latest);
            }
        }
        self
    }

    /// A row that an earlier run has taken: those behind it are read as they would have been then.
    pub fn pass_over(&mut self, row: Row<'_>, origin: Origin) {
        self.passed.push(row, 0, origin);
        if self.passed.len() >= PASSED {
            self.look_at_passed();
        }
    }

    fn look_at_passed(&mut self) {
        let mut passed = std::mem::replace(&mut self.passed, Bucket::new(0, 0));
        self.mark_rows(&mut passed);
    }

    /// Marks the rows of a bucket; buckets come in order.
    pub fn mark(&mut self, bucket: &mut Bucket) {
        if !self.passed.is_empty() {
            self.look_at_passed();
        }
        self.mark_rows(bucket);
    }

    fn mark_rows(&mut self, bucket: &mut Bucket) {
        let (message, _) = self.decoder.decode(bucket);
        let mut seen = BTreeSet::new();
        for (at, id) in message.ids.iter().enumerate() {
            // One with an offset is not local.
            let text =
                message.texts[self.time].get(at).filter(|text| !text.contains('+') && text.matches('-').count() < 3);
            let local = text.and_then(|text| text.parse::<DateTime>().ok());
            let Some(local) = local.filter(|local| self.is_near_change(*local)) else { continue };
            let row = (id - bucket.metadata.first_row) as usize;
            let key = self.key.and_then(|slot| message.texts[slot].get(at)).map(str::to_owned);
            let topic = &bucket.metadata.origin(row).topic;
            let topic: Arc<str> = match &self.values {
                _ if !self.by_topic => Arc::from(""),
                Some(pattern) => pattern.row_of(topic).into(),
                None => topic.clone(),
            };
            let length = self.rules.repeated(local);
            let station = (topic, key);
            let before = self.latest.get(&station);
            let pass = length.map(|length| Latest::pass(before, local, length));
            let second = pass.is_some_and(|pass| pass.second);
            let latest = Latest::behind(before, local, pass);
            let is_open = match pass {
                Some(pass) => pass.open,
                // Of the hour that the station has left, one pass had rows.
                None => before.is_some_and(|before| before.has_one_pass(local, self.rules.repeated(before.local))),
            };
            if is_open && !std::mem::replace(&mut self.told, true) {
                let (of, second) =
                    before.filter(|_| pass.is_none()).map_or((local, second), |before| (before.local, before.second));
                tell(&station.0, of, second, self.key.is_some());
            }
            if self.keeps && !seen.contains(&station) {
                seen.insert(station.clone());
            }
            if self.latest.len() >= self.forget_at {
                self.latest.retain(|_, other| seconds(other.local, local).abs() <= 4 * FAR);
                self.forget_at = MOST_STATIONS.max(2 * self.latest.len());
            }
            self.latest.insert(station, latest);
            if second {
                bucket.metadata.mark_second_pass(row);
            }
        }
        message.recycle();
        let clocks = seen.into_iter().filter_map(|station| self.clock_of(station));
        bucket.metadata.station_clocks = clocks.collect();
    }

    fn clock_of(&self, station: (Arc<str>, Option<String>)) -> Option<StationClock> {
        let Latest { local, twice, second, backwards, steps, since_equal, .. } = self.latest.get(&station)?.clone();
        let (topic, key) = station;
        Some(StationClock { topic, key, local: local.to_string(), twice, second, backwards, steps, since_equal })
    }

    /// Whether clocks change in the zone less than a day before or behind a local time.
    fn is_near_change(&mut self, local: DateTime) -> bool {
        if self.quiet.contains(&local) {
            return false;
        }
        let Some(zone) = &self.rules.zone else { return false };
        let Ok(instant) = zone.to_ambiguous_timestamp(local).compatible() else { return false };
        let change = |found: Option<jiff::tz::TimeZoneTransition<'_>>| {
            found.map(|change| change.offset().to_datetime(change.timestamp()))
        };
        let (before, behind) = (change(zone.preceding(instant).next()), change(zone.following(instant).next()));
        let begin = before.and_then(|change| change.checked_add(NEAR.hours()).ok()).unwrap_or(DateTime::MIN);
        let end = behind.and_then(|change| change.checked_sub(NEAR.hours()).ok()).unwrap_or(DateTime::MAX);
        let quiet = begin..end;
        let near = !quiet.contains(&local);
        if !near {
            self.quiet = quiet;
        }
        near
    }
}

impl Latest {
    /// The pass of a local time that stands twice, `length` seconds apart, behind the station's row before it.
    fn pass(before: Option<&Latest>, local: DateTime, length: i64) -> Fold {
        let Some(before) = before else { return Fold { second: false, open: true } };
        let between = seconds(before.local, local);
        // Behind a gap, or a row that comes again, an earlier run's row tells little.
        let is_behind = |apart| before.comes_again && between <= 0 || between > 2 * apart;
        let is_vague = before.is_earlier && before.pace().is_none_or(is_behind);
        if !before.twice || between.abs() > FAR {
            // A step too short by the hour has it between its ends.
            let even = before.even_pace(length).filter(|(apart, _)| between.abs() < *apart);
            let even = even.filter(|(apart, _)| (between.abs() + length - apart).abs() <= length / 60);
            let (holds, is_weak) = even.map_or((false, false), |(_, steps)| (steps > 1, steps == 1));
            let open = between.abs() > FAR || is_vague || is_weak;
            return Fold { second: (between < 0) != holds, open };
        }
        if is_vague && !before.second && !before.backwards && 2 * -between < length {
            return Fold { second: false, open: true };
        }
        if before.second != before.backwards {
            // The change lies behind the station.
            return Fold { second: before.second, open: false };
        }
        let back = if before.backwards { between } else { -between };
        let together = before.since_equal.is_some_and(|rows| rows < EQUAL);
        // With the hour between them they are as far apart as the rows before.
        let goes_on = before.pace().is_some_and(|apart| is_about(length - back, apart, length));
        // At a pace of about the hour, rows of one time are several of it.
        let is_apart = back > 0 || !is_about(back, 0, length);
        let changed = 2 * back >= length || goes_on && (is_apart || !together);
        Fold { second: before.second != changed, open: !changed && (12 * back >= length || back == 0 && goes_on) }
    }

    /// Seconds between the last rows that are not of one time, where all are as far apart; and how many steps tell it.
    fn even_pace(&self, length: i64) -> Option<(i64, usize)> {
        let apart = self.pace()?;
        let steps: Vec<i64> = self.steps.iter().flatten().copied().collect();
        steps.iter().all(|step| is_about(*step, apart, length)).then_some((apart, steps.len()))
    }

    /// Whether rows before `local`, which stands once, were of one pass of the hour alone.
    fn has_one_pass(&self, local: DateTime, length: Option<i64>) -> bool {
        let between = seconds(self.local, local).abs();
        let Some(length) = length.filter(|_| self.second == self.backwards && between <= FAR) else { return false };
        // With the hour between them they are as far apart as the rows before.
        !self.even_pace(length).is_some_and(|(apart, steps)| steps > 1 && is_about(between + length, apart, length))
    }

    /// The least seconds between the last rows that are not of one time.
    fn pace(&self) -> Option<i64> {
        self.steps.iter().flatten().copied().min()
    }

    /// The station's last row is one of a local time and pass.
    fn behind(before: Option<&Latest>, local: DateTime, pass: Option<Fold>) -> Latest {
        let (twice, second) = (pass.is_some(), pass.is_some_and(|pass| pass.second));
        let Some(before) = before else {
            let (steps, since_equal) = Default::default();
            return Latest {
                local,
                twice,
                second,
                backwards: false,
                steps,
                since_equal,
                is_earlier: false,
                comes_again: false,
            };
        };
        let entered = twice && !(before.twice && seconds(before.local, local).abs() <= FAR);
        let backwards = if entered { before.local > local } else { before.backwards };
        let (mut steps, mut since_equal) = (before.steps, before.since_equal.map(|rows| rows.saturating_add(1)));
        if !(before.twice && twice && before.second != second) {
            match seconds(local, before.local).abs() {
                0 => since_equal = Some(0),
                step => {
                    steps.rotate_right(1);
                    steps[0] = Some(step);
                }
            }
        }
        Latest { local, twice, second, backwards, steps, since_equal, is_earlier: false, comes_again: false }
    }
}

/// Whether two spans agree, of rows near an hour of this `length`; all in seconds.
fn is_about(span: i64, expected: i64, length: i64) -> bool {
    (span - expected).abs() <= length / 20
}

/// The seconds from a local time to another.
fn seconds(from: DateTime, to: DateTime) -> i64 {
    to.duration_since(from).as_secs()
}

fn tell(topic: &str, local: DateTime, second: bool, keyed: bool) {
    let pass = if second { "second" } else { "first" };
    let advice = match keyed {
        true => "",
        false => {
            "; if rows of several stations come together, name the column that tells them apart: key in [schema.time]"
        }
    };
    tracing::warn!(
        "{topic}: {local} stands twice, as clocks are set back, and its rows do not tell which of the two it \
         is: it is read as the {pass} one{advice}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Format;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    fn berlin(key: Option<&str>) -> ClockChanges {
        let zone = Some(TimeZone::get("Europe/Berlin").unwrap());
        let rules = TimeRules { zone, ..TimeRules::default() };
        let time = TimeColumn { name: "t".into(), from: Vec::new(), key: key.map(str::to_owned), rules };
        let decoding = Decoding { time: Some(Arc::new(time)), ..Decoding::default() };
        ClockChanges::of(&Framing { decoding: Arc::new(decoding), ..Framing::default() }).unwrap()
    }

    fn bytes(station: &str, time: &str) -> String {
        format!(r#"{{"t": "{time}", "station": "{station}"}}"#)
    }

    fn origin() -> Origin {
        Origin { topic: "x".into(), position: 1 }
    }

    fn marked<'r>(changes: &mut ClockChanges, rows: impl IntoIterator<Item = (&'r str, String)>) -> Vec<bool> {
        let mut bucket = Bucket::new(0, 0);
        for (station, time) in rows {
            let bytes = bytes(station, &time);
            bucket.push(Row { bytes: bytes.as_bytes(), format: Format::Json, header: None }, 0, origin());
        }
        changes.mark(&mut bucket);
        (0..bucket.len()).map(|row| bucket.metadata.is_second_pass(row)).collect()
    }

    /// Rows of one station on the day of the change.
    fn passes(times: &str) -> (String, bool) {
        let mut changes = berlin(None);
        let rows = times.split(' ').map(|time| ("a", format!("2016-10-30T{time}")));
        let marked = marked(&mut changes, rows);
        (marked.iter().map(|second| if *second { '2' } else { '1' }).collect(), changes.told)
    }

    #[test]
    fn each_station_has_its_own_second_pass_over_buckets() {
        let mut changes = berlin(Some("station"));
        let mut of = |rows: &[(&'static str, &str)]| {
            marked(&mut changes, rows.iter().map(|(station, time)| (*station, format!("2016-10-30T{time}:00"))))
        };
        let first = of(&[("a", "01:30"), ("a", "02:00"), ("b", "02:30"), ("a", "02:30")]);
        // An equal time is a row that came twice; half an hour back is the change.
        let second =
            of(&[("a", "02:00"), ("b", "02:45"), ("b", "02:45"), ("a", "02:30"), ("a", "03:00"), ("b", "02:10")]);
        assert_eq!((first, second), (vec![false; 4], vec![true, false, false, true, false, true]));
        let utc = Framing::default();
        assert!(ClockChanges::of(&utc).is_none());
    }

    #[test]
    fn what_runs_back_by_about_the_hour_is_behind_the_change() {
        for (times, expected) in [
            // Every ten and thirty minutes, every hour, and as loggers write it that are late by seconds.
            ("01:50 02:00 02:10 02:50 02:00 02:10 02:50 03:00", "11112221"),
            ("01:30 02:00 02:30 02:00 02:30 03:00", "111221"),
            ("00:00 01:00 02:00 02:00 03:00", "11121"),
            ("00:00:02 01:00:01 02:00:03 02:00:05 03:00:00", "11121"),
            ("00:45 01:30 02:15 02:00 02:45 03:30", "111221"),
            ("00:30 02:00 02:30 04:00", "1121"),
            // At a pace longer than the hour, one of its passes can have no row.
            ("06:30 05:00 03:30 02:00 01:30 00:00", "111211"),
            ("06:00 04:30 03:00 02:30 01:00", "11111"),
            ("00:30 00:30 02:00 02:00 02:30 02:30 04:00", "1111221"),
            ("00:58 01:58 02:00:30 02:58 02:58:30", "11111"),
            // Two rows a time, rows that come twice, rows that are late.
            ("01:45 01:45 02:00 02:00 02:30 02:30 02:00 02:00 02:30 02:30 03:00", "11111122221"),
            ("01:59:58 02:00:00 02:00:00 02:00:02 02:00:01 02:59:59 02:00:00 02:00:00", "11111122"),
            // Newest first.
            ("03:00 02:30 02:00 02:30 02:00 01:30", "122111"),
            ("04:00 03:00 02:00 02:00 01:00", "11211"),
            ("03:00 03:00 02:40 02:40 02:20 02:20 02:00 02:00 02:40 02:40 02:20", "11222222111"),
        ] {
            assert_eq!(passes(times), (expected.into(), false), "{times}");
        }
    }

    #[test]
    fn what_rows_do_not_tell_is_told() {
        for (times, expected) in [
            ("02:30 02:45", "11"),
            ("00:00 01:30 02:00 03:30", "1111"),
            ("01:50 02:00 02:10 02:20 02:30 02:40 02:50 03:00", "11111111"),
            ("00:00 01:00 02:00 03:00 04:00", "11111"),
            ("01:00 01:05 02:00 02:05 02:00 02:05 03:00", "1111111"),
            ("01:58 02:00 02:10 02:05 02:06", "11111"),
            ("00:00 00:00 01:00 01:00 02:00 02:00 02:00 02:00 03:00", "111111111"),
        ] {
            let (found, told) = passes(times);
            assert_eq!(found, expected, "{times}");
            assert!(told, "{times}");
        }
    }

    #[test]
    fn a_run_goes_on_behind_the_rows_of_the_one_before() {
        let times =
            ["01:50", "02:00", "02:50", "02:00", "02:10", "02:50", "03:00"].map(|time| format!("2016-10-30T{time}"));
        let whole = marked(&mut berlin(None), times.iter().map(|time| ("a", time.clone())));
        for taken in 0..times.len() {
            let mut again = berlin(None);
            for time in &times[..taken] {
                let bytes = bytes("a", time);
                again.pass_over(Row { bytes: bytes.as_bytes(), format: Format::Json, header: None }, origin());
            }
            let rest = marked(&mut again, times[taken..].iter().map(|time| ("a", time.clone())));
            assert_eq!(rest, whole[taken..], "{taken}");
        }
    }

    #[test]
    fn what_cannot_be_read_again_is_kept_for_a_later_run() {
        let times = ["01:50", "02:00", "02:50", "02:00", "02:10", "02:50", "03:00"];
        let bucket = |time: &str| {
            let (mut bucket, bytes) = (Bucket::new(0, 0), bytes("a", &format!("2016-10-30T{time}")));
            bucket.push(Row { bytes: bytes.as_bytes(), format: Format::Json, header: None }, 0, origin());
            bucket
        };
        let (mut kept, mut marks) = (Vec::new(), String::new());
        for time in times {
            // Each bucket is taken by a run of its own.
            let (mut changes, mut bucket) = (berlin(None).after(&kept, true), bucket(time));
            changes.mark(&mut bucket);
            kept = std::mem::take(&mut bucket.metadata.station_clocks);
            assert_eq!(kept.len(), 1);
            marks.push(if bucket.metadata.is_second_pass(0) { '2' } else { '1' });
        }
        assert_eq!(marks, "1112221");
    }

    proptest! {
        /// Rows of up to three sensors a time, at an even pace, in either order.
        #[test]
        fn an_even_pace_tells_all(minutes in 1_i64..=120, sensors in 1..=3, offset in 0_i64..1800, reverse: bool) {
            // At about an hour, an equal time behind rows of one time is one more of them.
            let sensors = if (57..=63).contains(&minutes) { 1 } else { sensors };
            let zone = TimeZone::get("Europe/Berlin").unwrap();
            let begin: jiff::Timestamp = "2016-10-29T17:00:00Z".parse().unwrap();
            let all = (0..).map(|at| begin.as_second() + offset + 60 * minutes * at);
            let mut instants: Vec<i64> = all.take_while(|second| *second < begin.as_second() + 14 * 3600).collect();
            if reverse {
                instants.reverse();
            }
            let local = |second: i64| zone.to_datetime(jiff::Timestamp::from_second(second).unwrap());
            let mut times = Vec::new();
            let mut expected = Vec::new();
            for second in instants {
                for _ in 0..sensors {
                    times.push(("a", local(second).to_string()));
                    expected.push(local(second) == local(second - 3600));
                }
            }
            prop_assert_eq!(marked(&mut berlin(None), times), expected);
        }
    }
}
