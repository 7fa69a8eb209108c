//! A message inside the chain: columns of numbers and texts, an id per row.

use std::borrow::Cow;
use std::ops::Range;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::TextColumn;
use super::spare::Buffers;
use crate::pool::Scratch;

/// Up to *bucket size* rows of one epoch.
///
/// Shape of `numbers`: (number columns, rows), in standard layout, so that a column is one contiguous
/// run. Missing is NaN. Arrival stamps stay with the [`Bucket`](super::Bucket) at the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The epoch, which is the bucket's.
    pub epoch: u64,
    /// The place of each row in the input, from 0.
    pub ids: Vec<u64>,
    numbers: Array2<f64>,
    /// The columns of texts, in the schema's order.
    pub texts: Vec<TextColumn>,
}

impl Message {
    /// A message of `columns` number columns, each of `ids.len()` values.
    ///
    /// # Panics
    /// If the lengths disagree, which is an error of the caller, not of the data.
    pub fn new(epoch: u64, ids: Vec<u64>, numbers: Array2<f64>, texts: Vec<TextColumn>) -> Message {
        assert_eq!(numbers.ncols(), ids.len(), "one number a row in every column");
        assert!(texts.iter().all(|text| text.len() == ids.len()), "one text a row in every column");
        let standard = numbers.is_standard_layout();
        let numbers = if standard { numbers } else { numbers.as_standard_layout().into_owned() };
        Message { epoch, ids, numbers, texts }
    }

    /// Returns its buffers to this thread's pool, for the next message.
    pub fn recycle(self) {
        let (numbers, _) = self.numbers.into_raw_vec_and_offset();
        Buffers { ids: self.ids, numbers, texts: self.texts }.keep();
    }

    /// A message of numbers only, from columns of one length; ids count from 0.
    pub fn from_columns(columns: &[Vec<f64>]) -> Message {
        let rows = columns.first().map_or(0, Vec::len);
        let flat: Vec<f64> = columns.iter().flatten().copied().collect();
        let numbers = Array2::from_shape_vec((columns.len(), rows), flat).expect("columns of one length");
        Message::new(0, (0..rows as u64).collect(), numbers, Vec::new())
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.ids.len()
    }

    /// The bytes of its ids and cells.
    pub fn byte_len(&self) -> usize {
        let texts: usize = self.texts.iter().map(TextColumn::byte_len).sum();
        size_of_val(self.flat()) + size_of_val(&self.ids[..]) + texts
    }

    /// How many number columns it has.
    pub fn number_columns(&self) -> usize {
        self.numbers.nrows()
    }

    /// The values of a number column, one per row.
    pub fn column(&self, slot: usize) -> &[f64] {
        let rows = self.rows();
        &self.flat()[slot * rows..(slot + 1) * rows]
    }

    /// The numbers of a column.
    pub fn column_mut(&mut self, slot: usize) -> &mut [f64] {
        let rows = self.rows();
        &mut self.flat_mut()[slot * rows..(slot + 1) * rows]
    }

    /// All numbers, column after column.
    pub fn flat(&self) -> &[f64] {
        self.numbers.as_slice().expect("standard layout")
    }

    /// All numbers, column after column, to be changed.
    pub fn flat_mut(&mut self) -> &mut [f64] {
        self.numbers.as_slice_mut().expect("standard layout")
    }

    /// Sets all numbers, column after column.
    ///
    /// # Panics
    /// If they are not as many, which is an error of the caller.
    pub fn set_flat(&mut self, flat: &[f64]) {
        self.flat_mut().copy_from_slice(flat);
    }

    /// Appends a number column, one value per row.
    ///
    /// # Panics
    /// If it has another length, which is an error of the caller.
    pub fn push_column(&mut self, values: Vec<f64>) {
        let columns = self.numbers.nrows();
        let (mut flat, _) = std::mem::take(&mut self.numbers).into_raw_vec_and_offset();
        flat.extend(values);
        self.numbers = Array2::from_shape_vec((columns + 1, self.ids.len()), flat).expect("columns of one length");
    }

    /// Appends number columns of zeros.
    pub fn add_columns(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        let columns = self.numbers.nrows() + count;
        let (mut flat, _) = std::mem::take(&mut self.numbers).into_raw_vec_and_offset();
        flat.resize(columns * self.ids.len(), 0.0);
        self.numbers = Array2::from_shape_vec((columns, self.ids.len()), flat).expect("columns of one length");
    }

    /// Keeps the number columns in `slots`, in this order.
    pub fn select_columns(&mut self, slots: &[usize]) {
        let mut selected: Scratch<f64> = Scratch::default();
        slots.iter().for_each(|slot| selected.extend_from_slice(self.column(*slot)));
        let (mut flat, _) = std::mem::take(&mut self.numbers).into_raw_vec_and_offset();
        flat.clear();
        flat.extend_from_slice(&selected);
        self.numbers = Array2::from_shape_vec((slots.len(), self.ids.len()), flat).expect("columns of one length");
    }

