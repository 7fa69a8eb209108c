//! Shifting and scaling a column, with the widest vectors there are.

use multiversion::multiversion;

/// Replaces each value `x` by `(x - shift) / scale`: divided, for a product with the inverse rounds otherwise.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
pub fn shift_and_divide(values: &mut [f64], shift: f64, scale: f64) {
    values.iter_mut().for_each(|x| *x = (*x - shift) / scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_stays_missing() {
        let mut values = [7.0, f64::NAN, -0.0];
        shift_and_divide(&mut values, 1.0, 3.0);
        assert!(values[0] == 2.0 && values[1].is_nan());
        let mut values = [-0.0];
        shift_and_divide(&mut values, 0.0, 2.0);
        assert!(values[0].is_sign_negative());
    }
}
