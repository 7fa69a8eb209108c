//! Functions of numpy, value by value.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_column::{ColumnSubtask, Flaw};
use super::{Subtask, Traits};

/// Replaces each value by what a function makes of it; where it has none, the value is missing.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionTransformer {
    /// The function, as numpy names it.
    func: NamedFunction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum NamedFunction {
    Abs,
    Sqrt,
    Square,
    Exp,
    Expm1,
    Log,
    Log1p,
    Log2,
    Log10,
    Sin,
    Cos,
    Tanh,
    Negative,
    Sign,
}

impl Subtask for FunctionTransformer {
    const EQUALS: &'static str = "sklearn.preprocessing.FunctionTransformer of a numpy function";
    const TRAITS: Traits<FunctionTransformer> = Traits::by_column();
}

impl ColumnSubtask for FunctionTransformer {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        let function: fn(f64) -> f64 = match self.func {
            NamedFunction::Abs => f64::abs,
            NamedFunction::Sqrt => f64::sqrt,
            NamedFunction::Square => |x| x * x,
            NamedFunction::Exp => f64::exp,
            NamedFunction::Expm1 => f64::exp_m1,
            NamedFunction::Log => f64::ln,
            NamedFunction::Log1p => f64::ln_1p,
            NamedFunction::Log2 => f64::log2,
            NamedFunction::Log10 => f64::log10,
            NamedFunction::Sin => f64::sin,
            NamedFunction::Cos => f64::cos,
            NamedFunction::Tanh => f64::tanh,
            NamedFunction::Negative => |x| -x,
            // Unlike `signum`, 0 stays 0.
            NamedFunction::Sign => |x| if x == 0.0 || x.is_nan() { x } else { x.signum() },
        };
        values.iter_mut().for_each(|x| *x = function(*x));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn values_become_those_of_the_function() {
        let of = |func, column: Vec<f64>| applied(&FunctionTransformer { func }, &[column]).unwrap().remove(0);
        assert_eq!(of(NamedFunction::Square, vec![-3.0, 0.5]), [9.0, 0.25]);
        assert_eq!(of(NamedFunction::Sign, vec![-3.0, 0.0, 2.0]), [-1.0, 0.0, 1.0]);
        assert_eq!(of(NamedFunction::Log10, vec![1000.0, 0.0]), [1000.0_f64.log10(), f64::NEG_INFINITY]);
        assert!(of(NamedFunction::Sqrt, vec![-1.0])[0].is_nan() && of(NamedFunction::Abs, vec![f64::NAN])[0].is_nan());
    }
}
