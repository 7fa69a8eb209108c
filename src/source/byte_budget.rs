//! A bound on the bytes in flight between two threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// How often a waiting sender checks for free budget.
const ROOM_INTERVAL: Duration = Duration::from_millis(1);

/// A budget of bytes; the first entry is always admitted, however large.
#[derive(Debug)]
pub struct ByteBudget {
    most: usize,
    held: AtomicUsize,
    closed: AtomicBool,
}

impl ByteBudget {
    pub fn new(most: usize) -> ByteBudget {
        ByteBudget { most, held: AtomicUsize::new(0), closed: AtomicBool::new(false) }
    }

    /// Waits for free budget and takes it; false once the receiver is gone.
    pub fn enter(&self, bytes: usize) -> bool {
        while !self.is_free_for(bytes) {
            if self.closed.load(Ordering::Acquire) {
                return false;
            }
            std::thread::sleep(ROOM_INTERVAL);
        }
        self.held.fetch_add(bytes, Ordering::AcqRel);
        true
    }

    /// Returns bytes to the budget.
    pub fn leave(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// Whether a sender would have to wait now.
    pub fn is_full(&self) -> bool {
        self.held.load(Ordering::Acquire) >= self.most
    }

    /// Whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The receiver is gone: no more budget is freed.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn is_free_for(&self, bytes: usize) -> bool {
        let held = self.held.load(Ordering::Acquire);
        held == 0 || held.saturating_add(bytes) <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_waits_until_there_is_some_or_never_will_be() {
        let room = ByteBudget::new(10);
        assert!(room.enter(50) && room.is_full(), "the first of all");
        let entered = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert!(room.enter(8));
                entered.store(true, Ordering::Release);
                assert!(!room.enter(3));
            });
            std::thread::sleep(Duration::from_millis(20));
            assert!(!entered.load(Ordering::Acquire));
            room.leave(50);
            while !entered.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            assert!(!room.is_full());
            room.close();
        });
    }
}
