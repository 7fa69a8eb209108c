//! Norms of rows, column by column, with the widest vector instructions of the machine. A missing or infinite value
//! makes the norm of its row NaN or infinite.

use multiversion::multiversion;

/// Adds magnitudes to the norms of their rows.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
pub fn add_magnitudes(column: &[f64], norms: &mut [f64]) {
    norms.iter_mut().zip(column).for_each(|(norm, x)| *norm += x.abs());
}

/// Adds squares to the norms of their rows.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
pub fn add_squares(column: &[f64], norms: &mut [f64]) {
    norms.iter_mut().zip(column).for_each(|(norm, x)| *norm += x * x);
}

/// Takes the larger of a magnitude and the norm of its row.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
pub fn take_largest(column: &[f64], norms: &mut [f64]) {
    norms.iter_mut().zip(column).for_each(|(norm, x)| *norm = larger(*norm, *x));
}

/// The larger of a norm and the magnitude of a value.
#[inline(always)]
pub fn larger(norm: f64, x: f64) -> f64 {
    let size = x.abs();
    // A comparison with NaN is false: a NaN value replaces the norm, and a NaN norm stays.
    if size <= norm || norm.is_nan() { norm } else { size }
}
