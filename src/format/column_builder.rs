//! Builds the columns of a message while its rows are read.

use ndarray::Array2;

use crate::data::spare::Buffers;
use crate::data::{Column, Kind, Message, Schema, TextColumn, cell};

/// Columns with capacity for every row of a bucket; a row is written cell by cell, then accepted or rejected.
pub(crate) struct ColumnBuilder {
    /// Column after column, `rows` values each.
    numbers: Vec<f64>,
    rows: usize,
    texts: Vec<TextColumn>,
    /// The ids of the rows so far.
    ids: Vec<u64>,
}

impl ColumnBuilder {
    pub fn new(schema: &Schema, rows: usize) -> ColumnBuilder {
        let Buffers { mut ids, mut numbers, texts } = Buffers::spare(schema.text_count());
        numbers.resize(schema.number_count() * rows, f64::NAN);
        ids.reserve(rows);
        ColumnBuilder { numbers, rows, texts, ids }
    }

    /// Rows accepted so far.
    fn filled(&self) -> usize {
        self.ids.len()
    }

    pub fn set_number(&mut self, slot: usize, x: f64) {
        let filled = self.filled();
        self.numbers[slot * self.rows + filled] = x;
    }

    pub fn set_text(&mut self, slot: usize, value: Option<&str>) {
        let filled = self.filled();
        let column = &mut self.texts[slot];
        // Of a key that occurs twice in a row the last one counts, as everywhere in JSON.
        column.truncate(filled);
        column.push(value);
    }

    /// Reads a cell by its column's kind.
    pub fn set_cell(&mut self, column: &Column, cell: &str) -> Result<(), String> {
        match column.kind {
            Kind::Text => self.set_text(column.slot, cell::text(cell)),
            Kind::Number => {
                let number = cell::number(cell);
                self.set_number(column.slot, number.ok_or_else(|| not_a_number(column, format_args!("{cell:?}")))?);
            }
        }
        Ok(())
    }

    /// Accepts the open row, with this id.
    pub fn accept(&mut self, id: u64) {
        self.ids.push(id);
        let filled = self.filled();
        for text in self.texts.iter_mut().filter(|text| text.len() < filled) {
            text.push(None);
        }
    }

    pub fn reject(&mut self) {
        let filled = self.filled();
        self.numbers.iter_mut().skip(filled).step_by(self.rows).for_each(|x| *x = f64::NAN);
        self.texts.iter_mut().for_each(|text| text.truncate(filled));
    }

    /// The accepted rows as the message of an epoch.
    pub fn finish(mut self, epoch: u64) -> Message {
        let filled = self.filled();
        let columns = self.numbers.len() / self.rows.max(1);
        if filled < self.rows {
            for slot in 1..columns {
                let start = slot * self.rows;
                self.numbers.copy_within(start..start + filled, slot * filled);
            }
            self.numbers.truncate(columns * filled);
        }
        let numbers = Array2::from_shape_vec((columns, filled), self.numbers).expect("columns of one length");
        Message::new(epoch, self.ids, numbers, self.texts)
    }
}

pub(crate) fn not_a_number(column: &Column, found: impl std::fmt::Display) -> String {
    format!("column {}: {found} is not a number", column.name)
}
