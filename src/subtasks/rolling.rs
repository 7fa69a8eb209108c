//! Statistics over a window of rows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_column::{ColumnSubtask, Flaw};
use super::streaming::Carried;
use super::{Learner, PartialFit, Refusal, Subtask, Traits};
use crate::pool::Scratch;

/// Replaces each value by a statistic over the rows up to it; infinity counts as missing.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rolling {
    /// Rows in the window, the value's own among them.
    window: usize,
    /// The statistic.
    method: Statistic,
    /// How many values must be present for a result; `window` if not given.
    min_periods: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Statistic {
    #[default]
    Mean,
    Sum,
    Min,
    Max,
    Var,
    Std,
}

impl Default for Rolling {
    fn default() -> Rolling {
        Rolling { window: 3, method: Statistic::Mean, min_periods: None }
    }
}

impl Subtask for Rolling {
    const EQUALS: &'static str = "pandas.DataFrame.rolling";
    const TRAITS: Traits<Rolling> = Traits::by_column().partial_fit();

    fn check(&self) -> Result<(), Refusal> {
        if self.window == 0 {
            return Err(Refusal::new("window", "window must be an integer 1 or greater"));
        }
        match self.min_periods {
            Some(needed) if needed > self.window => {
                Err(Refusal::new("min_periods", format!("min_periods {needed} must be <= window {}", self.window)))
            }
            _ => Ok(()),
        }
    }
}

impl PartialFit for Rolling {
    fn learner(&self) -> Box<dyn Learner> {
        let own = self.clone();
        Box::new(Carried::new(self.window - 1, move |column: &mut [f64]| own.roll_anew(column)))
    }
}

impl ColumnSubtask for Rolling {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        self.roll(values);
        Ok(())
    }
}

impl Rolling {
    fn needed(&self) -> usize {
        self.min_periods.unwrap_or(self.window)
    }

    fn roll(&self, column: &mut [f64]) {
        if !matches!(self.method, Statistic::Var | Statistic::Std) {
            return self.roll_anew(column);
        }
        let before: Scratch<f64> = column.iter().copied().collect();
        variances(&before, self.window, self.needed(), column);
        if self.method == Statistic::Std {
            column.iter_mut().for_each(|x| *x = deviation(*x));
        }
    }

    /// Computes each window from scratch, so that no rounding error of a value that has left it stays: the result does
    /// not depend on where messages begin and end.
    fn roll_anew(&self, column: &mut [f64]) {
        let before: Scratch<f64> = column.iter().copied().collect();
        let statistic: fn(&[f64]) -> f64 = match self.method {
            Statistic::Mean => mean,
            Statistic::Sum => sum,
            Statistic::Min => |values| values.iter().copied().fold(f64::NAN, f64::min),
            Statistic::Max => |values| values.iter().copied().fold(f64::NAN, f64::max),
            Statistic::Var => variance,
            Statistic::Std => |values| deviation(variance(values)),
        };
        let mut present = Scratch::default();
        for (row, x) in column.iter_mut().enumerate() {
            let window = &before[(row + 1).saturating_sub(self.window)..=row];
            present.clear();
            present.extend(window.iter().copied().filter(|x| x.is_finite()));
            *x = if present.len() < self.needed() { f64::NAN } else { statistic(&present) };
        }
    }
}

fn sum(values: &[f64]) -> f64 {
    let sum = values.iter().sum::<f64>() + 0.0;
    match values {
        _ if sum.is_finite() => sum,
        [first, ..] if are_equal(values) => first * values.len() as f64,
        _ => compensated(values),
    }
}

fn mean(values: &[f64]) -> f64 {
    let sum = values.iter().sum::<f64>();
    match values {
        [first, ..] if !sum.is_finite() && are_equal(values) => *first,
        _ => (if sum.is_finite() { sum } else { compensated(values) }) / values.len() as f64,
    }
}

