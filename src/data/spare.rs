//! Buffer pools: each thread keeps the buffers of finished messages for the next ones.

use std::cell::RefCell;

use super::TextColumn;

/// Most buffers of a kind that a thread keeps: as many as messages of one row are in flight.
const MOST: usize = 256;
/// Most bytes of them.
const MOST_BYTES: usize = 8 << 20;

/// The buffers of a message, empty.
#[derive(Default)]
pub struct Buffers {
    pub ids: Vec<u64>,
    pub numbers: Vec<f64>,
    pub texts: Vec<TextColumn>,
}

/// A buffer that counts its capacity in bytes.
trait Room {
    fn bytes(&self) -> usize;
}

/// A thread's pool of buffers of one kind.
struct Spare<T> {
    kept: Vec<T>,
    bytes: usize,
}

thread_local! {
    static OF_MESSAGES: RefCell<Spare<Buffers>> = const { RefCell::new(Spare { kept: Vec::new(), bytes: 0 }) };
    static OF_LINES: RefCell<Spare<Vec<u8>>> = const { RefCell::new(Spare { kept: Vec::new(), bytes: 0 }) };
}

impl Room for Buffers {
    fn bytes(&self) -> usize {
        let texts: usize = self.texts.iter().map(TextColumn::capacity).sum();
        texts + size_of::<u64>() * (self.ids.capacity() + self.numbers.capacity())
    }
}

impl Room for Vec<u8> {
    fn bytes(&self) -> usize {
        self.capacity()
    }
}

impl<T: Room + Default> Spare<T> {
    fn pop(&mut self) -> T {
        let Some(buffer) = self.kept.pop() else { return T::default() };
        self.bytes -= buffer.bytes();
        buffer
    }

    fn push(&mut self, buffer: T) {
        let bytes = self.bytes + buffer.bytes();
        if bytes <= MOST_BYTES && self.kept.len() < MOST {
            self.bytes = bytes;
            self.kept.push(buffer);
        }
    }
}

impl Buffers {
    /// Buffers of a finished message, or new ones, with so many text columns.
    pub fn spare(texts: usize) -> Buffers {
        let mut buffers = OF_MESSAGES.with_borrow_mut(Spare::pop);
        buffers.texts.resize_with(texts, TextColumn::default);
        buffers
    }

    /// Returns them to this thread's pool.
    pub fn keep(mut self) {
        self.ids.clear();
        self.numbers.clear();
        self.texts.iter_mut().for_each(|text| text.truncate(0));
        OF_MESSAGES.with_borrow_mut(|spare| spare.push(self));
    }
}

/// An empty buffer for the lines of a message.
pub fn spare_lines() -> Vec<u8> {
    OF_LINES.with_borrow_mut(Spare::pop)
}

/// Returns the buffer of written lines to this thread's pool.
pub fn recycle_lines(mut lines: Vec<u8>) {
    lines.clear();
    OF_LINES.with_borrow_mut(|spare| spare.push(lines));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Message;

    #[test]
    fn buffers_come_back_empty_with_their_memory() {
        let mut message = Message::from_columns(&[vec![1.0, 2.0], vec![3.0, 4.0]]);
        let mut text = TextColumn::default();
        [Some("a"), None].into_iter().for_each(|value| text.push(value));
        message.texts.push(text);
        let place = message.flat().as_ptr();
        message.recycle();
        let buffers = Buffers::spare(2);
        assert!(buffers.ids.is_empty() && buffers.numbers.is_empty());
        assert_eq!(buffers.numbers.as_ptr(), place);
        assert_eq!(buffers.texts, [TextColumn::default(), TextColumn::default()]);
    }

    #[test]
    fn no_more_is_kept_than_allowed() {
        let message = || Message::from_columns(&[vec![0.0; MOST_BYTES / 3 / 8]]);
        let messages = [message(), message(), message()];
        messages.into_iter().for_each(Message::recycle);
        let kept = OF_MESSAGES.with_borrow(|spare| (spare.kept.len(), spare.bytes));
        assert!(kept.0 == 1 && kept.1 <= MOST_BYTES, "{kept:?}");
        drop(Buffers::spare(0));
        assert_eq!(OF_MESSAGES.with_borrow(|spare| spare.bytes), 0);
    }
}
