//! Fills gaps on straight lines.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_column::{ColumnSubtask, Flaw};
use super::{BatchSubtask, Fault, Learner, PartialFit, Refusal, Scope, Subtask, Timed, Traits};
use crate::data::{Message, from_bytes, to_bytes};
use crate::kernels::select::{missing_runs, next_missing};

/// Fills missing values on the straight line between their neighbours. With `fit = "stream"`, the value before a gap may
/// be that of an earlier message; what lies behind the last value goes out with it, for the next one is not known yet.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Interpolate {
    /// How far apart rows are: one as far as the next (`linear`), or by their times (`time`).
    method: InterpolationMethod,
    /// How many missing values in a row are filled at the most; all if not given.
    limit: Option<usize>,
    /// From which side gaps are filled.
    limit_direction: Direction,
    /// Only gaps between values (`inside`), or only those before the first and after the last (`outside`).
    limit_area: Option<Area>,
    /// For `time`: the column that says when a row was measured, in seconds since 1970 or as a date; dateTime if not
    /// given.
    time: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum InterpolationMethod {
    #[default]
    Linear,
    Time,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Direction {
    #[default]
    Forward,
    Backward,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Area {
    Inside,
    Outside,
}

impl Subtask for Interpolate {
    const EQUALS: &'static str = "pandas.DataFrame.interpolate";
    const TRAITS: Traits<Interpolate> = Traits::by_column_or_time().partial_fit();

    fn check(&self) -> Result<(), Refusal> {
        if self.time.is_some() && !self.by_time() {
            return Err(Refusal::new("time", "a column of times is for method = \"time\""));
        }
        Refusal::unless_positive(self.limit)
    }
}

impl Timed for Interpolate {
    fn by_time(&self) -> bool {
        self.method == InterpolationMethod::Time
    }

    fn time_column(&self) -> Option<&str> {
        self.time.as_deref()
    }
}

impl ColumnSubtask for Interpolate {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        self.fill(values, None, None);
        Ok(())
    }

    fn apply_row(&self, _values: &mut [f64]) -> Result<(), (usize, Flaw)> {
        // The only value of a column has no neighbours.
        Ok(())
    }
}

impl BatchSubtask for Interpolate {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        let times = scope.known_times(message)?.unwrap_or_default();
        scope.numbers.iter().for_each(|slot| self.fill(message.column_mut(*slot), None, Some(&times)));
        Ok(())
    }

    fn refuses_first(&self) -> bool {
        true
    }
}

impl PartialFit for Interpolate {
    fn learner(&self) -> Box<dyn Learner> {
        Box::new(OverMessages { interpolate: self.clone(), last: None })
    }
}

/// The last value of a column before a message.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct LastValue {
    value: f64,
    /// How many missing values came after it.
    missing: u64,
    /// Its event time, in milliseconds since 1970; 0 if it is not needed.
    time: i64,
}

impl LastValue {
    /// After a column of another message, as it came.
    fn after(before: Option<LastValue>, column: &[f64], times: Option<&[i64]>) -> Option<LastValue> {
        let Some(row) = column.iter().rposition(|x| !x.is_nan()) else {
            return before.map(|last| LastValue { missing: last.missing + column.len() as u64, ..last });
        };
        let time = times.map_or(0, |times| times[row]);
        Some(LastValue { value: column[row], missing: (column.len() - 1 - row) as u64, time })
    }
}

/// Interpolation from message to message.
struct OverMessages {
    interpolate: Interpolate,
    last: Option<LastValue>,
}

impl OverMessages {
    fn go_on(&mut self, values: &mut [f64], times: Option<&[i64]>) {
        let before = self.last;
        self.last = LastValue::after(before, values, times);
        self.interpolate.fill(values, before, times);
    }
}

impl Learner for OverMessages {
    fn learn_and_transform(&mut self, values: &mut [f64]) {
        self.go_on(values, None);
    }

    fn learn_and_transform_at(&mut self, values: &mut [f64], times: &[i64]) {
        self.go_on(values, Some(times));
    }

    fn takes_infinity(&self) -> bool {
        true
    }

    fn save(&self) -> Vec<u8> {
        to_bytes(&self.last)
    }

