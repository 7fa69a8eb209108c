//! Norms of rows, column by column, with the widest vectors there are. What is missing or infinite in a row makes its
//! norm so.

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
    for (norm, x) in norms.iter_mut().zip(column) {
        let size = x.abs();
        // A comparison with NaN is false: it is taken where it is the value, and kept where it is the norm.
        *norm = if size <= *norm || norm.is_nan() { *norm } else { size };
    }
}
