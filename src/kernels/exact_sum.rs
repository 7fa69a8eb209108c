//! Sums without rounding, so that the order of their terms does not matter.
//!
//! J. R. Shewchuk, Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates, 1997.

use ordered_float::OrderedFloat;
use serde::{Deserialize, Serialize};

/// A sum as numbers that do not overlap, the smallest first; their exact sum is the sum of all terms.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExactSum {
    partials: Vec<OrderedFloat<f64>>,
    /// The sum of the terms that are not finite, and of those that overflow.
    infinite: OrderedFloat<f64>,
}

impl ExactSum {
    /// Adds a term. Terms that are not finite make the sum what they make it in floating point.
    pub fn add(&mut self, term: f64) {
        let mut carried = term;
        let mut kept = 0;
        for place in 0..self.partials.len() {
            let (sum, error) = two_sum(carried, self.partials[place].0);
            if error != 0.0 {
                self.partials[kept].0 = error;
                kept += 1;
            }
            carried = sum;
        }
        if !carried.is_finite() {
            self.partials.clear();
            self.infinite += carried;
            return;
        }
        self.partials.truncate(kept);
        if carried != 0.0 {
            self.partials.push(carried.into());
        }
    }

    /// Adds the product of two factors, exact unless it underflows.
    pub fn add_product(&mut self, a: f64, b: f64) {
        let product = a * b;
        self.add(product);
        if product.is_finite() {
            self.add(a.mul_add(b, -product));
        }
    }

    /// Adds all terms of another sum.
    pub fn merge(&mut self, other: &ExactSum) {
        other.partials.iter().for_each(|partial| self.add(partial.0));
        self.infinite += other.infinite;
    }

    /// The float nearest to the sum.
    pub fn value(&self) -> f64 {
        if self.infinite.0 != 0.0 {
            return self.infinite.0;
        }
        let mut from_most = self.partials.iter().rev().map(|partial| partial.0);
        let Some(mut sum) = from_most.next() else { return 0.0 };
        while let Some(partial) = from_most.next() {
            let (nearest, error) = two_sum(sum, partial);
            sum = nearest;
            if error != 0.0 {
                return round_half(sum, error, from_most.next());
            }
        }
        sum
    }

    /// The sum of squared deviations from the mean of `count` terms, where this is the sum of their squares and `sum`
    /// their sum: `(n Σx² - (Σx)²) / n`, its numerator without rounding.
    pub fn squared_deviations(&self, sum: &ExactSum, count: u64) -> f64 {
        if self.infinite.0 != 0.0 || sum.infinite.0 != 0.0 {
            return f64::NAN;
        }
        let mut numerator = ExactSum::default();
        self.partials.iter().for_each(|partial| numerator.add_product(count as f64, partial.0));
        for a in &sum.partials {
            sum.partials.iter().for_each(|b| numerator.add_product(-a.0, b.0));
        }
        numerator.value().max(0.0) / count as f64
    }
}

/// Knuth's sum of two floats and its rounding error.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

/// Rounds `sum + error` where the terms below may break a tie.
fn round_half(sum: f64, error: f64, below: Option<f64>) -> f64 {
    let same_side = below.is_some_and(|below| (below > 0.0) == (error > 0.0));
    let up = sum + 2.0 * error;
    if same_side && up - sum == 2.0 * error { up } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(terms: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        terms.iter().for_each(|term| sum.add(*term));
        sum
    }

    #[test]
    fn nothing_is_lost_to_great_terms() {
        assert_eq!(sum(&[1e100, 1.0, -1e100, 1.0]).value(), 2.0);
        assert_eq!(sum(&[0.1; 10]).value(), 1.0);
        assert_eq!(sum(&[]).value(), 0.0);
        // Half an ulp and a little: up, not to even.
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0, 1e-300]).value(), 1.0 + f64::EPSILON);
    }

    #[test]
    fn infinite_terms_stay_infinite() {
        assert_eq!(sum(&[1.0, f64::INFINITY]).value(), f64::INFINITY);
        assert!(sum(&[f64::NEG_INFINITY, f64::INFINITY]).value().is_nan());
        assert_eq!(sum(&[f64::MAX, f64::MAX]).value(), f64::INFINITY);
    }

    #[test]
    fn deviations_far_from_zero_do_not_cancel() {
        let terms = [1e9, 1e9 + 1.0, 1e9 + 2.0];
        let mut squares = ExactSum::default();
        terms.iter().for_each(|x| squares.add_product(*x, *x));
        assert_eq!(squares.squared_deviations(&sum(&terms), 3), 2.0);
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter(
            terms in prop::collection::vec(-1e12..1e12f64, 0..60),
            cut in 0..60usize,
            scale in prop::collection::vec(-200..200i32, 60),
        ) {
            let terms: Vec<f64> = terms.iter().zip(scale).map(|(x, e)| x * 2f64.powi(e)).collect();
            let reversed: Vec<f64> = terms.iter().rev().copied().collect();
            let cut = cut.min(terms.len());
            let mut parts = sum(&terms[cut..]);
            parts.merge(&sum(&terms[..cut]));
            let value = sum(&terms).value();
            prop_assert_eq!(value.to_bits(), sum(&reversed).value().to_bits());
            prop_assert_eq!(value.to_bits(), parts.value().to_bits());
        }
    }
}
