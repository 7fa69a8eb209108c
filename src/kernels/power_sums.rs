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

/// By k, k!.
const FACTORIALS: [f64; STRAIGHT + 1] = {
    let mut factorials = [1.0; STRAIGHT + 1];
    let mut k = 1;
    while k <= STRAIGHT {
        factorials[k] = k as f64 * factorials[k - 1];
        k += 1;
    }
    factorials
};

/// The sums over values on both sides of zero, near the factors that they were taken at.
#[derive(Default)]
pub struct PowerSums {
    sides: [Side; 2],
    /// By power, those of four polynomials: of y and y^2 on the first side, and of both on the second. Side by side, so
    /// that one vector holds all four.
    coefficients: [[f64; 4]; STRAIGHT],
    /// How many powers there are.
    terms: usize,
}

/// Of which sums the polynomials of a side are.
#[derive(Clone, Copy, Default)]
struct Side {
    factor: f64,
    /// If curved, how many values there are: the polynomials are those of the step, and of exp(f L) and exp(2 f L). Else
    /// they are those of the factor, and of y and y^2.
    curved: Option<f64>,
}

impl PowerSums {
    /// Takes the sums of logs on each side, which are multiplied by `scale` so that none is beyond 1, at factors in that
    /// unit.
    pub fn take(&mut self, logs: [&[f64]; 2], scale: f64, factors: [f64; 2]) {
        (self.coefficients, self.terms) = ([[0.0; 4]; STRAIGHT], 0);
        for (side, (logs, factor)) in logs.into_iter().zip(factors).enumerate() {
            self.sides[side] = Side { factor, curved: None };
            // Sums over nothing are 0.
            if logs.is_empty() {
                continue;
            }
            if factor.abs() < STRAIGHT_BELOW {
                self.take_straight(side, &power_sums(logs, scale));
            } else {
                self.sides[side].curved = Some(logs.len() as f64);
                self.take_curved(side, &exponential_sums(logs, scale, factor));
            }
        }
    }

    /// The sums of exp(f L) L^k / k! and exp(2 f L) (2 L)^k / k!.
    fn take_curved(&mut self, side: usize, [singles, squares]: &[[f64; CURVED]; 2]) {
        let place = 2 * side;
        for k in 0..CURVED {
            self.coefficients[k][place] = singles[k] / FACTORIALS[k];
            self.coefficients[k][place + 1] = squares[k] * ((1 << k) as f64 / FACTORIALS[k]);
        }
        self.terms = self.terms.max(CURVED);
    }

    /// With M_k the sum of L^k: the sum of y is that of f^(k-1) M_k / k!, of y^2 that of (2^k - 2) f^(k-2) M_k / k!.
    fn take_straight(&mut self, side: usize, sums: &[f64; STRAIGHT]) {
        let place = 2 * side;
        self.coefficients[0][place] = sums[0];
        for k in 2..=STRAIGHT {
            self.coefficients[k - 1][place] = sums[k - 1] / FACTORIALS[k];
            self.coefficients[k - 2][place + 1] = ((1 << k) - 2) as f64 * sums[k - 1] / FACTORIALS[k];
        }
        self.terms = STRAIGHT;
    }

    /// The sums of y and of y^2 a step away.
    pub fn at(&self, step: f64) -> [Jet; 2] {
        let x = self.sides.map(|side| if side.curved.is_some() { step } else { side.factor + step });
        let [values, slopes, bends] = polynomials(&self.coefficients[..self.terms], [x[0], x[0], x[1], x[1]]);
        let side = |side: usize| {
            let [a, b] = [2 * side, 2 * side + 1].map(|place| [values[place], slopes[place], bends[place]]);
            self.sides[side].sums(step, a, b)
        };
        let ([mut y, mut square], [more_y, more_square]) = (side(0), side(1));
        for derivative in 0..3 {
            y[derivative] += more_y[derivative];
            square[derivative] += more_square[derivative];
        }
        [y, square]
    }
}

