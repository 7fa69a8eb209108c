//! Makes columns more like a normal distribution by a power transform.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_column::{ColumnSubtask, Flaw, one_by_one, refuse_infinite, refuse_row};
use super::frozen::frozen_unless;
use super::standard_scaler::StandardScaler;
use super::{Fault, Fit, Learned, Scope, Subtask, Traits, Transform};
use crate::data::Message;
use crate::kernels::box_cox::{box_cox_lambda, transform_from_centre};
use crate::kernels::likelihood::Likelihood;
use crate::kernels::moments::{moments, surely_vary};
use crate::kernels::power::{box_cox, signed_logs, yeo_johnson};
use crate::kernels::select::any_not_finite;
use crate::pool::Scratch;

const ALL_MISSING: &str = "Column must not be all nan.";

/// Applies the power transform that makes a column most like a normal distribution.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PowerTransformer {
    /// `box-cox` takes positive values only.
    method: PowerMethod,
    /// Whether the result is scaled to mean 0 and variance 1.
    standardize: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum PowerMethod {
    #[default]
    YeoJohnson,
    BoxCox,
}

impl Default for PowerTransformer {
    fn default() -> PowerTransformer {
        PowerTransformer { method: PowerMethod::default(), standardize: true }
    }
}

impl Subtask for PowerTransformer {
    const EQUALS: &'static str = "sklearn.preprocessing.PowerTransformer";
    const TRAITS: Traits<PowerTransformer> = Traits::by_column().fit();
}

impl Fit for PowerTransformer {
    fn fit(&self, message: &Message, scope: &Scope) -> Result<Learned, Fault> {
        scope.refuse(message, self.refusal())?;
        let (mut lambdas, mut means, mut scales) = (Vec::new(), Vec::new(), Vec::new());
        for (slot, name) in scope.named() {
            let mut column = message.column(slot).to_vec();
            let lambda =
                self.transform(&mut column).map_err(|reason| Fault::new(format!("{reason} Column {name}.")))?;
            column.iter_mut().zip(message.column(slot)).for_each(|(y, x)| *y = self.transformed(*x, lambda));
            let (mean, scale) = StandardScaler::default().learn(&column);
            lambdas.push(lambda);
            means.push(mean);
            scales.push(scale);
        }
        let learned = Learned::default().with("lambdas_", lambdas);
        Ok(if self.standardize { learned.with("mean_", means).with("scale_", scales) } else { learned })
    }

    fn freeze(&self, learned: &Learned, columns: usize) -> Result<Transform, String> {
        let lambdas = learned.numbers("lambdas_", columns)?;
        let scaled = |name, neutral| {
            if self.standardize { learned.numbers(name, columns) } else { Ok(vec![neutral; columns]) }
        };
        let (means, scales) = (scaled("mean_", 0.0)?, scaled("scale_", 1.0)?);
        let maps = lambdas.into_iter().zip(means).zip(scales).map(|((lambda, mean), scale)| {
            let own = self.clone();
            move |x| (own.transformed(x, lambda) - mean) / scale
        });
        Ok(frozen_unless(self.refusal(), maps))
    }
}

impl ColumnSubtask for PowerTransformer {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        self.refusal()(values)?;
        self.transform(values).map_err(Flaw::of_column)?;
        if self.standardize {
            StandardScaler::default().scale(values);
        }
        Ok(())
    }

    fn apply_row(&self, values: &mut [f64]) -> Result<(), (usize, Flaw)> {
        if self.method == PowerMethod::BoxCox {
            return one_by_one(self, values);
        }
        refuse_row(values, refuse_not_one)?;
        // The only value of a column is a constant: its lambda is 1.
        if self.standardize {
            StandardScaler::default().scale_row(values);
        }
        Ok(())
    }
}

/// Refuses, of values that are each the only one of a column, what has no power transform.
fn refuse_not_one(values: &[f64]) -> Result<(), Flaw> {
    refuse_infinite(values)?;
    if any_not_finite(values) { Err(Flaw::of_column(ALL_MISSING)) } else { Ok(()) }
}

