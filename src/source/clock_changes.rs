//! The hour that stands twice when clocks are set back.
//!
//! Rows of one station come in order, of time or against it: where the local times of that hour step back by about its
//! length, or run on behind its end as they did before, the clock was set back between them. This is decided here, where
//! all rows pass in order, whatever messages and workers they come to.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};

use super::repeated_hour::{FAR, Latest, seconds};
use crate::data::{Bucket, Kind, Origin, Row, Schema, StationClock};
use crate::format::{Decoder, Decoding, Framing, TimeColumn, TimeRules, TopicPattern};

/// Hours around a change of clocks within which rows tell how a station reads: a day, and the change itself.
const NEAR: i64 = 26;
/// With so many stations, those are forgotten that have had no row for two days.
const MOST_STATIONS: usize = 100_000;
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
    /// By station.
    latest: HashMap<String, Latest>,
    /// How many stations there are when old ones are forgotten.
    forget_at: usize,
    /// Local times without a change of clocks near them.
    quiet: Range<DateTime>,
    /// The day on which it was told that rows leave open which hour they are of.
    told: Option<Date>,
    /// Rows that an earlier run has taken, and that were not looked at yet.
    passed: Bucket,
    /// Whether buckets carry the last rows of stations, for a later run that can't read them again.
    keeps: bool,
    /// Whether topics tell stations apart.
    by_topic: bool,
    /// Where topics name columns: all those of a station are one.
    values: Option<Arc<TopicPattern>>,
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
            told: None,
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
        let latest = |clock: &StationClock| Latest { clock: clock.clone(), is_earlier: true, comes_again };
        self.latest.extend(clocks.iter().map(|clock| (clock.station(), latest(clock))));
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

    /// Tells, where no rows come any more, what those of the hour have left open.
    pub fn end(&mut self) {
        let of = |latest: &Latest| latest.undecided().filter(|local| self.told != Some(local.date()));
        let open = self.latest.values().filter_map(|latest| Some((of(latest)?, latest.clock.station(), latest)));
        if let Some((local, _, Latest { clock, .. })) =
            open.min_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)))
        {
            tell(clock, local, clock.second, self.key.is_some());
            self.told = Some(local.date());
        }
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
            let clock = StationClock::new(topic, key, local);
            let (station, repeated) = (clock.station(), |local| self.rules.repeated(local));
            let (latest, fold) = match self.latest.remove(&station) {
                Some(mut latest) => {
                    let fold = latest.take(local, repeated);
                    (latest, fold)
                }
                None => Latest::first(clock, repeated),
            };
            if let Some((of, second)) = fold.open.filter(|(of, _)| self.told != Some(of.date())) {
                self.told = Some(of.date());
                tell(&latest.clock, of, second, self.key.is_some());
            }
            if self.keeps && !seen.contains(&station) {
                seen.insert(station.clone());
            }
            if self.latest.len() >= self.forget_at {
                self.latest.retain(|_, other| seconds(other.clock.local, local).abs() <= 4 * FAR);
                self.forget_at = MOST_STATIONS.max(2 * self.latest.len());
            }
            self.latest.insert(station, latest);
            if fold.second {
                bucket.metadata.mark_second_pass(row);
            }
        }
        message.recycle();
        let clocks = seen.iter().filter_map(|station| Some(self.latest.get(station)?.clock.clone()));
        bucket.metadata.station_clocks = clocks.collect();
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

fn tell(clock: &StationClock, local: DateTime, second: bool, keyed: bool) {
    let StationClock { topic, key, .. } = clock;
    let station = key.as_ref().map_or_else(String::new, |key| format!("{key}: "));
    let pass = if second { "second" } else { "first" };
    let advice = match keyed {
        true => "",
        false => {
            "; if rows of several stations come together, name the column that tells them apart: key in [schema.time]"
        }
    };
    tracing::warn!(
        "{topic}: {station}{local} stands twice, as clocks are set back, and its rows do not tell which of the two it \
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
        let day = |time: &str| if time >= "12" { 29 } else { 30 };
        let rows = times.split(' ').map(|time| ("a", format!("2016-10-{}T{time}", day(time))));
        let marked = marked(&mut changes, rows);
        (marked.iter().map(|second| if *second { '2' } else { '1' }).collect(), changes.told.is_some())
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
            ("23:00 00:30 02:00 02:30 04:00", "11121"),
            // At a pace longer than the hour, one of its passes can have no row.
            ("06:30 05:00 03:30 02:00 01:30 00:00", "111211"),
            ("06:00 04:30 03:00 02:30 01:00", "11111"),
            ("23:00 23:00 00:30 00:30 02:00 02:00 02:30 02:30 04:00", "111111221"),
            ("00:58 01:58 02:00:30 02:58 02:58:30", "11111"),
            // Two rows a time, rows that come twice, rows that are late.
            ("01:45 01:45 02:00 02:00 02:30 02:30 02:00 02:00 02:30 02:30 03:00", "11111122221"),
            ("01:59:58 02:00:00 02:00:00 02:00:02 02:00:01 02:59:59 02:00:00 02:00:00", "11111122"),
            // Late rows of the time before and by little behind it.
            ("01:50 02:10 01:55 02:30 02:50 02:05 01:58 02:30 03:00", "111112121"),
            ("01:50 02:30 02:00 02:30 03:00 02:59 03:10 03:20", "11221211"),
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
            // One step is no pace.
            ("00:30 02:00 02:30 04:00", "1121"),
            ("00:59:49 02:00:00 02:00:01 02:00:02", "1122"),
            // By chance a gap and the hour are as long as one gap before.
            ("22:07 00:36 02:03 02:31 02:31 04:07", "111221"),
            // A row of the first pass behind rows of the second one, and rows that are late by as much as they step back.
            ("01:50 02:00 02:50 02:00 02:55 02:05 03:00", "1112221"),
            ("00:50 01:30 00:55 01:50 02:45 02:12 02:30 03:00", "11111221"),
            ("00:50 01:30 01:05 01:50 02:50 02:10 02:45 03:00", "11111221"),
            // One behind the hour that it is of.
            ("01:50 02:30 02:00 02:30 03:10 02:40 03:20", "1122121"),
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
        /// Rows in order, oldest or newest first, with gaps between them that make no pace.
        #[test]
        fn what_gaps_leave_open_is_told(
            gaps in Just((1_i64..=18).collect::<Vec<_>>()).prop_shuffle(),
            offset in 0_i64..400,
            reverse: bool,
        ) {
            let zone = TimeZone::get("Europe/Berlin").unwrap();
            let begin: jiff::Timestamp = "2016-10-29T16:00:00Z".parse().unwrap();
            let instants = gaps.iter().scan(begin.as_second() + offset, |at, gap| {
                *at += 400 * gap;
                Some(*at)
            });
            let mut instants: Vec<i64> = instants.collect();
            if reverse {
                instants.reverse();
            }
            let local = |second: i64| zone.to_datetime(jiff::Timestamp::from_second(second).unwrap());
            let expected: Vec<bool> = instants.iter().map(|at| local(*at) == local(*at - 3600)).collect();
            let mut changes = berlin(None);
            let found = marked(&mut changes, instants.iter().map(|at| ("a", local(*at).to_string())));
            changes.end();
            prop_assert!(found == expected || changes.told.is_some(), "{:?}", instants);
        }

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