    /// Keeps the text columns in `slots`, each once, in this order.
    pub fn select_texts(&mut self, slots: &[usize]) {
        let mut texts = std::mem::take(&mut self.texts);
        self.texts = slots.iter().map(|slot| std::mem::take(&mut texts[*slot])).collect();
    }

    /// Drops text columns by their slots.
    pub fn drop_texts(&mut self, slots: &[usize]) {
        let mut slot = 0;
        self.texts.retain(|_| {
            slot += 1;
            !slots.contains(&(slot - 1))
        });
    }

    /// A message of some of the rows, in the order given.
    pub fn take_rows(&self, rows: &[usize]) -> Message {
        let columns = self.numbers.nrows();
        let mut flat = Vec::with_capacity(columns * rows.len());
        for slot in 0..columns {
            let column = self.column(slot);
            flat.extend(rows.iter().map(|row| column[*row]));
        }
        let numbers = Array2::from_shape_vec((columns, rows.len()), flat).expect("columns of one length");
        let texts = self.texts.iter().map(|text| text.take_rows(rows)).collect();
        Message { epoch: self.epoch, ids: rows.iter().map(|row| self.ids[*row]).collect(), numbers, texts }
    }

    /// A copy of some of the rows, in the order given, in buffers of this thread's pool.
    pub fn copy_rows(&self, rows: impl Iterator<Item = usize> + Clone) -> Message {
        let Buffers { mut ids, mut numbers, mut texts } = Buffers::spare(self.texts.len());
        ids.extend(rows.clone().map(|row| self.ids[row]));
        for slot in 0..self.numbers.nrows() {
            let column = self.column(slot);
            numbers.extend(rows.clone().map(|row| column[row]));
        }
        for (copy, text) in texts.iter_mut().zip(&self.texts) {
            rows.clone().for_each(|row| copy.push(text.get(row)));
        }
        let shape = (self.numbers.nrows(), ids.len());
        let numbers = Array2::from_shape_vec(shape, numbers).expect("columns of one length");
        Message { epoch: self.epoch, ids, numbers, texts }
    }

    /// The rows of several messages of the same columns, at least one, one message behind the other. Those without rows
    /// may lack the columns that a step has appended.
    ///
    /// # Panics
    /// If there is none.
    pub fn joined(messages: &[Message]) -> Cow<'_, Message> {
        let filled: Vec<&Message> = messages.iter().filter(|message| message.rows() > 0).collect();
        let [first, _, ..] = filled[..] else { return Cow::Borrowed(filled.first().copied().unwrap_or(&messages[0])) };
        let ids: Vec<u64> = filled.iter().flat_map(|message| &message.ids).copied().collect();
        let columns = first.number_columns();
        let flat = (0..columns).flat_map(|slot| filled.iter().flat_map(move |message| message.column(slot)));
        let numbers = flat.copied().collect();
        let numbers = Array2::from_shape_vec((columns, ids.len()), numbers).expect("columns of one length");
        let mut texts = vec![TextColumn::default(); first.texts.len()];
        for (slot, text) in texts.iter_mut().enumerate() {
            filled
                .iter()
                .for_each(|message| (0..message.rows()).for_each(|row| text.push(message.texts[slot].get(row))));
        }
        Cow::Owned(Message { epoch: first.epoch, ids, numbers, texts })
    }

    /// The rows of several messages of the same columns, at least one, in the order of their ids; in buffers of this
    /// thread's pool, to which theirs return.
    ///
    /// Those without rows may lack the columns that a step has appended.
    pub fn woven(messages: Vec<Message>) -> Message {
        let (mut filled, empty): (Vec<Message>, Vec<Message>) =
            messages.into_iter().partition(|message| message.rows() > 0);
        if filled.len() < 2 {
            return filled.pop().or_else(|| empty.into_iter().next()).expect("at least one message");
        }
        let rows_of = |(place, message): (usize, &Message)| {
            let rows = message.ids.iter().zip(0..).map(move |(id, row)| (*id, place, row));
            rows.collect::<Vec<(u64, usize, usize)>>()
        };
        let mut order: Vec<(u64, usize, usize)> = filled.iter().enumerate().flat_map(rows_of).collect();
        order.sort_unstable();
        let Buffers { mut ids, mut numbers, mut texts } = Buffers::spare(filled[0].texts.len());
        ids.extend(order.iter().map(|(id, _, _)| id));
        for slot in 0..filled[0].numbers.nrows() {
            let columns: Vec<&[f64]> = filled.iter().map(|message| message.column(slot)).collect();
            numbers.extend(order.iter().map(|(_, place, row)| columns[*place][*row]));
        }
        for (slot, text) in texts.iter_mut().enumerate() {
            order.iter().for_each(|(_, place, row)| text.push(filled[*place].texts[slot].get(*row)));
        }
        let shape = (filled[0].numbers.nrows(), ids.len());
        let numbers = Array2::from_shape_vec(shape, numbers).expect("columns of one length");
        let woven = Message { epoch: filled[0].epoch, ids, numbers, texts };
        filled.into_iter().for_each(Message::recycle);
        woven
    }

    /// Keeps the rows whose flag is set; `keep` has one flag per row.
    pub fn retain(&mut self, keep: &[bool]) {
        if keep.iter().all(|keep| *keep) {
            return;
        }
        let (columns, rows) = self.numbers.dim();
        let (mut flat, _) = std::mem::take(&mut self.numbers).into_raw_vec_and_offset();
        let runs: Scratch<Range<usize>> = runs(keep).collect();
        let mut filled = 0;
        for column in 0..columns {
            for run in runs.iter() {
                flat.copy_within(column * rows + run.start..column * rows + run.end, filled);
                filled += run.len();
            }
        }
        flat.truncate(filled);
        let mut flags = keep.iter();
        self.ids.retain(|_| flags.next() == Some(&true));
        self.numbers = Array2::from_shape_vec((columns, self.ids.len()), flat).expect("columns of one length");
        for text in &mut self.texts {
            text.keep_runs(&runs);
        }
    }
}

