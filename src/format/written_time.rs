//! The time of the open row, written anew as all behind it read it; and the cells that make it together.

use std::sync::Arc;

use super::column_builder::ColumnBuilder;
use super::decoding::Decoding;
use super::time_rules::{TimeColumn, TimeRules, TimeUnit};
use crate::data::{Column, DateOrder, Kind, Schema};

/// The column of the time.
#[derive(Clone)]
pub(super) struct WrittenTime {
    place: usize,
    /// The places of the cells that make it together.
    from: Vec<usize>,
    rules: TimeRules,
    /// What is to be told of its numbers, once; empty once it was taken.
    doubt: Option<String>,
}

/// How the time of a row is to be read.
#[derive(Clone, Copy, Default)]
pub(super) struct TimeReading {
    /// The order of day and month that other rows tell.
    pub order: Option<DateOrder>,
    /// Of a local time that stands twice, it is the second one.
    pub second: bool,
    /// The cells under the row's header make it already.
    pub joined: bool,
}

impl WrittenTime {
    /// The schema by which rows are read: behind its columns, texts of the time's cells that are no columns.
    pub fn reading(schema: &Arc<Schema>, decoding: &Decoding) -> Arc<Schema> {
        let cells = decoding.time.iter().flat_map(|time| &time.from);
        let own = |cell: &&String| cell_place(cell, schema, decoding).is_none();
        let others: Vec<(String, Kind)> = cells.filter(own).map(|cell| (cell.clone(), Kind::Text)).collect();
        if others.is_empty() { schema.clone() } else { Arc::new(Schema::clone(schema).with(others)) }
    }

    /// Of rows that are read by `schema`.
    pub fn of(time: &TimeColumn, schema: &Schema, decoding: &Decoding) -> Option<WrittenTime> {
        let place = schema.place(&time.name)?;
        let from = time.from.iter().filter_map(|cell| cell_place(cell, schema, decoding)).collect();
        Some(WrittenTime { place, from, rules: time.rules.clone(), doubt: None })
    }

    /// Of a column that needs nothing but what rows themselves tell.
    pub fn plain(place: usize) -> WrittenTime {
        WrittenTime { place, from: Vec::new(), rules: TimeRules::default(), doubt: None }
    }

    /// What is to be told of numbers that may be no seconds: the column, and the text.
    pub fn take_doubt(&mut self, schema: &Schema) -> Option<(String, String)> {
        let doubt = self.doubt.as_mut().filter(|doubt| !doubt.is_empty())?;
        Some((schema.columns()[self.place].name.clone(), std::mem::take(doubt)))
    }

    /// Writes the time of the open row anew.
    pub fn write(&mut self, reading: TimeReading, schema: &Schema, table: &mut ColumnBuilder) -> Result<(), String> {
        let column = &schema.columns()[self.place];
        if column.kind == Kind::Number {
            return self.write_number(column, table);
        }
        let own = || table.open_text(column.slot).is_some() && !self.from.contains(&self.place);
        if !self.from.is_empty() && !reading.joined && !own() {
            let joined = self.joined(schema, table);
            table.set_text(column.slot, joined.as_deref());
        }
        let Some(text) = table.open_text(column.slot) else { return Ok(()) };
        match self.rules.normalized(text, reading.order, reading.second) {
            Ok(None) => {
                if let Ok(number) = text.parse() {
                    doubt(&mut self.doubt, number, column, &self.rules);
                }
                Ok(())
            }
            Ok(Some(time)) => {
                table.set_text(column.slot, Some(&time));
                Ok(())
            }
            Err(reason) => {
                let reason = format!("column {}: {text:?} {reason}", column.name);
                table.refuse(column, || reason)
            }
        }
    }

    fn write_number(&mut self, column: &Column, table: &mut ColumnBuilder) -> Result<(), String> {
        let number = table.open_number(column.slot);
        if number.is_nan() {
            return Ok(());
        }
        match self.rules.of_number(number) {
            Ok(time) if self.rules.unit.is_some_and(|unit| unit != TimeUnit::S) => {
                table.set_number(column.slot, time as f64 / 1e3);
                Ok(())
            }
            Ok(_) => {
                doubt(&mut self.doubt, number, column, &self.rules);
                Ok(())
            }
            Err(reason) => table.refuse(column, || format!("column {}: {number} {reason}", column.name)),
        }
    }

    /// The cells of the time, one behind the other; `None` if one is missing.
    fn joined(&self, schema: &Schema, table: &ColumnBuilder) -> Option<String> {
        let mut joined = String::new();
        for place in &self.from {
            let column = &schema.columns()[*place];
            if !joined.is_empty() {
                joined.push(' ');
            }
            match column.kind {
                Kind::Text => joined.push_str(whole(table.open_text(column.slot)?.trim())),
                Kind::Number if table.is_missing(column) => return None,
                Kind::Number => joined.push_str(&table.open_number(column.slot).to_string()),
            }
        }
        Some(joined)
    }
}

/// A cell without the fraction of a whole number, as some writers of JSON have it: `2024.0`.
fn whole(cell: &str) -> &str {
    let digits = |whole: &&str| !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit());
    cell.strip_suffix(".0").filter(digits).unwrap_or(cell)
}

/// Where a cell of the time is read to: the column with its key or path, or of this name.
fn cell_place(cell: &str, schema: &Schema, decoding: &Decoding) -> Option<usize> {
    decoding.keys.place(schema, cell).or_else(|| schema.place(cell))
}

/// Keeps what the first number tells that is hardly one of seconds.
#[inline]
fn doubt(kept: &mut Option<String>, number: f64, column: &Column, rules: &TimeRules) {
    if kept.is_some() {
        return;
    }
    *kept = rules.doubt(number).map(|advice| {
        let name = &column.name;
        let time = rules.of_number(number).ok().and_then(|time| jiff::Timestamp::from_millisecond(time).ok());
        let time = time.map_or_else(String::new, |time| format!(", {time}"));
        format!("{name}: {number} is taken for seconds since 1970{time}: {advice}: [schema.time]")
    });
}