impl Side {
    /// The sums of y and of y^2 a step away, by the values of the polynomials there.
    #[inline(always)]
    fn sums(self, step: f64, a: Jet, b: Jet) -> [Jet; 2] {
        let Some(count) = self.curved else { return [a, b] };
        let f = self.factor + step;
        let y = (a[0] - count) / f;
        let slope = (a[1] - y) / f;
        let square = (b[0] - 2.0 * a[0] + count) / (f * f);
        let square_slope = (b[1] - 2.0 * a[1] - 2.0 * f * square) / (f * f);
        let square_bend = (b[2] - 2.0 * a[2] - 4.0 * f * square_slope - 2.0 * square) / (f * f);
        [[y, slope, (a[2] - 2.0 * slope) / f], [square, square_slope, square_bend]]
    }
}

/// Polynomials by their coefficients, from the constants on: their values, slopes and bends.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2", "x86_64+sse4.2"))]
fn polynomials(coefficients: &[[f64; 4]], x: [f64; 4]) -> [[f64; 4]; 3] {
    let [mut values, mut slopes, mut bends] = [[0.0; 4]; 3];
    for coefficients in coefficients.iter().rev() {
        for place in 0..4 {
            bends[place] = bends[place] * x[place] + 2.0 * slopes[place];
            slopes[place] = slopes[place] * x[place] + values[place];
            values[place] = values[place] * x[place] + coefficients[place];
        }
    }
    [values, slopes, bends]
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
    totals(&sums)
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
    [totals(&sums[0]), totals(&sums[1])]
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

/// The sums of lanes, halves upon halves: vectors add those at once. Apart from the loop before it, whose vectors it would
/// take to pieces.
#[inline(never)]
fn totals<const N: usize>(sums: &[[f64; LANES]; N]) -> [f64; N] {
    let mut totals = [0.0; N];
    for (total, [a, b, c, d, e, f, g, h]) in totals.iter_mut().zip(sums) {
        let [a, b, c, d] = [a + e, b + f, c + g, d + h];
        *total = (a + c) + (b + d);
    }
    totals
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

    fn of_both_sides(logs: [&[f64]; 2], factor: f64) -> PowerSums {
        let mut sums = PowerSums::default();
        sums.take(logs, 1.0, [factor, factor - 2.0]);
        sums
    }

    fn of_one_side(logs: &[f64], factor: f64) -> PowerSums {
        of_both_sides([logs, &[]], factor)
    }

    proptest! {
        #[test]
        fn both_sides_add_up(
            first in proptest::collection::vec(0.0..1.0f64, 0..20),
            second in proptest::collection::vec(-1.0..0.0f64, 0..20),
            factor in -3.0..5.0f64,
            step in -0.1..0.1f64,
        ) {
            let together = of_both_sides([&first, &second], factor).at(step);
            let apart = [of_one_side(&first, factor).at(step), of_one_side(&second, factor - 2.0).at(step)];
            for (place, jet) in together.iter().enumerate() {
                let added: Vec<f64> = (0..3).map(|k| apart[0][place][k] + apart[1][place][k]).collect();
                prop_assert_eq!(&jet[..], &added[..]);
            }
        }

        #[test]
        fn a_step_leads_to_the_sums_taken_there(
            logs in proptest::collection::vec(-1.0..1.0f64, 1..60),
            factor in -8.0..8.0f64,
            step in -0.1..0.1f64,
        ) {
            let (near, there) = (of_one_side(&logs, factor).at(step), of_one_side(&logs, factor + step).at(0.0));
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
            let [y, squares] = of_one_side(&logs, factor).at(0.0);
            let transformed = |log: &f64| if factor == 0.0 { *log } else { (factor * log).exp_m1() / factor };
            let sum: f64 = logs.iter().map(transformed).sum();
            let square: f64 = logs.iter().map(|log| transformed(log).powi(2)).sum();
            prop_assert!((y[0] - sum).abs() < 1e-10 * (1.0 + square) && (squares[0] - square).abs() < 1e-10 * (1.0 + square));
        }
    }

    #[test]
    fn a_polynomial_has_its_derivatives() {
        let coefficients = [[1.0, 0.0, 1.0, 4.0], [2.0, 1.0, 2.0, 0.0], [3.0, 0.0, 3.0, 0.0], [4.0, 0.0, 4.0, 0.0]];
        let [values, slopes, bends] = polynomials(&coefficients, [2.0, 5.0, -1.0, 3.0]);
        assert_eq!((values, slopes), ([49.0, 5.0, -2.0, 4.0], [62.0, 1.0, 8.0, 0.0]));
        assert_eq!(bends, [54.0, 0.0, -18.0, 0.0]);
    }
}
