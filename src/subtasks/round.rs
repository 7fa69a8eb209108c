//! Rounds values.

use schemars::JsonSchema;
use serde::Deserialize;

use super::by_column::{ColumnSubtask, Flaw};
use super::{Refusal, Subtask, Traits};

/// Rounds to a number of decimals; halves to the even digit.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Round {
    /// How many digits stay behind the point; negative for tens and hundreds.
    decimals: i32,
}

impl Subtask for Round {
    const EQUALS: &'static str = "pandas.DataFrame.round";
    const TRAITS: Traits<Round> = Traits::by_column();

    fn check(&self) -> Result<(), Refusal> {
        if self.decimals.unsigned_abs() <= 300 {
            return Ok(());
        }
        Err(Refusal::new("decimals", "-300 to 300: a number has no more digits"))
    }
}

impl ColumnSubtask for Round {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        let power = power_of_ten(self.decimals.unsigned_abs());
        // As NumPy does, which rounds the product.
        match self.decimals {
            0 => values.iter_mut().for_each(|x| *x = x.round_ties_even()),
            1.. => values.iter_mut().for_each(|x| *x = (*x * power).round_ties_even() / power),
            _ => values.iter_mut().for_each(|x| *x = (*x / power).round_ties_even() * power),
        }
        Ok(())
    }
}

/// As NumPy multiplies it: from 10 to the 24th on, it is not the nearest number.
fn power_of_ten(exponent: u32) -> f64 {
    (0..exponent).fold(1.0, |power, _| power * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn halves_go_to_the_even_digit() {
        let rounded = |decimals, values: &[f64]| applied(&Round { decimals }, &[values.to_vec()]).unwrap();
        assert_eq!(rounded(0, &[0.5, 1.5, -0.5, 2.4]), [[0.0, 2.0, 0.0, 2.0]]);
        assert_eq!(rounded(1, &[0.25, 0.35, -1.05]), [[0.2, 0.4, -1.0]]);
        assert_eq!(rounded(-1, &[15.0, 25.0, 26.0]), [[20.0, 20.0, 30.0]]);
        assert!(rounded(2, &[f64::NAN])[0][0].is_nan());
        assert!(Round { decimals: 400 }.check().is_err());
        // What pandas 3.1 says, whose powers of ten are products.
        assert_eq!(rounded(25, &[8.648e-24]), [[8.6e-24]]);
        assert_eq!(rounded(30, &[1.452e-29, 1.679e-29]), [[1.5e-29, 1.7000000000000001e-29]]);
    }
}
