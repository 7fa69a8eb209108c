//! Singular values and right singular vectors, by one-sided Jacobi rotations.
//!
//! G. H. Golub and C. F. Van Loan, Matrix Computations, 2013, 5.2 and 8.6.

/// The singular values of a matrix of these rows, the largest first, and the right singular vector of each; of each vector
/// the entry of the largest size is positive, as scikit-learn's `svd_flip` has it. A vector of the value 0 is 0.
pub fn right_singular(mut rows: Vec<Vec<f64>>) -> Vec<(f64, Vec<f64>)> {
    let width = rows.first().map_or(0, Vec::len);
    let scale = scale_of(&rows);
    rows.iter_mut().flatten().for_each(|x| *x /= scale);
    if rows.len() > width {
        triangular(&mut rows);
    }
    // The transpose times an orthogonal matrix has orthogonal columns: vectors times their values.
    for _ in 0..60 {
        let mut rotated = false;
        for one in 0..rows.len() {
            let (head, tail) = rows.split_at_mut(one + 1);
            for other in tail {
                rotated |= rotate(&mut head[one], other);
            }
        }
        if !rotated {
            break;
        }
    }
    let found = rows.into_iter().map(normalized);
    let mut found: Vec<(f64, Vec<f64>)> = found.map(|(length, vector)| (length * scale, vector)).collect();
    found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    found
}

/// The power of two next to the largest size of an entry: divided by it, no product of two entries overflows, and no
/// digit changes.
fn scale_of(rows: &[Vec<f64>]) -> f64 {
    let largest = rows.iter().flatten().fold(0.0, |most: f64, x| most.max(x.abs()));
    let exponent = largest.to_bits() & f64::INFINITY.to_bits();
    if largest.is_finite() { f64::from_bits(exponent).max(f64::MIN_POSITIVE) } else { 1.0 }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

/// Makes two rows orthogonal; false if they are.
fn rotate(one: &mut [f64], other: &mut [f64]) -> bool {
    let (a, b, c) = (dot(one, one), dot(other, other), dot(one, other));
    if c.abs() <= f64::EPSILON * (a * b).sqrt() || !c.is_finite() {
        return false;
    }
    let zeta = (b - a) / (2.0 * c);
    let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
    let cosine = 1.0 / t.hypot(1.0);
    let sine = cosine * t;
    for (x, y) in one.iter_mut().zip(other) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
    true
}

/// A row's length, and the row without it.
fn normalized(mut row: Vec<f64>) -> (f64, Vec<f64>) {
    let largest = row.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    if largest == 0.0 {
        return (0.0, row);
    }
    let length = largest * row.iter().map(|x| (x / largest) * (x / largest)).sum::<f64>().sqrt();
    let place = row.iter().position(|x| x.abs() == largest).unwrap_or(0);
    let sign = row[place].signum();
    row.iter_mut().for_each(|x| *x = sign * *x / length);
    (length, row)
}

/// The triangular factor of a matrix with more rows than columns, by Householder reflections: its singular values and right
/// vectors are the same.
fn triangular(rows: &mut Vec<Vec<f64>>) {
    let width = rows[0].len();
    for column in 0..width {
        let length = rows[column..].iter().fold(0.0_f64, |length, row| length.hypot(row[column]));
        if length == 0.0 {
            continue;
        }
        let pivot = if rows[column][column] > 0.0 { -length } else { length };
        let mut reflector: Vec<f64> = rows[column..].iter().map(|row| row[column]).collect();
        reflector[0] -= pivot;
        let square = dot(&reflector, &reflector);
        for of in column..width {
            let product: f64 = reflector.iter().zip(&rows[column..]).map(|(x, row)| x * row[of]).sum();
            let factor = 2.0 * product / square;
            reflector.iter().zip(&mut rows[column..]).for_each(|(x, row)| row[of] -= factor * x);
        }
        rows[column + 1..].iter_mut().for_each(|row| row[column] = 0.0);
    }
    rows.truncate(width);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn of_a_diagonal_they_are_its_entries() {
        let found = right_singular(vec![vec![0.0, -2.0], vec![3.0, 0.0]]);
        assert_eq!(found, [(3.0, vec![1.0, 0.0]), (2.0, vec![0.0, 1.0])]);
        assert_eq!(right_singular(vec![vec![0.0]; 3]), [(0.0, vec![0.0])]);
        assert_eq!(right_singular(Vec::new()), []);
    }

    /// Regression: products of large entries overflowed, and those of small ones were 0.
    #[test]
    fn entries_of_any_size_have_the_same_digits() {
        let rows = vec![vec![1.5, -2.0, 0.25], vec![3.0, 0.5, 7.0], vec![0.1, 0.2, 0.3], vec![-4.0, 1.0, 1.0]];
        let found = right_singular(rows.clone());
        for factor in [2.0_f64.powi(700), 2.0_f64.powi(-700)] {
            let scaled = rows.iter().map(|row| row.iter().map(|x| x * factor).collect()).collect();
            let again = right_singular(scaled).into_iter().map(|(value, vector)| (value / factor, vector));
            assert_eq!(again.collect::<Vec<_>>(), found);
        }
        let largest = right_singular(vec![vec![f64::MAX, 0.0], vec![0.0, f64::MIN_POSITIVE / 4.0]]);
        assert_eq!(largest[0], (f64::MAX, vec![1.0, 0.0]));
        assert_eq!(right_singular(vec![vec![5e-324]]), [(5e-324, vec![1.0])]);
    }

    proptest! {
        #[test]
        fn the_matrix_can_be_put_together_again(
            (width, flat) in (1..6usize, 1..9usize).prop_flat_map(|(width, height)| {
                (Just(width), prop::collection::vec(-10.0..10.0f64, width * height))
            })
        ) {
            let rows: Vec<Vec<f64>> = flat.chunks(width).map(<[f64]>::to_vec).collect();
            let found = right_singular(rows.clone());
            prop_assert_eq!(found.len(), width.min(rows.len()));
            // The transpose of the matrix times itself, from values and vectors.
            for (i, j) in (0..width).flat_map(|i| (0..width).map(move |j| (i, j))) {
                let gram: f64 = rows.iter().map(|row| row[i] * row[j]).sum();
                let again: f64 = found.iter().map(|(value, vector)| value * value * vector[i] * vector[j]).sum();
                prop_assert!((gram - again).abs() < 1e-10, "{} {}", gram, again);
            }
        }
    }
}
