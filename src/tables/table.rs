//! Resolved tables, and groups of tables that share their state.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{
    Accumulator, Aggregate, ChangeFormat, Group, Grouping, KeyCell, Late, RequiredStatistics, Score, ScoreAccumulator,
    ScoredRow, TableRow, Values, grouping, window,
};
use crate::data::{Column, Kind, Message, Schema};

/// A table whose columns are resolved.
#[derive(Clone, Debug)]
pub struct Table {
    /// The table's name.
    pub name: String,
    /// The rows and keys of a line.
    pub grouping: Grouping,
    /// The aggregated number columns.
    pub columns: Vec<Column>,
    /// The aggregates of each column.
    pub aggregates: Vec<Aggregate>,
    /// Predictions that are measured beside their labels.
    pub score: Option<Score>,
    /// The expected interval between rows of a key, in milliseconds.
    pub interval: Option<i64>,
    /// The joined reference file.
    pub join: Option<Join>,
    /// How its changes are written.
    pub changes: ChangeFormat,
}

/// The join of a table with its reference.
#[derive(Clone, Debug)]
pub struct Join {
    /// The place of the join key among the table's keys.
    pub key: usize,
    /// The columns it adds.
    pub columns: Vec<(String, Kind)>,
}

impl Table {
    /// A name that two of its columns would have, if any.
    pub fn twice(&self) -> Option<String> {
        // Results have columns for their position, and changes for their kind.
        let mut seen = HashSet::from(["message", "row", "change"].map(str::to_owned));
        self.names_and_kinds().map(|(name, _)| name).find(|name| !seen.insert(name.clone()))
    }

    /// The columns of a line: keys, the window, `rows`, the aggregates of each column, the reference's columns.
    pub fn schema(&self) -> Schema {
        Schema::new(self.names_and_kinds())
    }

    fn names_and_kinds(&self) -> impl Iterator<Item = (String, Kind)> {
        let keys = self.grouping.keys.iter().map(|column| (column.name.clone(), column.kind));
        let window = self.grouping.window.iter().map(|_| ("window".to_owned(), Kind::Text));
        let rows = [("rows".to_owned(), Kind::Number)];
        let joined = self.join.iter().flat_map(|join| join.columns.clone());
        keys.chain(window).chain(rows).chain(self.aggregate_columns()).chain(self.score_columns()).chain(joined)
    }

    fn aggregate_columns(&self) -> impl Iterator<Item = (String, Kind)> {
        let of_column = |column: &Column| {
            let name = column.name.clone();
            self.aggregates.iter().map(move |aggregate| (format!("{name}_{}", aggregate.name()), Kind::Number))
        };
        self.columns.iter().flat_map(of_column)
    }

    fn score_columns(&self) -> impl Iterator<Item = (String, Kind)> {
        self.score.iter().flat_map(Score::names).map(|name| (name, Kind::Number))
    }

    /// The columns of which values are needed: those that are aggregated, and those of its score.
    fn inputs(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().chain(self.score.iter().flat_map(Score::inputs))
    }

    /// The cells of a line behind its keys and window, without the reference's. `places` are the places of the table's
    /// columns and of its score in the accumulator.
    pub fn line(&self, summary: &Accumulator, (places, of_score): &(Vec<usize>, Option<usize>)) -> Vec<KeyCell> {
        let length = self.grouping.window.as_ref().map_or(f64::NAN, |window| window.length as f64);
        let expected = self.interval.map_or(f64::NAN, |interval| length / interval as f64);
        let columns = places.iter().map(|place| &summary.columns[*place]);
        let figures = columns.flat_map(|column| self.aggregates.iter().map(|a| a.of(column, expected).into()));
        let measured = self.score.iter().zip(of_score);
        let measured = measured.flat_map(|(score, place)| score.values(&summary.scores[*place]).map(KeyCell::from));
        [(summary.rows as f64).into()].into_iter().chain(figures).chain(measured).collect()
    }
}

/// The event times of a key in a message, as far as they decide which rows are too late.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyTimes {
    /// The values of the key columns.
    pub keys: Vec<KeyCell>,
    /// The latest event time, in milliseconds since 1970.
    pub latest: i64,
    /// Ends of windows, each with the ids of the rows that are in no later window.
    pub ends: Vec<(i64, Vec<u64>)>,
}

