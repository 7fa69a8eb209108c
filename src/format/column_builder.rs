//! Builds the columns of a message while its rows are read.

use std::sync::Arc;

use ndarray::Array2;

use crate::data::cell::{self, DecimalMark};
use crate::data::spare::Buffers;
use crate::data::{Column, Kind, Message, Schema, TextColumn};
use crate::format::cell_hints;
use crate::format::cell_rules::{self, BadCell, CellRules};
use crate::format::units::Conversion;

/// Columns with capacity for every row of a bucket; a row is written cell by cell, then accepted or rejected.
pub(crate) struct ColumnBuilder {
    /// Column after column, `rows` values each.
    numbers: Vec<f64>,
    rows: usize,
    texts: Vec<TextColumn>,
    /// The ids of the rows so far.
    ids: Vec<u64>,
    rules: Option<Arc<CellRules>>,
    bad_cells: BadCells,
    /// Those of the open row, which count if it is accepted.
    open_bad_cells: BadCells,
    /// The slots of the open row whose cells had their own units.
    converted: Vec<usize>,
}

/// Cells that could not be read, and are missing.
#[derive(Debug, Default)]
pub struct BadCells {
    /// How many.
    pub count: u64,
    /// What is wrong with the first one.
    pub first: Option<String>,
}

impl BadCells {
    /// Adds others, of which none are left.
    fn add(&mut self, others: &mut BadCells) {
        // The fast path: nearly all rows have none.
        if others.count > 0 {
            let BadCells { count, first } = std::mem::take(others);
            self.count += count;
            self.first = self.first.take().or(first);
        }
    }
}

impl ColumnBuilder {
    pub fn new(schema: &Schema, rows: usize) -> ColumnBuilder {
        let Buffers { mut ids, mut numbers, texts } = Buffers::spare(schema.text_count());
        numbers.resize(schema.number_count() * rows, f64::NAN);
        ids.reserve(rows);
        let (bad_cells, open_bad_cells, converted) = Default::default();
        ColumnBuilder { numbers, rows, texts, ids, rules: None, bad_cells, open_bad_cells, converted }
    }

    /// The same, whose cells are read by rules.
    pub fn by(self, rules: Option<Arc<CellRules>>) -> ColumnBuilder {
        ColumnBuilder { rules, ..self }
    }

    /// Rows accepted so far.
    fn filled(&self) -> usize {
        self.ids.len()
    }

    #[inline]
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

    /// The text of the open row, if it has one so far.
    pub fn open_text(&self, slot: usize) -> Option<&str> {
        let (filled, column) = (self.filled(), &self.texts[slot]);
        if column.len() > filled { column.get(filled) } else { None }
    }

    /// Converts the number of the open row; one that stands for a missing value is missing.
    pub fn convert(&mut self, slot: usize, conversion: Conversion) {
        // What its cell says counts more than what its name says.
        if self.converted.contains(&slot) {
            return self.converted.retain(|converted| *converted != slot);
        }
        let number = self.open_number(slot);
        let missing = self.rules.as_ref().is_some_and(|rules| rules.is_missing_number(number));
        self.set_number(slot, if missing { f64::NAN } else { conversion.apply(number) });
    }

    /// The number of the open row, NaN if it has none so far.
    pub fn open_number(&self, slot: usize) -> f64 {
        self.numbers[slot * self.rows + self.filled()]
    }

    /// Whether the open row has no value in a column so far.
    pub fn is_missing(&self, column: &Column) -> bool {
        match column.kind {
            Kind::Number => self.open_number(column.slot).is_nan(),
            Kind::Text => self.open_text(column.slot).is_none(),
        }
    }

    /// Reads a cell by its column's kind.
    pub fn set_cell(&mut self, column: &Column, cell: &str) -> Result<(), String> {
        self.set_cell_by(column, cell, DecimalMark::Point)
    }

