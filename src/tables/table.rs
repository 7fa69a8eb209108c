//! A table, and the tables that share what is kept of rows.

use std::collections::{HashMap, HashSet};

use super::{Aggregate, Cell, Changes, Group, Grouping, Summary, TableRow, Values, Wanted};
use crate::data::{Column, Kind, Message, Schema};

/// A table whose columns have been looked up.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub grouping: Grouping,
    /// The number columns that are summarised.
    pub columns: Vec<Column>,
    pub aggregates: Vec<Aggregate>,
    /// How far apart the rows of a key should be, in milliseconds.
    pub interval: Option<i64>,
    pub join: Option<Join>,
    pub changes: Changes,
}

/// Where a table's reference is joined.
#[derive(Clone, Debug)]
pub struct Join {
    /// The place of its key among the table's.
    pub key: usize,
    /// The columns it adds.
    pub columns: Vec<(String, Kind)>,
}

impl Table {
    /// A name that two of its columns would have.
    pub fn twice(&self) -> Option<String> {
        let mut seen = HashSet::new();
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
        keys.chain(window).chain(rows).chain(self.aggregate_columns()).chain(joined)
    }

    fn aggregate_columns(&self) -> impl Iterator<Item = (String, Kind)> {
        let of_column = |column: &Column| {
            let name = column.name.clone();
            self.aggregates.iter().map(move |aggregate| (format!("{name}_{}", aggregate.name()), Kind::Number))
        };
        self.columns.iter().flat_map(of_column)
    }

    /// The cells of a line behind its keys and window, without the reference's. `places` are those of the table's
    /// columns in the summary.
    pub fn line(&self, summary: &Summary, places: &[usize]) -> Vec<Cell> {
        let length = self.grouping.window.as_ref().map_or(f64::NAN, |window| window.length as f64);
        let expected = self.interval.map_or(f64::NAN, |interval| length / interval as f64);
        let columns = places.iter().map(|place| &summary.columns[*place]);
        let figures = columns.flat_map(|column| self.aggregates.iter().map(|a| a.of(column, expected).into()));
        [(summary.rows as f64).into()].into_iter().chain(figures).collect()
    }
}

/// Tables with one grouping: rows are kept once for all of them.
#[derive(Clone, Debug)]
pub struct Shared {
    pub grouping: Grouping,
    /// The slots of the number columns that any of them summarises.
    pub slots: Vec<usize>,
    /// What is kept of each.
    pub wanted: Vec<Wanted>,
    /// The tables, with their numbers in the dataflow.
    pub tables: Vec<(usize, Table)>,
}

impl Shared {
    /// The name of the first of the tables.
    pub fn name(&self) -> &str {
        &self.tables[0].1.name
    }

    /// The places of a table's columns among `slots`.
    pub fn places(&self, table: &Table) -> Vec<usize> {
        let place = |column: &Column| self.slots.iter().position(|slot| *slot == column.slot);
        table.columns.iter().map(|column| place(column).expect("the slots of all tables are there")).collect()
    }

    /// When each row of a message was measured, in milliseconds since 1970; 0 if there are no windows, `None` for a row
    /// that does not tell.
    pub fn times(&self, message: &Message) -> Vec<Option<i64>> {
        (0..message.rows()).map(|row| self.grouping.time(message, row)).collect()
    }

    /// What a message adds to each group. Rows without a time are left out.
    pub fn summaries(&self, message: &Message, times: &[Option<i64>]) -> Vec<(Group, Summary)> {
        let mut summaries: HashMap<Group, Summary> = HashMap::new();
        for (row, time) in timed(times) {
            let keys = self.grouping.keys(message, row);
            for window in self.grouping.windows(time) {
                let summary = summaries.entry(Group { keys: keys.clone(), window }).or_default();
                summary.add(self.slots.iter().map(|slot| message.column(*slot)[row]), &self.wanted);
            }
        }
        summaries.into_iter().collect()
    }

    /// The rows of a message as they replace others. Rows without a time are left out.
    pub fn rows(&self, message: &Message, times: &[Option<i64>]) -> Vec<TableRow> {
        timed(times).map(|(row, time)| self.grouping.row(message, row, time, &self.slots)).collect()
    }

    /// The summary of rows, each so many times.
    pub fn summary<'a>(&self, rows: impl Iterator<Item = (&'a Values, isize)>) -> Summary {
        let mut summary = Summary::default();
        for (values, times) in rows {
            (0..times).for_each(|_| summary.add(values.iter().map(|x| x.0), &self.wanted));
        }
        summary
    }

    fn add(&mut self, number: usize, table: Table) {
        for column in &table.columns {
            let place = self.slots.iter().position(|slot| *slot == column.slot).unwrap_or_else(|| {
                self.slots.push(column.slot);
                self.wanted.push(Wanted::default());
                self.slots.len() - 1
            });
            table.aggregates.iter().for_each(|aggregate| aggregate.wants(&mut self.wanted[place]));
        }
        self.tables.push((number, table));
    }
}

fn timed(times: &[Option<i64>]) -> impl Iterator<Item = (usize, i64)> {
    times.iter().enumerate().filter_map(|(row, time)| Some((row, (*time)?)))
}

/// Puts tables with equal groupings together.
pub fn share(tables: &[Table]) -> Vec<Shared> {
    let mut shared: Vec<Shared> = Vec::new();
    for (number, table) in tables.iter().enumerate() {
        let grouping = &table.grouping;
        let place = shared.iter().position(|shared| shared.grouping == *grouping).unwrap_or_else(|| {
            let (slots, wanted, tables) = Default::default();
            shared.push(Shared { grouping: grouping.clone(), slots, wanted, tables });
            shared.len() - 1
        });
        shared[place].add(number, table.clone());
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

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
                delete: None,
                retention: None,
            },
            columns: slots.iter().map(column).collect(),
            aggregates,
            interval: None,
            join: None,
            changes: Changes::default(),
        }
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
        assert_eq!((&first.slots[..], first.tables.len()), (&[4, 1, 7][..], 2));
        let both = Wanted { sum: true, extremes: true, ..Wanted::default() };
        assert_eq!(first.wanted[1], both);
        assert_eq!(first.places(&two), [1, 2]);
        let names: Vec<String> = one.schema().names().map(str::to_owned).collect();
        assert_eq!(names, ["k", "rows", "x4_mean", "x1_mean"]);
        let mut summary = Summary::default();
        summary.add([2.0, 3.0, 5.0].into_iter(), &first.wanted);
        assert_eq!(two.line(&summary, &first.places(&two)), [1.0.into(), 3.0.into(), 5.0.into()]);
    }
}