impl KeyTimes {
    fn new(keys: Vec<KeyCell>, latest: i64) -> KeyTimes {
        KeyTimes { keys, latest, ends: Vec::new() }
    }

    /// The ids of the rows that are too late where windows up to `horizon` have expired.
    pub fn late(self, horizon: i64) -> impl Iterator<Item = u64> {
        self.ends.into_iter().filter(move |(end, _)| *end <= horizon).flat_map(|(_, ids)| ids)
    }
}

/// A score, and the places of its columns in the values of a row.
#[derive(Clone, Debug)]
struct PlacedScore {
    score: Score,
    prediction: usize,
    label: usize,
    probability: Option<usize>,
    probabilities: Vec<usize>,
}

/// Tables with one grouping, which share their state.
#[derive(Clone, Debug)]
pub struct SharedGrouping {
    /// The rows and keys of a line.
    pub grouping: Grouping,
    /// The columns of which any of them needs the values.
    pub columns: Vec<Column>,
    /// The statistics kept of each column.
    pub wanted: Vec<RequiredStatistics>,
    /// The scores of any of them.
    scores: Vec<PlacedScore>,
    /// The tables, with their numbers in the dataflow.
    pub tables: Vec<(usize, Table)>,
}

impl SharedGrouping {
    /// The name of the first of the tables.
    pub fn name(&self) -> &str {
        &self.tables[0].1.name
    }

    /// The places of a table's columns among `columns`, and of its score among `scores`.
    pub fn places(&self, table: &Table) -> (Vec<usize>, Option<usize>) {
        let score = table.score.as_ref().and_then(|score| self.score_place(score));
        (table.columns.iter().map(|column| self.place(column)).collect(), score)
    }

    fn place(&self, column: &Column) -> usize {
        self.columns.iter().position(|other| other == column).expect("the columns of all tables are there")
    }

    fn score_place(&self, score: &Score) -> Option<usize> {
        self.scores.iter().position(|placed| placed.score == *score)
    }

    /// Adds a row: a value for each of `columns`.
    fn add_row(&self, summary: &mut Accumulator, values: &[f64]) {
        summary.add(values.iter().copied(), &self.wanted);
        summary.scores.resize_with(self.scores.len(), ScoreAccumulator::default);
        for (placed, sums) in self.scores.iter().zip(&mut summary.scores) {
            let probabilities: Vec<f64> = placed.probabilities.iter().map(|place| values[*place]).collect();
            let row = ScoredRow {
                prediction: values[placed.prediction],
                label: values[placed.label],
                probability: placed.probability.map_or(f64::NAN, |place| values[place]),
                probabilities: &probabilities,
            };
            sums.add(&placed.score, row);
        }
    }

    /// The event time of each row of a message, in milliseconds since 1970; 0 if there are no windows, `None` for a row
    /// without one.
    pub fn times(&self, message: &Message) -> Vec<Option<i64>> {
        (0..message.rows()).map(|row| self.grouping.time(message, row)).collect()
    }

    /// The rows whose event time is too far ahead of `now`, in milliseconds since 1970.
    pub fn early(&self, times: &[Option<i64>], now: i64) -> Vec<usize> {
        if self.grouping.window.is_none() {
            return Vec::new();
        }
        let latest = now.saturating_add(self.grouping.max_future);
        timed(times).filter(|(_, time)| *time > latest).map(|(row, _)| row).collect()
    }

    /// The rows that are too late because of other rows of their key in the same message.
    pub fn late_within(&self, message: &Message, times: &[Option<i64>]) -> Vec<usize> {
        let Some((window, retention)) = self.grouping.window.as_ref().zip(self.grouping.retention) else {
            return Vec::new();
        };
        // The fast path: most messages do not reach back that far.
        let range = timed(times).map(|(_, time)| time).min().zip(timed(times).map(|(_, time)| time).max());
        if range.is_none_or(|(oldest, newest)| newest - retention <= oldest) {
            return Vec::new();
        }
        let (mut latest, mut late) = (HashMap::new(), Vec::new());
        for (row, time) in timed(times) {
            let latest = latest.entry(self.grouping.keys(message, row)).or_insert(time);
            if window.end(time) <= *latest - retention {
                late.push(row);
            }
            *latest = time.max(*latest);
        }
        late
    }

    /// Why a row is rejected whose event time is too far ahead.
    pub fn too_early(&self, message: &Message, row: usize) -> String {
        let most = shown(self.grouping.max_future);
        format!("{}: more than {most} ahead of this machine's clock (max_future)", self.dated(message, row))
    }

