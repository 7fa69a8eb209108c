//! The likelihood of rows under independent normal distributions.

/// Independent normal distributions, one a column.
pub struct Normals {
    means: Vec<f64>,
    variances: Vec<f64>,
    /// The sum of the logarithms of the variances, each times two pi.
    scale: f64,
}

impl Normals {
    /// Those of these means and variances.
    pub fn new(means: Vec<f64>, variances: Vec<f64>) -> Normals {
        let scale = variances.iter().map(|variance| (2.0 * std::f64::consts::PI * variance).ln()).sum();
        Normals { means, variances, scale }
    }

    /// For each of `rows` the logarithm of its density, and `constant` on top.
    pub fn log_density(&self, columns: &[&[f64]], constant: f64, rows: usize) -> Vec<f64> {
        let mut sums = vec![0.0; rows];
        for ((column, mean), variance) in columns.iter().zip(&self.means).zip(&self.variances) {
            sums.iter_mut().zip(*column).for_each(|(sum, x)| *sum += (x - mean) * (x - mean) / variance);
        }
        sums.iter_mut().for_each(|sum| *sum = constant + (-0.5 * self.scale - 0.5 * *sum));
        sums
    }
}

/// For each row the exponentials of its logarithms, divided by their sum.
pub fn normalize_logarithms(logarithms: &mut [Vec<f64>]) {
    for row in 0..logarithms.first().map_or(0, Vec::len) {
        let most = logarithms.iter().map(|class| class[row]).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logarithms.iter().map(|class| (class[row] - most).exp()).sum();
        let total = most + sum.ln();
        logarithms.iter_mut().for_each(|class| class[row] = (class[row] - total).exp());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densities_are_those_of_normal_distributions() {
        let density = Normals::new(vec![1.0, 0.0], vec![1.0, 4.0]);
        let density = density.log_density(&[&[1.0, 3.0], &[0.0, 2.0]], 0.5, 2);
        let at_mean = 0.5 - (2.0 * std::f64::consts::PI).ln() - 2.0_f64.ln();
        assert!((density[0] - at_mean).abs() < 1e-15 && (density[1] - (at_mean - 2.5)).abs() < 1e-15);
        let mut classes = vec![vec![-1000.0], vec![-1000.0 - 3.0_f64.ln()]];
        normalize_logarithms(&mut classes);
        assert!((classes[0][0] - 0.75).abs() < 1e-12 && (classes[1][0] - 0.25).abs() < 1e-12);
    }
}
