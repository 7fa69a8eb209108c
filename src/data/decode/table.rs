//! The columns of a message while its rows are read.

use ndarray::Array2;

use crate::data::{Column, Kind, Schema, TextColumn, cell};

/// Columns with room for every row of a bucket; a row is written cell by cell, then accepted or rejected.
pub(super) struct Table {
    /// Column after column, `rows` values each.
    numbers: Vec<f64>,
    rows: usize,
    texts: Vec<TextColumn>,
    filled: usize,
}

impl Table {
    pub fn new(schema: &Schema, rows: usize) -> Table {
        Table {
            numbers: vec![f64::NAN; schema.number_count() * rows],
            rows,
            texts: vec![TextColumn::default(); schema.text_count()],
            filled: 0,
        }
    }

    pub fn set_number(&mut self, slot: usize, x: f64) {
        self.numbers[slot * self.rows + self.filled] = x;
    }

    pub fn set_text(&mut self, slot: usize, value: Option<&str>) {
        let column = &mut self.texts[slot];
        // A key that stands twice in a row: the last one counts, as everywhere in JSON.
        column.truncate(self.filled);
        column.push(value);
    }

    /// Reads a cell as its column's kind asks.
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

    pub fn accept(&mut self) {
        self.filled += 1;
        for text in self.texts.iter_mut().filter(|text| text.len() < self.filled) {
            text.push(None);
        }
    }

    pub fn reject(&mut self) {
        self.numbers.iter_mut().skip(self.filled).step_by(self.rows).for_each(|x| *x = f64::NAN);
        self.texts.iter_mut().for_each(|text| text.truncate(self.filled));
    }

    /// The accepted rows.
    pub fn finish(mut self) -> (Array2<f64>, Vec<TextColumn>) {
        let columns = self.numbers.len() / self.rows.max(1);
        if self.filled < self.rows {
            for slot in 1..columns {
                let start = slot * self.rows;
                self.numbers.copy_within(start..start + self.filled, slot * self.filled);
            }
            self.numbers.truncate(columns * self.filled);
        }
        let numbers = Array2::from_shape_vec((columns, self.filled), self.numbers).expect("columns of one length");
        (numbers, self.texts)
    }
}

pub(super) fn not_a_number(column: &Column, found: impl std::fmt::Display) -> String {
    format!("column {}: {found} is not a number", column.name)
}