    /// Why a row whose windows have expired is rejected; `None` if it is only counted.
    pub fn too_late(&self, message: &Message, row: usize) -> Option<String> {
        let after = shown(self.grouping.retention.unwrap_or_default());
        let reason = || format!("{}: its window went {after} after its end (retention)", self.dated(message, row));
        (self.grouping.late == Late::DeadLetter).then(reason)
    }

    /// The table and a row's event time, for a reason.
    fn dated(&self, message: &Message, row: usize) -> String {
        let (name, window) = (self.name(), &self.grouping.window);
        let time = window.as_ref().map(|window| (&window.time, window.time(message, row).unwrap_or_default()));
        time.map_or_else(
            || name.to_owned(),
            |(column, time)| format!("table {name}: {} is {}", column.name, window::shown(time)),
        )
    }

    /// The event times that decide which windows expire: empty if none ever do.
    pub fn judged(&self, message: &Message, times: &[Option<i64>]) -> Vec<KeyTimes> {
        let Some(window) = self.grouping.window.as_ref().filter(|_| self.grouping.retention.is_some()) else {
            return Vec::new();
        };
        let mut judged: HashMap<Vec<KeyCell>, KeyTimes> = HashMap::new();
        for (row, time) in timed(times) {
            let keys = self.grouping.keys(message, row);
            let of_key = judged.entry(keys).or_insert_with_key(|keys| KeyTimes::new(keys.clone(), time));
            of_key.latest = of_key.latest.max(time);
            let (end, id) = (window.end(time), message.ids[row]);
            match of_key.ends.last_mut() {
                Some((last, ids)) if *last == end => ids.push(id),
                _ => of_key.ends.push((end, vec![id])),
            }
        }
        judged.into_values().collect()
    }

    /// What a message adds to each group. Rows without an event time are skipped.
    pub fn summaries(&self, message: &Message, times: &[Option<i64>]) -> Vec<(Group, Accumulator)> {
        let mut summaries: HashMap<Group, Accumulator> = HashMap::new();
        for (row, time) in timed(times) {
            let keys = self.grouping.keys(message, row);
            let values: Vec<f64> = self.columns.iter().map(|column| grouping::value(message, column, row)).collect();
            for window in self.grouping.windows(time) {
                let summary = summaries.entry(Group { keys: keys.clone(), window }).or_default();
                self.add_row(summary, &values);
            }
        }
        summaries.into_iter().collect()
    }

    /// The rows of a message for a table with upserts. Rows without an event time are skipped.
    pub fn rows(&self, message: &Message, times: &[Option<i64>]) -> Vec<TableRow> {
        timed(times).map(|(row, time)| self.grouping.row(message, row, time, &self.columns)).collect()
    }

    /// The accumulator of rows, each with its multiplicity.
    pub fn summary<'a>(&self, rows: impl Iterator<Item = (&'a Values, isize)>) -> Accumulator {
        let mut summary = Accumulator::default();
        for (values, times) in rows {
            let values: Vec<f64> = values.iter().map(|x| x.0).collect();
            (0..times).for_each(|_| self.add_row(&mut summary, &values));
        }
        summary
    }

    fn add(&mut self, number: usize, table: Table) {
        for column in table.inputs() {
            if !self.columns.contains(column) {
                self.columns.push(column.clone());
                self.wanted.push(RequiredStatistics::default());
            }
        }
        for column in &table.columns {
            let place = self.place(column);
            table.aggregates.iter().for_each(|aggregate| aggregate.wants(&mut self.wanted[place]));
        }
        if let Some(score) = table.score.as_ref().filter(|score| self.score_place(score).is_none()) {
            let (prediction, label) = (self.place(&score.prediction), self.place(&score.label));
            let probability = score.probability.as_ref().map(|column| self.place(column));
            let probabilities = score.probabilities.iter().map(|column| self.place(column)).collect();
            self.scores.push(PlacedScore { score: score.clone(), prediction, label, probability, probabilities });
        }
        self.tables.push((number, table));
    }
}

/// Milliseconds in a readable form.
fn shown(milliseconds: i64) -> humantime::FormattedDuration {
    humantime::format_duration(std::time::Duration::from_millis(milliseconds.unsigned_abs()))
}

fn timed(times: &[Option<i64>]) -> impl Iterator<Item = (usize, i64)> {
    times.iter().enumerate().filter_map(|(row, time)| Some((row, (*time)?)))
}

