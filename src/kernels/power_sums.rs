//! Sums of power-transformed values and of their squares, as functions of lambda near one lambda.
//!
//! For a value given by its log L, the transform is y = (exp(f L) - 1) / f. A step d from f multiplies exp(f L) by
//! exp(d L), whose Taylor series is short where |d L| is small: so one pass over the logs gives the sums, and their
//! derivatives, for every lambda nearby. Lambda is taken in its natural unit, the inverse of the largest |log|.

use multiversion::multiversion;

use super::expm1::expm1;
use super::moments::LANES;

/// A value and its first and second derivative by lambda.
pub type Jet = [f64; 3];

/// Terms of the series: up to a tenth from where the sums were taken, some 1e-9 of the slopes is left.
const CURVED: usize = 8;
/// Nearer to 0 than this, the sums are power sums of the logs: there exp(f L) - 1 cancels, and the division by f fails.
const STRAIGHT_BELOW: f64 = 0.5;
/// Power sums: beyond them, factors up to that one and a step leave 1e-11.
const STRAIGHT: usize = 14;

/// The sums over the values on one side of zero, near the factor they were taken at.
pub enum PowerSums {
    /// Of exp(f L) L^k / k! and exp(2 f L) (2 L)^k / k!.
    Curved { count: f64, factor: f64, singles: [f64; CURVED], squares: [f64; CURVED] },
    /// The coefficients of y's sum and of the sum of y^2 as polynomials of the factor.
    Straight { factor: f64, singles: [f64; STRAIGHT], squares: [f64; STRAIGHT] },
}

impl PowerSums {
    /// The sums of logs, which are multiplied by `scale` so that none is beyond 1, at a factor in that unit.
    pub fn new(logs: &[f64], scale: f64, factor: f64) -> PowerSums {
        if factor.abs() < STRAIGHT_BELOW {
            return PowerSums::straight(power_sums(logs, scale), factor);
        }
        let [mut singles, mut squares] = exponential_sums(logs, scale, factor);
        let (mut factorial, mut power) = (1.0, 1.0);
        for k in 1..CURVED {
            factorial *= k as f64;
            power *= 2.0;
            singles[k] /= factorial;
            squares[k] *= power / factorial;
        }
        PowerSums::Curved { count: logs.len() as f64, factor, singles, squares }
    }

    /// With M_k the sum of L^k: the sum of y is that of f^(k-1) M_k / k!, of y^2 that of (2^k - 2) f^(k-2) M_k / k!.
    fn straight(sums: [f64; STRAIGHT], factor: f64) -> PowerSums {
        let (mut singles, mut squares) = ([0.0; STRAIGHT], [0.0; STRAIGHT]);
        let (mut factorial, mut power) = (1.0, 2.0);
        singles[0] = sums[0];
        for k in 2..=STRAIGHT {
            factorial *= k as f64;
            power *= 2.0;
            singles[k - 1] = sums[k - 1] / factorial;
            squares[k - 2] = (power - 2.0) * sums[k - 1] / factorial;
        }
        PowerSums::Straight { factor, singles, squares }
    }

    /// The sums of y and of y^2 a step away.
    pub fn at(&self, step: f64) -> [Jet; 2] {
        match self {
            PowerSums::Straight { factor, singles, squares } => {
                [polynomial(singles, factor + step), polynomial(squares, factor + step)]
            }
            PowerSums::Curved { count, factor, singles, squares } => {
                let f = factor + step;
                let (a, b) = (polynomial(singles, step), polynomial(squares, step));
                let y = (a[0] - count) / f;
                let slope = (a[1] - y) / f;
                let square = (b[0] - 2.0 * a[0] + count) / (f * f);
                let square_slope = (b[1] - 2.0 * a[1] - 2.0 * f * square) / (f * f);
                let square_bend = (b[2] - 2.0 * a[2] - 4.0 * f * square_slope - 2.0 * square) / (f * f);
                [[y, slope, (a[2] - 2.0 * slope) / f], [square, square_slope, square_bend]]
            }
        }
    }
}

/// A polynomial by its coefficients, from the constant on.
fn polynomial(coefficients: &[f64], x: f64) -> Jet {
    coefficients.iter().rev().fold([0.0; 3], |[value, slope, bend], coefficient| {
        [value * x + coefficient, slope * x + value, bend * x + 2.0 * slope]
    })
}

/// Sums of L^k, k from 1.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn power_sums(logs: &[f64], scale: f64) -> [f64; STRAIGHT] {
    let mut sums = [[0.0; LANES]; STRAIGHT];
    let (chunks, rest) = logs.as_chunks::<LANES>();
    for chunk in chunks {
        let logs = scaled(chunk, scale);
        add_powers(&mut sums, logs, &logs);
    }
    if !rest.is_empty() {
        // Zeros have no powers.
        let logs = scaled(&filled_up(rest), scale);
        add_powers(&mut sums, logs, &logs);
    }
    sums.map(total)
}