fn are_equal(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

/// A sum that overflows, as pandas adds it up: after an infinity, Kahan's compensation makes the sum NaN.
fn compensated(values: &[f64]) -> f64 {
    let (mut sum, mut compensation) = (0.0, 0.0);
    for x in values {
        let y = x - compensation;
        let next = sum + y;
        compensation = next - sum - y;
        sum = next;
    }
    sum
}

/// The standard deviation; a variance that rounding made negative counts as 0.
fn deviation(variance: f64) -> f64 {
    if variance < 0.0 { 0.0 } else { variance.sqrt() }
}

/// The variance of a window's values alone.
fn variance(values: &[f64]) -> f64 {
    let mut running = Running::default();
    values.iter().for_each(|x| running.add(*x));
    running.variance()
}

/// Variances as pandas computes them: each value is added to the running sum of squares and later removed, which leaves
/// rounding errors; once they may dominate, the window is summed anew.
fn variances(values: &[f64], window: usize, needed: usize, to: &mut [f64]) {
    let mut running = Running::default();
    for (row, to) in to.iter_mut().enumerate() {
        let start = (row + 1).saturating_sub(window);
        if window > 1 {
            if start > 0 {
                running.remove(values[start - 1]);
            }
            running.add(values[row]);
        }
        if window == 1 || running.is_unstable {
            running = Running::default();
            values[start..=row].iter().for_each(|x| running.add(*x));
            running.is_unstable = false;
        }
        *to = if running.count < needed { f64::NAN } else { running.variance() };
    }
}

/// Welford's running variance with Kahan's compensation, as `roll_var` in pandas 3 keeps it.
#[derive(Default)]
struct Running {
    count: usize,
    mean: f64,
    squares: f64,
    added: f64,
    removed: f64,
    /// Whether the sum of squares may be rounding error alone.
    is_unstable: bool,
}

impl Running {
    /// What is left of the squares below this share has at most three digits.
    const CANCELLED: f64 = f64::EPSILON * 1e3;

    fn add(&mut self, x: f64) {
        if !x.is_finite() {
            return;
        }
        let squares_before = self.squares;
        self.count += 1;
        let mean_before = self.mean - self.added;
        let y = x - self.added;
        let step = y - self.mean;
        self.added = step + self.mean - y;
        self.mean += step / self.count as f64;
        self.squares += (x - mean_before) * (x - self.mean);
        self.is_unstable |= squares_before * Self::CANCELLED > self.squares;
    }

    fn remove(&mut self, x: f64) {
        if !x.is_finite() {
            return;
        }
        let squares_before = self.squares;
        self.count -= 1;
        if self.count == 0 {
            (self.mean, self.squares, self.is_unstable) = (0.0, 0.0, false);
            return;
        }
        let mean_before = self.mean - self.removed;
        let y = x - self.removed;
        let step = y - self.mean;
        self.removed = step + self.mean - y;
        self.mean -= step / self.count as f64;
        self.squares -= (x - mean_before) * (x - self.mean);
        self.is_unstable |= squares_before * Self::CANCELLED > self.squares;
    }

    fn variance(&self) -> f64 {
        match self.count {
            0 | 1 => f64::NAN,
            count => self.squares / (count - 1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    fn rolled(method: Statistic, min_periods: usize) -> String {
        let rolling = Rolling { window: 2, method, min_periods: Some(min_periods) };
        format!("{:?}", applied(&rolling, &[vec![1.0, 3.0, f64::NAN, 5.0]]).unwrap()[0])
    }

    #[test]
    fn every_statistic() {
        assert_eq!(rolled(Statistic::Mean, 1), "[1.0, 2.0, 3.0, 5.0]");
        assert_eq!(rolled(Statistic::Sum, 2), "[NaN, 4.0, NaN, NaN]");
        assert_eq!(rolled(Statistic::Min, 1), "[1.0, 1.0, 3.0, 5.0]");
        assert_eq!(rolled(Statistic::Max, 1), "[1.0, 3.0, 3.0, 5.0]");
        assert_eq!(rolled(Statistic::Var, 1), "[NaN, 2.0, NaN, NaN]");
        assert_eq!(rolled(Statistic::Std, 1), "[NaN, 1.4142135623730951, NaN, NaN]");
    }

    /// Each window as pandas 3.1.1 has it alone: in a longer column, an infinity stays in its sums.
    #[test]
    fn sums_beyond_the_range_end_where_pandas_does() {
        let rolled = |method, column: &[f64]| {
            let rolling = Rolling { window: 3, method, min_periods: None };
            applied(&rolling, &[column.to_vec()]).unwrap()[0][2..].to_vec()
        };
        let column = [1.0, 1e308, 1e308, 1.0, 1e308, 1e308, 1e308, 1.0];
        let (sums, means) = (rolled(Statistic::Sum, &column), rolled(Statistic::Mean, &column));
        assert_eq!(format!("{sums:?}"), "[inf, NaN, inf, inf, inf, NaN]");
        assert_eq!(format!("{means:?}"), "[inf, NaN, inf, inf, 1e308, NaN]");
    }

    /// `pandas.Series(values).rolling(window, min_periods=needed).std()`, pandas 3.1.1.
    #[test]
    fn deviations_are_those_of_pandas_behind_a_large_value() {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        for (values, window, needed, expected) in [
            (
                &[4294967295.0, 0.0, 0.5, 1.0, 0.25, 0.5, 1.5][..],
                3,
                1,
                &[
                    nan,
                    3037000499.268943,
                    2479700523.784551,
                    0.5,
                    0.3818813079129867,
                    0.3818813079129867,
                    0.6614378277661477,
                ][..],
            ),
            (&[1e300, 1.0, 2.0, 4.0, 3.0][..], 2, 2, &[nan, inf, nan, nan, nan][..]),
            (
                &[10000000.0, 5e-08, 6e-08, 7e-08, 5e-08][..],
                3,
                3,
                &[nan, nan, 5773502.691896226, 1.0000000000000005e-08, 1.0000000000000005e-08][..],
            ),
            (&[1000.0, 0.0, 0.0, 0.0][..], 3, 3, &[nan, nan, 577.3502691896258, 0.0][..]),
            (
                &[-3.0, -3.0, -4.0, nan, 1e18, -4.0, -3.0, -3.0, -3.0][..],
                3,
                2,
                &[
                    nan,
                    0.0,
                    0.5773502691896257,
                    0.7071067811865474,
                    7.071067811865476e17,
                    7.071067811865476e17,
                    5.773502691896259e17,
                    0.5773502691896258,
                    0.0,
                ][..],
            ),
        ] {
            let rolling = Rolling { window, method: Statistic::Std, min_periods: Some(needed) };
            let found = applied(&rolling, &[values.to_vec()]).unwrap();
            for (row, (found, expected)) in found[0].iter().zip(expected).enumerate() {
                let close = (found - expected).abs() <= 1e-12 * expected.abs();
                let equal = close || found == expected || (found.is_nan() && expected.is_nan());
                assert!(equal, "{values:?}, row {row}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn over_the_stream_the_window_goes_on() {
        let mut learner = Rolling { window: 3, method: Statistic::Sum, min_periods: Some(1) }.learner();
        let mut apply = |mut values: Vec<f64>| {
            learner.learn_and_transform(&mut values);
            values
        };
        assert_eq!(apply(vec![1.0, 2.0]), [1.0, 3.0]);
        assert_eq!(apply(vec![4.0]), [7.0]);
        assert_eq!(apply(vec![8.0, 16.0]), [14.0, 28.0]);
    }

    #[test]
    fn over_the_stream_no_message_leaves_its_rounding_in_another() {
        let values = [4294967295.0, 0.0, 0.5, 1.0, 0.25, 0.5, 1.5];
        let rolled = |size: usize| {
            let mut learner = Rolling { window: 3, method: Statistic::Std, min_periods: Some(2) }.learner();
            let of_message = |message: &[f64]| {
                let mut message = message.to_vec();
                learner.learn_and_transform(&mut message);
                message
            };
            format!("{:?}", values.chunks(size).flat_map(of_message).collect::<Vec<f64>>())
        };
        // pandas, given the last window alone, has 0.6614378277661477.
        assert!(rolled(7).ends_with(", 0.6614378277661477]"), "{}", rolled(7));
        for size in 1..7 {
            assert_eq!(rolled(size), rolled(7), "{size} rows a message");
        }
    }

    #[test]
    fn more_values_than_the_window_holds_are_refused() {
        let rolling = Rolling { min_periods: Some(4), ..Rolling::default() };
        assert_eq!(rolling.check().unwrap_err().parameter, "min_periods");
    }
}
