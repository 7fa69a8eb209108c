//! Sums of all rows so far.

use schemars::JsonSchema;
use serde::Deserialize;

use super::by_column::{ColumnSubtask, Flaw};
use super::{Learner, PartialFit, Subtask, Traits};
use crate::data::{from_bytes, to_bytes};

/// Replaces each value by the sum of all values up to it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cumsum {
    /// Whether missing values are left out; if not, all sums behind one are missing.
    skipna: bool,
}

impl Default for Cumsum {
    fn default() -> Cumsum {
        Cumsum { skipna: true }
    }
}

impl Subtask for Cumsum {
    const EQUALS: &'static str = "pandas.DataFrame.cumsum";
    const TRAITS: Traits<Cumsum> = Traits::by_column().partial_fit();
}

impl PartialFit for Cumsum {
    fn learner(&self) -> Box<dyn Learner> {
        Box::new(RunningSum { skipna: self.skipna, sum: 0.0 })
    }
}

impl ColumnSubtask for Cumsum {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        RunningSum { skipna: self.skipna, sum: 0.0 }.learn_and_transform(values);
        Ok(())
    }
}

/// The sum so far.
struct RunningSum {
    skipna: bool,
    sum: f64,
}

impl Learner for RunningSum {
    fn learn_and_transform(&mut self, values: &mut [f64]) {
        for x in values.iter_mut().filter(|x| !(self.skipna && x.is_nan())) {
            self.sum += *x;
            *x = self.sum;
        }
    }

    fn takes_infinity(&self) -> bool {
        true
    }

    fn save(&self) -> Vec<u8> {
        to_bytes(&self.sum)
    }

    fn load(&mut self, saved: &[u8]) -> Result<(), String> {
        from_bytes(saved).map(|sum| self.sum = sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn missing_is_left_out_or_stays() {
        let sums = |skipna| format!("{:?}", applied(&Cumsum { skipna }, &[vec![1.0, f64::NAN, 2.0]]).unwrap()[0]);
        assert_eq!(sums(true), "[1.0, NaN, 3.0]");
        assert_eq!(sums(false), "[1.0, NaN, NaN]");
    }

    #[test]
    fn over_the_stream_the_sum_goes_on_also_behind_a_restart() {
        let mut learner = Cumsum::default().learner();
        learner.learn_and_transform(&mut [1.0, 2.0]);
        let mut next = Cumsum::default().learner();
        next.load(&learner.save()).unwrap();
        let mut values = [4.0];
        next.learn_and_transform(&mut values);
        assert_eq!(values, [7.0]);
    }
}