/// Sums of exp(f L) L^k and of exp(2 f L) L^k, k from 0.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn exponential_sums(logs: &[f64], scale: f64, factor: f64) -> [[f64; CURVED]; 2] {
    let mut sums = [[[0.0; LANES]; CURVED]; 2];
    let (chunks, rest) = logs.as_chunks::<LANES>();
    for chunk in chunks {
        add_exponentials(&mut sums, &scaled(chunk, scale), factor);
    }
    if !rest.is_empty() {
        add_exponentials(&mut sums, &scaled(&filled_up(rest), scale), factor);
        // Zeros have no powers but the first, which is 1.
        sums.iter_mut().for_each(|side| side[0][rest.len()..].iter_mut().for_each(|sum| *sum -= 1.0));
    }
    sums.map(|side| side.map(total))
}

/// What is left behind the last whole chunk, and zeros.
#[inline(always)]
fn filled_up(rest: &[f64]) -> [f64; LANES] {
    let mut chunk = [0.0; LANES];
    chunk[..rest.len()].copy_from_slice(rest);
    chunk
}

#[inline(always)]
fn scaled(chunk: &[f64; LANES], scale: f64) -> [f64; LANES] {
    let mut scaled = *chunk;
    (0..LANES).for_each(|lane| scaled[lane] *= scale);
    scaled
}

/// Adds the exponentials of logs, and their squares, times the powers of the logs.
#[inline(always)]
fn add_exponentials(sums: &mut [[[f64; LANES]; CURVED]; 2], logs: &[f64; LANES], factor: f64) {
    let (mut singles, mut squares) = ([0.0; LANES], [0.0; LANES]);
    for lane in 0..LANES {
        singles[lane] = 1.0 + expm1(factor * logs[lane]);
        squares[lane] = singles[lane] * singles[lane];
    }
    add_powers(&mut sums[0], singles, logs);
    add_powers(&mut sums[1], squares, logs);
}

/// The sum of lanes, halves upon halves: vectors add those at once.
#[inline(always)]
fn total(lanes: [f64; LANES]) -> f64 {
    let [a, b, c, d, e, f, g, h] = lanes;
    let [a, b, c, d] = [a + e, b + f, c + g, d + h];
    (a + c) + (b + d)
}

/// Adds `first`, `first` x, `first` x^2 ... to the sums, lane by lane.
#[inline(always)]
fn add_powers<const N: usize>(sums: &mut [[f64; LANES]; N], first: [f64; LANES], x: &[f64; LANES]) {
    let mut term = first;
    for sum in sums {
        for lane in 0..LANES {
            sum[lane] += term[lane];
            term[lane] *= x[lane];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_step_leads_to_the_sums_taken_there(
            logs in proptest::collection::vec(-1.0..1.0f64, 1..60),
            factor in -8.0..8.0f64,
            step in -0.1..0.1f64,
        ) {
            let (near, there) = (PowerSums::new(&logs, 1.0, factor).at(step), PowerSums::new(&logs, 1.0, factor + step).at(0.0));
            let size: f64 = logs.iter().map(|log| 1.0 + (2.0 * factor * log).exp()).sum();
            for (near, there) in near.iter().zip(there) {
                // The second derivative only guides the next step, so its error may be larger.
                for ((near, there), error) in near.iter().zip(there).zip([1e-8, 1e-7, 1e-5]) {
                    prop_assert!((near - there).abs() < error * size, "{near} {there}");
                }
            }
        }

        #[test]
        fn sums_are_those_of_the_transform(logs in proptest::collection::vec(-1.0..1.0f64, 1..60), factor in -8.0..8.0f64) {
            let [y, squares] = PowerSums::new(&logs, 1.0, factor).at(0.0);
            let transformed = |log: &f64| if factor == 0.0 { *log } else { (factor * log).exp_m1() / factor };
            let sum: f64 = logs.iter().map(transformed).sum();
            let square: f64 = logs.iter().map(|log| transformed(log).powi(2)).sum();
            prop_assert!((y[0] - sum).abs() < 1e-10 * (1.0 + square) && (squares[0] - square).abs() < 1e-10 * (1.0 + square));
        }
    }

    #[test]
    fn a_polynomial_has_its_derivatives() {
        assert_eq!(polynomial(&[1.0, 2.0, 3.0, 4.0], 2.0), [49.0, 62.0, 54.0]);
    }
}
