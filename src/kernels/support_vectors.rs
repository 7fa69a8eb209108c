//! Kernel functions of rows and support vectors.

use super::weighted::add_weighted;

/// A kernel function, as scikit-learn names it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kernel {
    /// The product.
    Linear,
    /// `(gamma * product + coef0) ^ degree`.
    Poly {
        /// The factor of the product.
        gamma: f64,
        /// What is added to it.
        coef0: f64,
        /// The power.
        degree: i32,
    },
    /// `exp(-gamma * squared distance)`.
    Rbf {
        /// The factor of the squared distance.
        gamma: f64,
    },
    /// `tanh(gamma * product + coef0)`.
    Sigmoid {
        /// The factor of the product.
        gamma: f64,
        /// What is added to it.
        coef0: f64,
    },
}

impl Kernel {
    /// The kernel of one vector and each of `rows`, into `values`.
    pub fn of_rows(self, vector: &[f64], columns: &[&[f64]], rows: usize, values: &mut Vec<f64>) {
        values.clear();
        values.resize(rows, 0.0);
        if let Kernel::Rbf { gamma } = self {
            for (column, x) in columns.iter().zip(vector) {
                values.iter_mut().zip(*column).for_each(|(sum, y)| *sum += (y - x) * (y - x));
            }
            return values.iter_mut().for_each(|sum| *sum = (-gamma * *sum).exp());
        }
        columns.iter().zip(vector).for_each(|(column, x)| add_weighted(values, column, *x));
        match self {
            Kernel::Poly { gamma, coef0, degree } => {
                values.iter_mut().for_each(|product| *product = (gamma * *product + coef0).powi(degree));
            }
            Kernel::Sigmoid { gamma, coef0 } => {
                values.iter_mut().for_each(|product| *product = (gamma * *product + coef0).tanh());
            }
            Kernel::Linear | Kernel::Rbf { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kernel() {
        let of = |kernel: Kernel| {
            let mut values = vec![7.0];
            kernel.of_rows(&[1.0, 2.0], &[&[1.0, 3.0], &[2.0, 0.0]], 2, &mut values);
            values
        };
        assert_eq!(of(Kernel::Linear), [5.0, 3.0]);
        assert_eq!(of(Kernel::Poly { gamma: 2.0, coef0: 1.0, degree: 2 }), [121.0, 49.0]);
        assert_eq!(of(Kernel::Rbf { gamma: 0.5 }), [1.0, (-4.0_f64).exp()]);
        assert_eq!(of(Kernel::Sigmoid { gamma: 1.0, coef0: -5.0 }), [0.0, (-2.0_f64).tanh()]);
    }
}
