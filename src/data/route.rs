//! The workers that a message may be worked on by.

use serde::{Deserialize, Serialize};

/// Consecutive workers, and the one of them whose turn it is; the first worker of all by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    first: u32,
    workers: u32,
    turn: u64,
}

impl Route {
    /// Over `workers` workers from worker `first` on.
    pub fn over(first: usize, workers: usize, turn: u64) -> Route {
        Route { first: first as u32, workers: workers as u32, turn }
    }

    /// The worker that reads the message and encodes its results.
    pub fn home(self) -> u64 {
        self.worker(0)
    }

    /// The worker of an operator, where each has one of its own.
    pub fn worker(self, operator: usize) -> u64 {
        u64::from(self.first) + (self.turn + operator as u64) % u64::from(self.workers.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_among_its_workers() {
        assert_eq!(Route::default().worker(7), 0);
        let route = Route::over(4, 2, 3);
        assert_eq!((route.home(), route.worker(1), route.worker(2)), (5, 4, 5));
        let homes: Vec<u64> = (0..6).map(|epoch| Route::over(0, 3, epoch).home()).collect();
        assert_eq!(homes, [0, 1, 2, 0, 1, 2]);
    }
}
