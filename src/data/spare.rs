//! Messages that are done: each thread keeps some, whose buffers serve the next.

use std::cell::RefCell;

use super::{Message, TextColumn};

/// Messages that a thread keeps: as many as are in flight at a row each.
const MOST: usize = 256;
/// What they hold at the most.
const MOST_BYTES: usize = 8 << 20;

/// What a message is made of, empty.
#[derive(Default)]
pub struct Buffers {
    pub ids: Vec<u64>,
    pub numbers: Vec<f64>,
    pub texts: Vec<TextColumn>,
}

/// The buffers that a thread keeps.
struct Spare {
    kept: Vec<Buffers>,
    bytes: usize,
}

thread_local!(static SPARE: RefCell<Spare> = const { RefCell::new(Spare { kept: Vec::new(), bytes: 0 }) });

impl Buffers {
    /// Those of a message that is done, if there is one, with so many text columns.
    pub fn spare(texts: usize) -> Buffers {
        let mut buffers = SPARE.with_borrow_mut(Spare::pop).unwrap_or_default();
        buffers.texts.resize_with(texts, TextColumn::default);
        buffers
    }

    /// What they have room for.
    fn bytes(&self) -> usize {
        let texts: usize = self.texts.iter().map(TextColumn::capacity).sum();
        texts + size_of::<u64>() * (self.ids.capacity() + self.numbers.capacity())
    }
}

impl Spare {
    fn pop(&mut self) -> Option<Buffers> {
        let buffers = self.kept.pop()?;
        self.bytes -= buffers.bytes();
        Some(buffers)
    }

    fn push(&mut self, buffers: Buffers) {
        let bytes = self.bytes + buffers.bytes();
        if bytes <= MOST_BYTES && self.kept.len() < MOST {
            self.bytes = bytes;
            self.kept.push(buffers);
        }
    }
}

impl Message {
    /// Leaves the buffers of a message that is done to the next one on this thread.
    pub fn recycle(self) {
        let mut buffers = self.into_buffers();
        buffers.ids.clear();
        buffers.numbers.clear();
        buffers.texts.iter_mut().for_each(|text| text.truncate(0));
        SPARE.with_borrow_mut(|spare| spare.push(buffers));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let kept = SPARE.with_borrow(|spare| (spare.kept.len(), spare.bytes));
        assert!(kept.0 == 1 && kept.1 <= MOST_BYTES, "{kept:?}");
        drop(Buffers::spare(0));
        assert_eq!(SPARE.with_borrow(|spare| spare.bytes), 0);
    }
}
