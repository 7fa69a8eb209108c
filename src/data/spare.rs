//! Messages that are done: each thread keeps some small ones, whose buffers serve the next.

use std::cell::RefCell;

use super::{Message, TextColumn};

/// Messages that a thread keeps: as many as are in flight at a row each.
const MOST: usize = 256;
/// Larger messages are not kept: their buffers hold much, and take little of their time.
const ROWS: usize = 64;

/// What a message is made of, empty.
#[derive(Default)]
pub struct Buffers {
    pub ids: Vec<u64>,
    pub numbers: Vec<f64>,
    pub texts: Vec<TextColumn>,
}

thread_local!(static SPARE: RefCell<Vec<Buffers>> = const { RefCell::new(Vec::new()) });

impl Buffers {
    /// Those of a message that is done, if there is one, with so many text columns.
    pub fn spare(texts: usize) -> Buffers {
        let mut buffers = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
        buffers.texts.resize_with(texts, TextColumn::default);
        buffers
    }
}

impl Message {
    /// Leaves the buffers of a message that is done to the next one on this thread.
    pub fn recycle(self) {
        let Buffers { mut ids, mut numbers, mut texts } = self.into_buffers();
        if ids.capacity() > ROWS {
            return;
        }
        ids.clear();
        numbers.clear();
        texts.iter_mut().for_each(|text| text.truncate(0));
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < MOST {
                spare.push(Buffers { ids, numbers, texts });
            }
        });
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
}
