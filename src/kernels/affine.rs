//! Shifting and scaling a column, with the widest vector instructions of the machine.

use multiversion::multiversion;

use super::moments::LANES;

/// Replaces each value `x` by `(x - shift) / scale`: divided, because a product with the inverse rounds otherwise.
pub fn shift_and_divide(values: &mut [f64], shift: f64, scale: f64) {
    if values.len() > LANES {
        return wide_shift_and_divide(values, shift, scale);
    }
    values.iter_mut().for_each(|x| *x = (*x - shift) / scale);
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn wide_shift_and_divide(values: &mut [f64], shift: f64, scale: f64) {
    values.iter_mut().for_each(|x| *x = (*x - shift) / scale);
}

/// Replaces each value `x` by `x * scale + shift`, rounded twice.
pub fn scale_and_shift(values: &mut [f64], scale: f64, shift: f64) {
    if values.len() > LANES {
        return wide_scale_and_shift(values, scale, shift);
    }
    values.iter_mut().for_each(|x| *x = *x * scale + shift);
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn wide_scale_and_shift(values: &mut [f64], scale: f64, shift: f64) {
    values.iter_mut().for_each(|x| *x = *x * scale + shift);
}

/// Divides each value by the divisor of the same index.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
pub fn divide_each(values: &mut [f64], divisors: &[f64]) {
    values.iter_mut().zip(divisors).for_each(|(x, divisor)| *x /= divisor);
}

/// Clips values to the range from `lower` to `upper`; a bound of NaN is none, a value of NaN stays.
pub fn clamp(values: &mut [f64], lower: f64, upper: f64) {
    if values.len() > LANES {
        return wide_clamp(values, lower, upper);
    }
    values.iter_mut().for_each(|x| *x = within(*x, lower, upper));
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn wide_clamp(values: &mut [f64], lower: f64, upper: f64) {
    values.iter_mut().for_each(|x| *x = within(*x, lower, upper));
}

#[inline(always)]
fn within(x: f64, lower: f64, upper: f64) -> f64 {
    let x = if x < lower { lower } else { x };
    if x > upper { upper } else { x }
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
        clamp(&mut values, 1.0, f64::NAN);
        assert_eq!(values, [1.0]);
    }

    #[test]
    fn few_values_fare_as_many() {
        let values: Vec<f64> = (0..40).map(|i| f64::from(i) / 7.0 - 2.0).chain([f64::NAN]).collect();
        for act in [
            (|values| shift_and_divide(values, 0.3, 0.7)) as fn(&mut [f64]),
            |values| scale_and_shift(values, 0.3, 0.7),
            |values| clamp(values, -0.5, 1.5),
        ] {
            let (mut together, mut apart) = (values.clone(), values.clone());
            act(&mut together);
            apart.chunks_mut(3).for_each(act);
            assert!(together.iter().zip(&apart).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }
}