/// Refuses what Box-Cox has no value for.
fn refuse_not_positive(values: &[f64]) -> Result<(), Flaw> {
    refuse_infinite(values)?;
    if values.iter().any(|x| *x <= 0.0) {
        let reason = "The Box-Cox transformation can only be applied to strictly positive data.";
        return Err(Flaw::of_values(values, |x| x <= 0.0, reason));
    }
    Ok(())
}

impl PowerTransformer {
    /// What refuses the values that the method does not take.
    fn refusal(&self) -> fn(&[f64]) -> Result<(), Flaw> {
        match self.method {
            PowerMethod::YeoJohnson => refuse_infinite,
            PowerMethod::BoxCox => refuse_not_positive,
        }
    }

    /// Transforms a column and returns its lambda.
    fn transform(&self, column: &mut [f64]) -> Result<f64, &'static str> {
        match self.method {
            PowerMethod::YeoJohnson => self.yeo_johnson(column),
            PowerMethod::BoxCox => self.box_cox(column),
        }
    }

    /// One value with a given lambda.
    fn transformed(&self, x: f64, lambda: f64) -> f64 {
        match self.method {
            PowerMethod::YeoJohnson => {
                let mut y = [0.0];
                yeo_johnson(&[x.abs().ln_1p().copysign(x)], lambda, &mut y);
                y[0]
            }
            PowerMethod::BoxCox => box_cox(x, lambda),
        }
    }

    fn yeo_johnson(&self, column: &mut [f64]) -> Result<f64, &'static str> {
        if !surely_vary(column) && is_constant(column)? {
            return Ok(1.0);
        }
        let mut logs = Scratch::default();
        signed_logs(column, &mut logs);
        let likelihood = Likelihood::new(&logs)?;
        let lambda = likelihood.lambda();
        yeo_johnson(&logs, lambda, column);
        if self.standardize && likelihood.is_far() && is_rounded(column) {
            likelihood.transform_from_centre(&logs, lambda, column);
        }
        Ok(lambda)
    }

    fn box_cox(&self, column: &mut [f64]) -> Result<f64, &'static str> {
        let values = present(column);
        if values.is_empty() {
            return Err(ALL_MISSING);
        }
        let lambda = box_cox_lambda(&values)?;
        let mut transformed: Scratch<f64> = column.iter().map(|x| box_cox(*x, lambda)).collect();
        if self.standardize && (is_rounded(&transformed) || !moments(&transformed).variance.is_finite()) {
            transform_from_centre(column, lambda);
        } else {
            column.swap_with_slice(&mut transformed);
        }
        Ok(lambda)
    }
}

/// Whether scikit-learn treats the column as constant; refuses one without a value.
fn is_constant(column: &[f64]) -> Result<bool, &'static str> {
    let moments = moments(column);
    if moments.count == 0 {
        return Err(ALL_MISSING);
    }
    // scikit-learn's mean is NaN where a value is missing, so such a column never counts as constant; one whose
    // variance overflows does.
    let constant = moments.is_constant(column.len()) || !moments.variance.is_finite();
    Ok(moments.count == column.len() && constant)
}

/// Whether the variance is so small beside the squared mean that it is mostly rounding error.
fn is_rounded(column: &[f64]) -> bool {
    let moments = moments(column);
    moments.variance < 1e-18 * moments.mean * moments.mean
}

fn present(column: &[f64]) -> Scratch<f64> {
    column.iter().copied().filter(|x| !x.is_nan()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn order_is_kept_and_constants_are_centred() {
        let column = vec![0.1, 0.5, 3.0, 40.0, 500.0];
        let out = applied(&PowerTransformer::default(), &[column, vec![2.5; 5]]).unwrap();
        assert!(out[0].is_sorted());
        assert_eq!(out[1], [0.0; 5]);
    }

    #[test]
    fn box_cox_refuses_zero() {
        let subtask = PowerTransformer { method: PowerMethod::BoxCox, standardize: false };
        assert!(applied(&subtask, &[vec![0.0, 1.0]]).unwrap_err().to_string().contains("strictly positive"));
    }

    #[test]
    fn a_column_without_a_value_is_refused_by_name() {
        let fault = applied(&PowerTransformer::default(), &[vec![f64::NAN; 3]]).unwrap_err();
        assert!(fault.to_string().contains("column 0"), "{fault}");
    }
}
