//! Weighted sums of columns.

use multiversion::multiversion;

/// For each of `rows`, the sum of `columns` times `weights`, and `intercept` on top.
pub fn weighted_sum(columns: &[&[f64]], weights: &[f64], intercept: f64, rows: usize) -> Vec<f64> {
    let mut sums = vec![0.0; rows];
    columns.iter().zip(weights).for_each(|(column, weight)| add_weighted(&mut sums, column, *weight));
    sums.iter_mut().for_each(|sum| *sum += intercept);
    sums
}

/// Adds the values of a column, times a weight.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
pub fn add_weighted(sums: &mut [f64], column: &[f64], weight: f64) {
    sums.iter_mut().zip(column).for_each(|(sum, x)| *sum += x * weight);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_sum() {
        assert_eq!(weighted_sum(&[&[1.0, 2.0], &[3.0, 4.0]], &[10.0, -1.0], 0.5, 2), [7.5, 16.5]);
        assert_eq!(weighted_sum(&[], &[], 0.5, 2), [0.5, 0.5]);
    }
}
