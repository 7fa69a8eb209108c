//! Drops rows with missing values.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BatchSubtask, Fault, Refusal, Role, Scope, Subtask, Traits};
use crate::data::Message;
use crate::kernels::select::{count_missing, next_missing};
use crate::pool::Scratch;

/// Drops rows in which values of `subset` are missing.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Dropna {
    /// Drop a row if any value is missing, or only if all are; `any` if neither this nor `thresh` is given.
    how: Option<How>,
    /// Keep rows with at least so many values present.
    thresh: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum How {
    Any,
    All,
}

impl Subtask for Dropna {
    const EQUALS: &'static str = "pandas.DataFrame.dropna";
    const ROLE: Role = Role::Rows;
    const TRAITS: Traits<Dropna> = Traits::by_message();

    fn check(&self) -> Result<(), Refusal> {
        match (self.how, self.thresh) {
            (Some(_), Some(_)) => Err(Refusal::new("thresh", "give either `how` or `thresh`, not both")),
            _ => Ok(()),
        }
    }
}

impl BatchSubtask for Dropna {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        let columns = scope.numbers.len() + scope.texts.len();
        let needed = match (self.thresh, self.how) {
            (Some(thresh), _) => thresh,
            (None, Some(How::All)) => columns.min(1),
            (None, _) => columns,
        };
        let missing = missing(message, scope);
        let keep: Scratch<bool> = missing.iter().map(|missing| columns - *missing as usize >= needed).collect();
        message.retain(&keep);
        Ok(())
    }
}

/// How many values of each row in scope are missing.
fn missing(message: &Message, scope: &Scope) -> Scratch<u32> {
    let mut counts: Scratch<u32> = Scratch::default();
    counts.resize(message.rows(), 0);
    match &mut counts[..] {
        [count] => {
            let row = message.flat();
            *count = scope.numbers.iter().map(|slot| u32::from(row[*slot].is_nan())).sum();
        }
        counts => {
            for slot in &scope.numbers {
                let column = message.column(*slot);
                // Most columns have all their values.
                if let Some(first) = next_missing(column, 0) {
                    count_missing(&column[first..], &mut counts[first..]);
                }
            }
        }
    }
    for slot in &scope.texts {
        let present = message.texts[*slot].present();
        counts.iter_mut().zip(present).for_each(|(count, present)| *count += u32::from(!present));
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn any_all_and_thresh() {
        let n = f64::NAN;
        let columns = [vec![1.0, n, n], vec![1.0, 2.0, n]];
        let rows = |how, thresh| applied(&Dropna { how, thresh }, &columns).unwrap()[0].len();
        assert_eq!(rows(None, None), 1);
        assert_eq!(rows(Some(How::All), None), 2);
        assert_eq!(rows(None, Some(1)), 2);
        assert_eq!(rows(None, Some(0)), 3);
    }
}