/// Groups tables with equal groupings.
pub fn share(tables: &[Table]) -> Vec<SharedGrouping> {
    let mut shared: Vec<SharedGrouping> = Vec::new();
    for (number, table) in tables.iter().enumerate() {
        let grouping = &table.grouping;
        let place = shared.iter().position(|shared| shared.grouping == *grouping).unwrap_or_else(|| {
            let (columns, wanted, scores, tables) = Default::default();
            shared.push(SharedGrouping { grouping: grouping.clone(), columns, wanted, scores, tables });
            shared.len() - 1
        });
        shared[place].add(number, table.clone());
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::Window;

    fn table(name: &str, slots: &[usize], aggregates: Vec<Aggregate>) -> Table {
        let column = |slot: &usize| Column { name: format!("x{slot}"), kind: Kind::Number, slot: *slot };
        let key = Column { name: "k".into(), kind: Kind::Text, slot: 0 };
        Table {
            name: name.into(),
            grouping: Grouping {
                input: 0,
                keys: vec![key],
                window: None,
                upsert: Vec::new(),
                combine_first: false,
                delete: None,
                retention: None,
                max_future: 0,
                late: Late::default(),
            },
            columns: slots.iter().map(column).collect(),
            aggregates,
            score: None,
            interval: None,
            join: None,
            changes: ChangeFormat::default(),
        }
    }

    #[test]
    fn rows_are_late_behind_those_of_their_own_key() {
        let mut windowed = table("t", &[0], vec![Aggregate::Count]);
        let time = Column { name: "time".into(), kind: Kind::Number, slot: 0 };
        windowed.grouping.window = Some(Window { time, length: 1000, hop: 1000 });
        windowed.grouping.retention = Some(5000);
        windowed.grouping.max_future = 600;
        let shared = &share(&[windowed])[0];
        let mut message = Message::from_columns(&[vec![1.0, 20.0, 2.0, f64::NAN, 3.0, 14.0, 15.0]]);
        let mut keys = crate::data::TextColumn::default();
        ["a", "b", "a", "b", "b", "b", "b"].into_iter().for_each(|key| keys.push(Some(key)));
        message.texts.push(keys);
        let times = shared.times(&message);
        assert_eq!(shared.early(&times, 14_000), [1, 6]);
        assert_eq!(shared.early(&times, 20_000), [] as [usize; 0]);
        // The window of 14 ends at 15, 5 before 20.
        assert_eq!(shared.late_within(&message, &times), [4, 5]);
        assert_eq!(shared.late_within(&message, &times[..3]), [] as [usize; 0]);
        let mut judged = shared.judged(&message, &times);
        judged.sort_by(|one, other| one.keys.cmp(&other.keys));
        assert_eq!((judged[0].latest, judged[1].latest), (2000, 20_000));
        assert_eq!(judged[0].ends, [(2000, vec![0]), (3000, vec![2])]);
        assert_eq!(judged[1].clone().late(15_000).collect::<Vec<_>>(), [4, 5]);
    }

    #[test]
    fn tables_of_one_grouping_keep_what_any_of_them_wants() {
        let mut other = table("c", &[1], vec![Aggregate::Count]);
        other.grouping.keys.clear();
        let one = table("a", &[4, 1], vec![Aggregate::Mean]);
        let two = table("b", &[1, 7], vec![Aggregate::Max]);
        let shared = share(&[one.clone(), other, two.clone()]);
        assert_eq!(shared.len(), 2);
        let first = &shared[0];
        let slots: Vec<usize> = first.columns.iter().map(|column| column.slot).collect();
        assert_eq!((&slots[..], first.tables.len()), (&[4, 1, 7][..], 2));
        let both = RequiredStatistics { sum: true, extremes: true, ..RequiredStatistics::default() };
        assert_eq!(first.wanted[1], both);
        assert_eq!(first.places(&two), (vec![1, 2], None));
        let names: Vec<String> = one.schema().names().map(str::to_owned).collect();
        assert_eq!(names, ["k", "rows", "x4_mean", "x1_mean"]);
        let mut summary = Accumulator::default();
        summary.add([2.0, 3.0, 5.0].into_iter(), &first.wanted);
        assert_eq!(two.line(&summary, &first.places(&two)), [1.0.into(), 3.0.into(), 5.0.into()]);
    }
}
