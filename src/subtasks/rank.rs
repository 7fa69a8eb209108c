//! Ranks of values.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_column::{ColumnSubtask, Flaw};
use super::{Subtask, Traits};
use crate::pool::Scratch;

/// Replaces each value by its rank in the column, from 1 on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rank {
    /// The rank of equal values: the `average`, `min` or `max` of theirs, `first` in the order of the rows, or `dense`:
    /// as `min`, with ranks that go up by 1.
    method: RankMethod,
    /// What missing values get: `keep` for none, `top` for the lowest rank, `bottom` for the highest.
    na_option: NaOption,
    /// Whether the least value has rank 1.
    ascending: bool,
    /// Whether ranks are fractions of the largest.
    pct: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum RankMethod {
    #[default]
    Average,
    Min,
    Max,
    First,
    Dense,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum NaOption {
    #[default]
    Keep,
    Top,
    Bottom,
}

impl Default for Rank {
    fn default() -> Rank {
        Rank { method: RankMethod::Average, na_option: NaOption::Keep, ascending: true, pct: false }
    }
}

impl Subtask for Rank {
    const EQUALS: &'static str = "pandas.DataFrame.rank";
    const TRAITS: Traits<Rank> = Traits::by_column();
}

impl ColumnSubtask for Rank {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        let own: Scratch<f64> = values.iter().copied().collect();
        let keep = self.na_option == NaOption::Keep;
        let mut rows: Scratch<usize> = (0..values.len()).filter(|row| !(keep && values[*row].is_nan())).collect();
        // Rows in their order break ties, so that an unstable sort, which allocates nothing, is a stable one.
        rows.sort_unstable_by(|a, b| self.order(own[*a], own[*b]).then(a.cmp(b)));
        let (ranked, mut before, mut dense) = (rows.len(), 0, 0);
        for ties in rows.chunk_by(|a, b| self.order(own[*a], own[*b]).is_eq()) {
            dense += 1;
            for (place, row) in ties.iter().enumerate() {
                values[*row] = match self.method {
                    RankMethod::Average => before as f64 + (ties.len() as f64 + 1.0) / 2.0,
                    RankMethod::Min => (before + 1) as f64,
                    RankMethod::Max => (before + ties.len()) as f64,
                    RankMethod::First => (before + place + 1) as f64,
                    RankMethod::Dense => dense as f64,
                };
            }
            before += ties.len();
        }
        if self.pct {
            let largest = if self.method == RankMethod::Dense { dense } else { ranked } as f64;
            values.iter_mut().for_each(|rank| *rank /= largest);
        }
        Ok(())
    }
}

impl Rank {
    fn order(&self, a: f64, b: f64) -> Ordering {
        match (a.is_nan(), b.is_nan()) {
            (false, false) if self.ascending => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (false, false) => b.partial_cmp(&a).unwrap_or(Ordering::Equal),
            (a, b) if self.na_option == NaOption::Top => b.cmp(&a),
            (a, b) => a.cmp(&b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    /// What pandas 3.1 says of the same values.
    #[test]
    fn ranks_as_pandas_has_them() {
        let usual = Rank::default();
        let of = |rank: Rank| format!("{:?}", applied(&rank, &[vec![7.0, f64::NAN, 2.0, 7.0, -0.0, 0.0]]).unwrap()[0]);
        assert_eq!(of(usual.clone()), "[4.5, NaN, 3.0, 4.5, 1.5, 1.5]");
        assert_eq!(of(Rank { method: RankMethod::Min, ..usual.clone() }), "[4.0, NaN, 3.0, 4.0, 1.0, 1.0]");
        assert_eq!(of(Rank { method: RankMethod::Max, ..usual.clone() }), "[5.0, NaN, 3.0, 5.0, 2.0, 2.0]");
        assert_eq!(of(Rank { method: RankMethod::First, ..usual.clone() }), "[4.0, NaN, 3.0, 5.0, 1.0, 2.0]");
        let dense = Rank { method: RankMethod::Dense, ..usual.clone() };
        assert_eq!(of(dense.clone()), "[3.0, NaN, 2.0, 3.0, 1.0, 1.0]");
        assert_eq!(of(Rank { ascending: false, na_option: NaOption::Top, ..dense }), "[2.0, 1.0, 3.0, 2.0, 4.0, 4.0]");
        assert_eq!(of(Rank { na_option: NaOption::Bottom, ..usual.clone() }), "[4.5, 6.0, 3.0, 4.5, 1.5, 1.5]");
        assert_eq!(of(Rank { pct: true, ..usual }), "[0.9, NaN, 0.6, 0.9, 0.3, 0.3]");
    }
}