    fn load(&mut self, saved: &[u8]) -> Result<(), String> {
        from_bytes(saved).map(|last| self.last = last)
    }
}

/// A value of a column, and where it lies on the line: at its row, or at its time.
#[derive(Clone, Copy)]
struct Point {
    x: f64,
    y: f64,
}

impl Interpolate {
    /// Goes from gap to gap; each has a value before it, after it, or both. The last value `before` is that of an earlier
    /// message.
    fn fill(&self, column: &mut [f64], before: Option<LastValue>, times: Option<&[i64]>) {
        if next_missing(column, 0).is_none() {
            return;
        }
        let line = times.map(|times| Polyline::new(column, before, times));
        let edges = missing_runs(column);
        for [start, end] in edges.as_chunks().0 {
            let (gap, after) = (*start..*end, (*end < column.len()).then_some(*end));
            let earlier = before.filter(|_| gap.start == 0);
            let is_behind = earlier.is_some() || gap.start > 0;
            let passed = earlier.map_or(0, |last| last.missing);
            for rows in self.filled(gap.clone(), is_behind, passed, after.is_some()) {
                match (times.zip(line.as_ref()), after.map(|end| point(column, end))) {
                    (Some((times, line)), _) => rows.for_each(|row| column[row] = line.at(microseconds(times[row]))),
                    (None, after) => {
                        let earlier = earlier.map(|last| Point { x: -1.0 - last.missing as f64, y: last.value });
                        let before = earlier.or_else(|| Some(point(column, gap.start.checked_sub(1)?)));
                        fill_line(column, rows, before, after);
                    }
                }
            }
        }
    }

    /// The rows of a gap that are filled: from its beginning on, and up to its end. It is behind a value if `is_behind`,
    /// and before one if `is_before`; `passed` rows of it are in earlier messages.
    fn filled(&self, gap: Range<usize>, is_behind: bool, passed: u64, is_before: bool) -> [Range<usize>; 2] {
        let wanted = match self.limit_area {
            None => true,
            Some(Area::Inside) => is_behind && is_before,
            Some(Area::Outside) => !(is_behind && is_before),
        };
        if !wanted {
            return [gap.start..gap.start, gap.start..gap.start];
        }
        let limit = self.limit.unwrap_or(usize::MAX);
        let left = self.limit.map_or(limit, |limit| limit.saturating_sub(usize::try_from(passed).unwrap_or(limit)));
        let forward = if is_behind && self.limit_direction != Direction::Backward { left.min(gap.len()) } else { 0 };
        let backward = if is_before && self.limit_direction != Direction::Forward { limit.min(gap.len()) } else { 0 };
        let middle = (gap.start + forward).max(gap.end - backward);
        [gap.start..gap.start + forward, middle..gap.end]
    }
}

fn point(column: &[f64], row: usize) -> Point {
    Point { x: row as f64, y: column[row] }
}

/// The values of rows between two neighbours, or as the one that there is.
fn fill_line(column: &mut [f64], rows: Range<usize>, before: Option<Point>, after: Option<Point>) {
    let (Some(left), Some(right)) = (before, after) else {
        let Some(end) = before.or(after) else { return };
        return column[rows].fill(end.y);
    };
    let slope = (right.y - left.y) / (right.x - left.x);
    for row in rows {
        column[row] = between(row as f64, left, right, slope);
    }
}

/// NumPy's `interp` between two points: on the line from the left one.
fn between(x: f64, left: Point, right: Point, slope: f64) -> f64 {
    let mut y = slope * (x - left.x) + left.y;
    if y.is_nan() {
        y = slope * (x - right.x) + right.y;
    }
    if y.is_nan() && left.y == right.y { left.y } else { y }
}

/// A time in milliseconds as pandas' index has it: the slope of very small values is rounded by its unit.
fn microseconds(milliseconds: i64) -> f64 {
    milliseconds as f64 * 1e3
}

/// The values of a column at their times, in the order of times: NumPy's `interp`.
struct Polyline(Vec<Point>);

