//! `x ** y` of two floats in Python.

use std::hint::black_box;

/// C's `pow`, also where the compiler would make a product or a root of it: they are not always rounded alike.
pub fn python_power(x: f64, y: f64) -> f64 {
    x.powf(black_box(y))
}
