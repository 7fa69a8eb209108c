//! Support vectors and their kernel, from fitted params.

use super::{Features, Params};
use crate::kernels::support_vectors::Kernel;
use crate::kernels::weighted::add_weighted;

/// Support vectors, their kernel, and sums of kernels.
pub(super) struct SupportVectors {
    vectors: Vec<Vec<f64>>,
    kernel: Kernel,
    /// For each sum the weight of each vector.
    weights: Vec<Vec<f64>>,
    intercepts: Vec<f64>,
}

impl SupportVectors {
    /// Reads `support_vectors_`, `kernel` and `intercept_` for so many sums; `weights` makes those of each sum from
    /// `dual_coef_`, of which there are rows of as many numbers as there are vectors.
    pub fn read(
        params: &Params<'_>,
        sums: usize,
        weights: impl FnOnce(Vec<Vec<f64>>, usize) -> Result<Vec<Vec<f64>>, String>,
    ) -> Result<SupportVectors, String> {
        let vectors = params.rows("support_vectors_", params.columns)?;
        let kernel = read_kernel(params)?;
        let weights = weights(params.rows("dual_coef_", vectors.len())?, vectors.len())?;
        Ok(SupportVectors { vectors, kernel, weights, intercepts: params.exactly("intercept_", sums)? })
    }

    /// The sums of rows, a column each.
    pub fn sums(&self, features: &Features<'_>) -> Vec<Vec<f64>> {
        let mut sums = vec![vec![0.0; features.rows]; self.weights.len()];
        let mut values = Vec::new();
        for (number, vector) in self.vectors.iter().enumerate() {
            self.kernel.of_rows(vector, &features.columns, features.rows, &mut values);
            for (sums, weights) in sums.iter_mut().zip(&self.weights) {
                if weights[number] != 0.0 {
                    add_weighted(sums, &values, weights[number]);
                }
            }
        }
        let intercepts = sums.iter_mut().zip(&self.intercepts);
        intercepts.for_each(|(sums, intercept)| sums.iter_mut().for_each(|sum| *sum += intercept));
        sums
    }
}

/// The weights of one sum.
pub(super) fn one_sum(rows: Vec<Vec<f64>>, _: usize) -> Result<Vec<Vec<f64>>, String> {
    if rows.len() == 1 { Ok(rows) } else { Err(format!("dual_coef_ has {} rows, not 1", rows.len())) }
}

fn read_kernel(params: &Params<'_>) -> Result<Kernel, String> {
    // Those that a kernel has no use for stand in the file all the same.
    params.allow(&["gamma", "coef0", "degree"]);
    let number = |name| params.number(name);
    match params.text("kernel")? {
        "linear" => Ok(Kernel::Linear),
        "rbf" => Ok(Kernel::Rbf { gamma: number("gamma")? }),
        "sigmoid" => Ok(Kernel::Sigmoid { gamma: number("gamma")?, coef0: number("coef0")? }),
        "poly" => {
            let degree = i32::try_from(params.count("degree")?).map_err(|_| "degree is too large")?;
            Ok(Kernel::Poly { gamma: number("gamma")?, coef0: number("coef0")?, degree })
        }
        other => Err(format!("kernel is {other:?}, not one of linear, poly, rbf, sigmoid")),
    }
}
