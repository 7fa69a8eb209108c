//! The numbers that rows have in the output.

use serde::{Deserialize, Serialize};

/// The numbers that the rows of a bucket have in the output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// Runs by place; rows in no run have their place as number.
    pub runs: Vec<Run>,
    /// The number of the next redeliverable row on their connection.
    pub next: u64,
}

/// Rows with equidistant numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The place of the first row in the input.
    pub place: u64,
    /// How many rows there are.
    pub rows: u64,
    /// The number of the first row.
    pub first: u64,
    /// The distance from one number to the next.
    pub step: u64,
}

impl Numbers {
    /// Whether each row has its place as number.
    pub fn is_plain(&self) -> bool {
        self.runs.iter().all(|run| run.step == 1 && run.first == run.place)
    }

    /// The number of the row at a place.
    pub fn of(&self, place: u64) -> u64 {
        let run = self.runs.partition_point(|run| run.place <= place).checked_sub(1).map(|run| self.runs[run]);
        run.map_or(place, |Run { place: start, first, step, .. }| first + (place - start) * step)
    }

    /// The place of the row with a number; `None` if it is in no run.
    pub fn place_of(&self, number: u64) -> Option<u64> {
        self.runs.iter().find_map(|run| {
            let behind = number.checked_sub(run.first)?;
            (behind.is_multiple_of(run.step) && behind / run.step < run.rows).then(|| run.place + behind / run.step)
        })
    }
}