    /// Reads a cell by its column's kind, where its format has this decimal mark.
    pub fn set_cell_by(&mut self, column: &Column, cell: &str, mark: DecimalMark) -> Result<(), String> {
        match column.kind {
            Kind::Text => {
                let text = match &self.rules {
                    None => cell::text(cell),
                    Some(rules) => rules.text(cell),
                };
                self.set_text(column.slot, text);
            }
            Kind::Number => match cell_rules::number(self.rules.as_deref(), cell, mark) {
                Some(number) => self.set_number(column.slot, number),
                None => return self.set_other(column, cell, mark),
            },
        }
        Ok(())
    }

    /// The cell of a number column that is no number alone.
    #[cold]
    fn set_other(&mut self, column: &Column, cell: &str, mark: DecimalMark) -> Result<(), String> {
        let rules = self.rules.clone();
        match rules.as_ref().and_then(|rules| rules.number_of_unit(&column.name, cell, mark)) {
            Some(number) => {
                self.set_number(column.slot, number);
                self.converted.push(column.slot);
                Ok(())
            }
            None => self.refuse(column, || cell_hints::not_a_number(&column.name, cell, mark, rules.as_deref())),
        }
    }

    /// A cell that its column can't hold: the row's error, or a missing value where the rules say so.
    pub fn refuse(&mut self, column: &Column, reason: impl FnOnce() -> String) -> Result<(), String> {
        if self.rules.as_ref().is_none_or(|rules| rules.bad_cell == BadCell::Row) {
            return Err(reason());
        }
        self.open_bad_cells.first.get_or_insert_with(reason);
        self.open_bad_cells.count += 1;
        self.clear(column);
        Ok(())
    }

    /// The open row has no value in a column.
    pub fn clear(&mut self, column: &Column) {
        match column.kind {
            Kind::Number => self.set_number(column.slot, f64::NAN),
            Kind::Text => self.set_text(column.slot, None),
        }
    }

    /// Counts the bad cells of the open row of another builder, which is not accepted there.
    pub fn add_bad_cells_of(&mut self, other: &mut ColumnBuilder) {
        self.bad_cells.add(&mut other.open_bad_cells);
    }

    /// The cells that could not be read since the last call.
    pub fn take_bad_cells(&mut self) -> BadCells {
        std::mem::take(&mut self.bad_cells)
    }

    /// Takes a cell of the open row of another builder.
    pub fn copy_cell(&mut self, column: &Column, from: &ColumnBuilder) {
        match column.kind {
            Kind::Number => self.set_number(column.slot, from.numbers[column.slot * from.rows + from.filled()]),
            Kind::Text => self.set_text(column.slot, from.texts[column.slot].get(from.filled())),
        }
    }

    /// Whether no cell of the open row has a value.
    pub fn is_open_row_blank(&self) -> bool {
        let numbers = self.numbers.len().checked_div(self.rows).unwrap_or(0);
        (0..numbers).all(|slot| self.open_number(slot).is_nan())
            && (0..self.texts.len()).all(|slot| self.open_text(slot).is_none())
    }

    /// Accepts the open row, with this id.
    pub fn accept(&mut self, id: u64) {
        self.ids.push(id);
        self.converted.clear();
        self.bad_cells.add(&mut self.open_bad_cells);
        let filled = self.filled();
        for text in self.texts.iter_mut().filter(|text| text.len() < filled) {
            text.push(None);
        }
    }

    /// Discards the open row.
    pub fn reject(&mut self) {
        let filled = self.filled();
        self.open_bad_cells = BadCells::default();
        self.converted.clear();
        self.numbers.iter_mut().skip(filled).step_by(self.rows).for_each(|x| *x = f64::NAN);
        self.texts.iter_mut().for_each(|text| text.truncate(filled));
    }

    /// The accepted rows as the message of an epoch.
    pub fn finish(mut self, epoch: u64) -> Message {
        let filled = self.filled();
        if let Some(rules) = self.rules.take().filter(|rules| rules.has_missing_numbers()) {
            let missing = self.numbers.iter_mut().filter(|x| rules.is_missing_number(**x));
            missing.for_each(|x| *x = f64::NAN);
        }
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
