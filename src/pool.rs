//! Pooled buffers, reused from message to message: each thread keeps a stack of them for each type.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut, Range};
use std::thread::LocalKey;

/// A vector that returns to its thread's stack when it is dropped, and keeps its memory there.
#[derive(Debug)]
pub struct Scratch<T: Pooled>(Vec<T>);

type Stack<T> = RefCell<Vec<Vec<T>>>;

/// Types whose buffers are pooled.
pub trait Pooled: Sized + 'static {
    /// The free buffers of this thread.
    fn stack() -> &'static LocalKey<Stack<Self>>;
}

macro_rules! pooled {
    ($($type:ty),*) => {$(
        impl Pooled for $type {
            fn stack() -> &'static LocalKey<Stack<Self>> {
                thread_local!(static STACK: Stack<$type> = const { RefCell::new(Vec::new()) });
                &STACK
            }
        }
    )*};
}

pooled!(f64, i64, u64, u32, usize, bool, Range<usize>);

impl<T: Pooled> Default for Scratch<T> {
    /// An empty buffer, from the pool if it has one.
    fn default() -> Scratch<T> {
        Scratch(T::stack().with_borrow_mut(Vec::pop).unwrap_or_default())
    }
}

impl<T: Pooled> Drop for Scratch<T> {
    fn drop(&mut self) {
        self.0.clear();
        let buffer = std::mem::take(&mut self.0);
        // While a thread ends, its stack may already be gone: then the buffer is freed.
        let _ = T::stack().try_with(|stack| stack.borrow_mut().push(buffer));
    }
}

impl<T: Pooled> FromIterator<T> for Scratch<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Scratch<T> {
        let mut scratch = Scratch::default();
        scratch.extend(values);
        scratch
    }
}

impl<T: Pooled> Deref for Scratch<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T: Pooled> DerefMut for Scratch<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_with_its_memory() {
        let first: Scratch<u32> = (0..1000).collect();
        let place = first.as_ptr();
        drop(first);
        let second: Scratch<u32> = Scratch::default();
        assert!(second.is_empty() && second.capacity() >= 1000);
        assert_eq!(second.as_ptr(), place);
    }
}