/// The runs of set flags.
fn runs(keep: &[bool]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    keep.chunk_by(|a, b| a == b).filter_map(move |run| {
        let place = start..start + run.len();
        start = place.end;
        run[0].then_some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_holds_the_chosen_rows() {
        let mut message = Message::from_columns(&[vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]]);
        let mut text = TextColumn::default();
        [Some("a"), None, Some("c")].into_iter().for_each(|value| text.push(value));
        message.texts.push(text);
        assert_eq!(message.copy_rows(0..3), message);
        assert_eq!(message.copy_rows([2, 0].into_iter()), message.take_rows(&[2, 0]));
        assert_eq!(message.copy_rows(std::iter::empty()), message.take_rows(&[]));
    }

    #[test]
    fn messages_are_woven_in_the_order_of_their_ids() {
        let mut whole =
            Message::from_columns(&[vec![1.0, 2.0, 3.0, 4.0, 5.0], vec![6.0, f64::INFINITY, 8.0, 9.0, -0.0]]);
        let mut text = TextColumn::default();
        [Some("a"), None, Some(""), Some("d"), Some("e")].into_iter().for_each(|value| text.push(value));
        whole.texts.push(text);
        let parts = || [&[1, 4][..], &[0, 3], &[2]].map(|rows| whole.take_rows(rows));
        assert_eq!(Message::woven(parts().into()), whole);
        // One without rows lacks a column that was appended.
        let mut none = whole.take_rows(&[]);
        none.select_columns(&[0]);
        assert_eq!(Message::woven([vec![none.clone()], parts().into(), vec![none.clone()]].concat()), whole);
        assert_eq!(Message::woven(vec![none.clone(), whole.clone()]), whole);
        assert_eq!(Message::woven(vec![none.clone(), none.clone()]), none);
    }

    #[test]
    fn messages_are_joined_one_behind_the_other() {
        let mut whole = Message::from_columns(&[vec![1.0, 2.0, 3.0], vec![4.0, f64::INFINITY, -0.0]]);
        let mut text = TextColumn::default();
        [Some("a"), None, Some("")].into_iter().for_each(|value| text.push(value));
        whole.texts.push(text);
        let mut none = whole.take_rows(&[]);
        none.select_columns(&[0]);
        let (head, tail) = (whole.take_rows(&[2, 0]), whole.take_rows(&[1]));
        assert_eq!(*Message::joined(&[head, none.clone(), tail]), whole.take_rows(&[2, 0, 1]));
        assert_eq!(*Message::joined(&[none.clone(), whole.clone()]), whole);
        assert_eq!(*Message::joined(&[none.clone(), none.clone()]), none);
    }

    #[test]
    fn retain_keeps_columns_contiguous() {
        let mut message = Message::from_columns(&[vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]]);
        message.retain(&[true, false, true]);
        assert_eq!((message.column(0), message.column(1)), (&[1.0, 3.0][..], &[4.0, 6.0][..]));
        assert_eq!(message.ids, [0, 2]);
        message.retain(&[false, false]);
        assert_eq!((message.rows(), message.column(1)), (0, &[][..]));
    }
}
