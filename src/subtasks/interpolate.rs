//! Fills gaps on straight lines.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_column::{ColumnSubtask, Flaw};
use super::{Refusal, Subtask, Traits};
use crate::kernels::select::{missing_runs, next_missing};

/// Fills missing values on the straight line between their neighbours.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Interpolate {
    /// How values between two neighbours are found.
    method: InterpolationMethod,
    /// How many missing values in a row are filled at the most; all if not given.
    limit: Option<usize>,
    /// From which side gaps are filled.
    limit_direction: Direction,
    /// Only gaps between values (`inside`), or only those before the first and after the last (`outside`).
    limit_area: Option<Area>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum InterpolationMethod {
    #[default]
    Linear,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Direction {
    #[default]
    Forward,
    Backward,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Area {
    Inside,
    Outside,
}

impl Subtask for Interpolate {
    const EQUALS: &'static str = "pandas.DataFrame.interpolate";
    const TRAITS: Traits<Interpolate> = Traits::by_column();

    fn check(&self) -> Result<(), Refusal> {
        Refusal::unless_positive(self.limit)
    }
}

impl ColumnSubtask for Interpolate {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        self.fill(values);
        Ok(())
    }
}

impl Interpolate {
    /// Goes from gap to gap; each has a value before it, after it, or both.
    fn fill(&self, column: &mut [f64]) {
        if next_missing(column, 0).is_none() {
            return;
        }
        let edges = missing_runs(column);
        for [start, end] in edges.as_chunks().0 {
            let after = (*end < column.len()).then_some(*end);
            self.fill_gap(column, *start..*end, start.checked_sub(1), after);
        }
    }

    fn fill_gap(&self, column: &mut [f64], gap: Range<usize>, before: Option<usize>, after: Option<usize>) {
        let inside = before.is_some() && after.is_some();
        let wanted = match self.limit_area {
            None => true,
            Some(Area::Inside) => inside,
            Some(Area::Outside) => !inside,
        };
        if !wanted {
            return;
        }
        let limit = self.limit.unwrap_or(usize::MAX).min(gap.len());
        let forward = if before.is_some() && self.limit_direction != Direction::Backward { limit } else { 0 };
        let backward = if after.is_some() && self.limit_direction != Direction::Forward { limit } else { 0 };
        let middle = (gap.start + forward).max(gap.end - backward);
        fill_line(column, gap.start..gap.start + forward, before, after);
        fill_line(column, middle..gap.end, before, after);
    }
}

/// NumPy's `interp`: the line from the left neighbour, constant beyond the ends.
fn fill_line(column: &mut [f64], rows: Range<usize>, before: Option<usize>, after: Option<usize>) {
    let (Some(left), Some(right)) = (before, after) else {
        let Some(end) = before.or(after) else { return };
        let value = column[end];
        return column[rows].fill(value);
    };
    let (low, high) = (column[left], column[right]);
    let slope = (high - low) / (right - left) as f64;
    for row in rows {
        let mut value = slope * (row - left) as f64 + low;
        if value.is_nan() {
            value = slope * (row as f64 - right as f64) + high;
        }
        column[row] = if value.is_nan() && low == high { low } else { value };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;
    use proptest::prelude::*;

    const N: f64 = f64::NAN;

    fn filled(interpolate: Interpolate, column: &[f64]) -> String {
        format!("{:?}", applied(&interpolate, &[column.to_vec()]).unwrap()[0])
    }

    #[test]
    fn directions_limits_and_areas() {
        let column = [N, 1.0, N, N, 4.0, N];
        assert_eq!(filled(Interpolate::default(), &column), "[NaN, 1.0, 2.0, 3.0, 4.0, 4.0]");
        let both = Interpolate { limit_direction: Direction::Both, limit: Some(1), ..Default::default() };
        assert_eq!(filled(both, &column), "[1.0, 1.0, 2.0, 3.0, 4.0, 4.0]");
        let inside = Interpolate { limit_area: Some(Area::Inside), limit: Some(1), ..Default::default() };
        assert_eq!(filled(inside, &column), "[NaN, 1.0, 2.0, NaN, 4.0, NaN]");
        let back =
            Interpolate { limit_direction: Direction::Backward, limit_area: Some(Area::Outside), ..Default::default() };
        assert_eq!(filled(back, &column), "[1.0, 1.0, NaN, NaN, 4.0, NaN]");
    }

    proptest! {
        #[test]
        fn values_present_stay_and_filled_ones_lie_between(
            column in proptest::collection::vec(prop_oneof![Just(N), -1e6..1e6f64], 0..40)
        ) {
            let both = Interpolate { limit_direction: Direction::Both, ..Default::default() };
            let out = applied(&both, std::slice::from_ref(&column)).unwrap().remove(0);
            let present: Vec<f64> = column.iter().copied().filter(|x| !x.is_nan()).collect();
            let low = present.iter().copied().fold(f64::INFINITY, f64::min) - 1e-6;
            let high = present.iter().copied().fold(f64::NEG_INFINITY, f64::max) + 1e-6;
            for (before, after) in column.iter().zip(&out) {
                prop_assert!(before.is_nan() || before == after);
                prop_assert!(present.is_empty() || (low..=high).contains(after));
            }
        }
    }
}