impl Polyline {
    fn new(column: &[f64], before: Option<LastValue>, times: &[i64]) -> Polyline {
        let earlier = before.map(|last| Point { x: microseconds(last.time), y: last.value });
        let own = column.iter().zip(times).filter(|(y, _)| !y.is_nan());
        let own = own.map(|(y, time)| Point { x: microseconds(*time), y: *y });
        let mut points: Vec<Point> = earlier.into_iter().chain(own).collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        Polyline(points)
    }

    /// The value at a time, constant beyond the ends.
    fn at(&self, x: f64) -> f64 {
        let points = &self.0;
        let behind = points.partition_point(|point| point.x <= x);
        let Some(left) = behind.checked_sub(1).map(|place| points[place]) else {
            return points.first().map_or(f64::NAN, |first| first.y);
        };
        match points.get(behind) {
            Some(right) if left.x < x => between(x, left, *right, (right.y - left.y) / (right.x - left.x)),
            _ => left.y,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Column, Kind};
    use crate::subtasks::DynSubtask;
    use crate::subtasks::testing::applied;
    use proptest::prelude::*;

    const N: f64 = f64::NAN;

    fn filled(interpolate: Interpolate, column: &[f64]) -> String {
        format!("{:?}", applied(&interpolate, &[column.to_vec()]).unwrap()[0])
    }

    #[test]
    fn directions_limits_and_areas() {
        let column = [N, 1.0, N, N, 4.0, N];
        assert_eq!(filled(Interpolate::default(), &column), "[NaN, 1.0, 2.0, 3.0, 4.0, 4.0]");
        let both = Interpolate { limit_direction: Direction::Both, limit: Some(1), ..Default::default() };
        assert_eq!(filled(both, &column), "[1.0, 1.0, 2.0, 3.0, 4.0, 4.0]");
        let inside = Interpolate { limit_area: Some(Area::Inside), limit: Some(1), ..Default::default() };
        assert_eq!(filled(inside, &column), "[NaN, 1.0, 2.0, NaN, 4.0, NaN]");
        let back =
            Interpolate { limit_direction: Direction::Backward, limit_area: Some(Area::Outside), ..Default::default() };
        assert_eq!(filled(back, &column), "[1.0, 1.0, NaN, NaN, 4.0, NaN]");
    }

    /// `pandas.Series(column, index=pandas.to_datetime(times, unit="ms")).interpolate(method="time", ...)`, pandas 3.1.1.
    #[test]
    fn by_time_as_pandas_does() {
        let by_time = |interpolate: Interpolate, column: &[f64], times: &[f64]| {
            let seconds = times.iter().map(|time| time / 1000.0).collect();
            let mut message = Message::from_columns(&[column.to_vec(), seconds]);
            let time = Column { name: "at".into(), kind: Kind::Number, slot: 1 };
            let subtask = DynSubtask::new(Interpolate { method: InterpolationMethod::Time, ..interpolate });
            subtask.apply(&mut message, &Scope::numbers(1).with_time(Some(time))).map_err(|fault| fault.to_string())?;
            Ok::<String, String>(format!("{:?}", message.column(0)))
        };
        let (column, times) = ([N, 1.0, N, 10.0, N, N], [0.0, 1000.0, 4000.0, 10000.0, 11000.0, 20000.0]);
        let filled = |interpolate| by_time(interpolate, &column, &times).unwrap();
        assert_eq!(filled(Interpolate::default()), "[NaN, 1.0, 4.0, 10.0, 10.0, 10.0]");
        let both = Interpolate { limit_direction: Direction::Both, ..Default::default() };
        assert_eq!(filled(both.clone()), "[1.0, 1.0, 4.0, 10.0, 10.0, 10.0]");
        assert_eq!(filled(Interpolate { limit: Some(1), ..Default::default() }), "[NaN, 1.0, 4.0, 10.0, 10.0, NaN]");
        let inside = Interpolate { limit_area: Some(Area::Inside), ..both };
        assert_eq!(filled(inside), "[NaN, 1.0, 4.0, 10.0, NaN, NaN]");
        // Rows that are not in the order of their times.
        let unordered = by_time(Interpolate::default(), &[10.0, 1.0, N, N], &[10000.0, 1000.0, 4000.0, 3000.0]);
        assert_eq!(unordered.unwrap(), "[10.0, 1.0, 4.0, 3.0]");
        let equal = by_time(Interpolate::default(), &[1.0, N, N, 4.0, N], &[1000.0, 1000.0, 4000.0, 4000.0, 7000.0]);
        assert_eq!(equal.unwrap(), "[1.0, 1.0, 4.0, 4.0, 4.0]");
        let without = by_time(Interpolate::default(), &[1.0, N], &[1000.0, N]).unwrap_err();
        assert!(without.contains("time") && without.contains("Column at, row 1."), "{without}");
    }

    #[test]
    fn a_gap_goes_on_from_an_earlier_message() {
        let run = |interpolate: &Interpolate, messages: &[&[f64]]| {
            let mut learner = interpolate.learner();
            let of_message = |values: &&[f64]| {
                let mut values = values.to_vec();
                learner.learn_and_transform(&mut values);
                format!("{values:?}")
            };
            messages.iter().map(of_message).collect::<Vec<_>>().join(" ")
        };
        let messages = [&[N, 2.0][..], &[N], &[N], &[N, 10.0, N]];
        // What lies behind the last value goes out with it; the line begins at it as soon as the next one is known.
        assert_eq!(run(&Interpolate::default(), &messages), "[NaN, 2.0] [2.0] [2.0] [8.0, 10.0, 10.0]");
        let two = Interpolate { limit: Some(2), ..Default::default() };
        assert_eq!(run(&two, &messages), "[NaN, 2.0] [2.0] [2.0] [NaN, 10.0, 10.0]");
        let inside = Interpolate { limit_area: Some(Area::Inside), ..Default::default() };
        assert_eq!(run(&inside, &messages), "[NaN, 2.0] [NaN] [NaN] [8.0, 10.0, NaN]");
    }

    proptest! {
        /// Each message is what all rows so far would be if they were one: after a restart, too.
        #[test]
        fn messages_are_as_if_all_rows_so_far_were_one(
            column in proptest::collection::vec(prop_oneof![Just(N), -9.0..9.0f64], 1..30),
            size in 1..6_usize,
            limit in proptest::option::of(1..4_usize),
            (direction, area, by_time) in (0..3_usize, 0..3_usize, proptest::bool::ANY),
        ) {
            let interpolate = Interpolate {
                limit,
                limit_direction: [Direction::Forward, Direction::Backward, Direction::Both][direction],
                limit_area: [None, Some(Area::Inside), Some(Area::Outside)][area],
                ..Default::default()
            };
            let times: Vec<i64> = (0..column.len() as i64).map(|row| row * row + 3 * row).collect();
            let mut saved = interpolate.learner().save();
            for start in (0..column.len()).step_by(size) {
                let rows = start..(start + size).min(column.len());
                let mut learner = interpolate.learner();
                learner.load(&saved).unwrap();
                let (mut message, mut whole) = (column[rows.clone()].to_vec(), column[..rows.end].to_vec());
                if by_time {
                    learner.learn_and_transform_at(&mut message, &times[rows.clone()]);
                    interpolate.fill(&mut whole, None, Some(&times[..rows.end]));
                } else {
                    learner.learn_and_transform(&mut message);
                    interpolate.fill(&mut whole, None, None);
                }
                saved = learner.save();
                for (one, other) in message.iter().zip(&whole[rows]) {
                    prop_assert!((one - other).abs() <= 1e-12 || (one.is_nan() && other.is_nan()), "{one} {other}");
                }
            }
        }

        #[test]
        fn values_present_stay_and_filled_ones_lie_between(
            column in proptest::collection::vec(prop_oneof![Just(N), -1e6..1e6f64], 0..40)
        ) {
            let both = Interpolate { limit_direction: Direction::Both, ..Default::default() };
            let out = applied(&both, std::slice::from_ref(&column)).unwrap().remove(0);
            let present: Vec<f64> = column.iter().copied().filter(|x| !x.is_nan()).collect();
            let low = present.iter().copied().fold(f64::INFINITY, f64::min) - 1e-6;
            let high = present.iter().copied().fold(f64::NEG_INFINITY, f64::max) + 1e-6;
            for (before, after) in column.iter().zip(&out) {
                prop_assert!(before.is_nan() || before == after);
                prop_assert!(present.is_empty() || (low..=high).contains(after));
            }
        }
    }
}
