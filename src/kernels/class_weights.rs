//! How many rows of each class there were, in the order in which the classes came: sums are rounded in that order.

use serde::{Deserialize, Serialize};

/// Weights of classes, as a dict of Python has them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassWeights(Vec<(u32, f64)>);

impl ClassWeights {
    /// The weight of a class; `None` if it has not come.
    pub fn get(&self, class: u32) -> Option<f64> {
        self.iter().find(|(known, _)| *known == class).map(|(_, weight)| weight)
    }

    /// Adds to the weight of a class.
    pub fn add(&mut self, class: u32, weight: f64) {
        match self.0.iter_mut().find(|(known, _)| *known == class) {
            Some((_, sum)) => *sum += weight,
            None => self.0.push((class, weight)),
        }
    }

    /// Classes and weights, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, f64)> {
        self.0.iter().copied()
    }

    /// How many classes there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The sum of all weights.
    pub fn total(&self) -> f64 {
        self.iter().fold(0.0, |sum, (_, weight)| sum + weight)
    }

    /// The first class with the largest weight.
    pub fn likeliest(&self) -> Option<u32> {
        let larger = |best: (u32, f64), next: (u32, f64)| if next.1 > best.1 { next } else { best };
        self.iter().reduce(larger).map(|(class, _)| class)
    }

    /// The largest weight; 0 without any.
    pub fn largest(&self) -> f64 {
        self.likeliest().and_then(|class| self.get(class)).unwrap_or(0.0)
    }

    /// Whether there is at most one class with a weight.
    pub fn is_pure(&self) -> bool {
        self.iter().filter(|(_, weight)| *weight != 0.0).count() < 2
    }

    /// The classes by their number.
    pub fn sorted(mut self) -> ClassWeights {
        self.0.sort_by_key(|(class, _)| *class);
        self
    }

    /// Each weight as a share of all; as they are if there is none.
    pub fn shares(&self) -> ClassWeights {
        let total = self.total();
        let factor = if total == 0.0 || total.is_nan() { 1.0 } else { 1.0 / total };
        ClassWeights(self.iter().map(|(class, weight)| (class, weight * factor)).collect())
    }

    /// Logarithms of likelihoods as probabilities.
    pub fn of_logarithms(logarithms: Vec<(u32, f64)>) -> ClassWeights {
        let largest = logarithms.iter().fold(f64::NEG_INFINITY, |most, (_, log)| most.max(*log));
        let sum = logarithms.iter().fold(0.0, |sum, (_, log)| sum + (log - largest).exp());
        let all = largest + sum.ln();
        ClassWeights(logarithms.into_iter().map(|(class, log)| (class, (log - all).exp())).collect())
    }
}
