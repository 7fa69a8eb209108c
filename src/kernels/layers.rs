//! A feed-forward network: layers of weighted sums, each passed through a function.

use super::softmax::{logistic, softmax};
use super::weighted::weighted_sum;

/// What a layer's sums are passed through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// The logistic function.
    Logistic,
    /// The hyperbolic tangent.
    Tanh,
    /// 0 for what is negative.
    Relu,
    /// The exponential function.
    Exp,
    /// Exponentials, divided by their sum over the layer.
    Softmax,
}

/// A layer: for each unit the weights of the units before it, and an intercept.
pub struct Layer {
    /// A list of weights a unit.
    pub weights: Vec<Vec<f64>>,
    /// An intercept a unit.
    pub intercepts: Vec<f64>,
    /// What the sums are passed through.
    pub activation: Activation,
}

/// The values of the last layer for each of `rows`, a column a unit.
pub fn forward(layers: &[Layer], columns: &[&[f64]], rows: usize) -> Vec<Vec<f64>> {
    let mut values: Vec<Vec<f64>> = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let before: Vec<&[f64]> =
            if number == 0 { columns.to_vec() } else { values.iter().map(Vec::as_slice).collect() };
        let units = layer.weights.iter().zip(&layer.intercepts);
        let sums: Vec<Vec<f64>> =
            units.map(|(weights, intercept)| weighted_sum(&before, weights, *intercept, rows)).collect();
        values = sums;
        activate(&mut values, layer.activation);
    }
    values
}

fn activate(values: &mut [Vec<f64>], activation: Activation) {
    let function: fn(f64) -> f64 = match activation {
        Activation::Identity => return,
        Activation::Softmax => return softmax(values),
        Activation::Logistic => logistic,
        Activation::Tanh => f64::tanh,
        Activation::Relu => |x| x.max(0.0),
        Activation::Exp => f64::exp,
    };
    values.iter_mut().flatten().for_each(|x| *x = function(*x));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layer_takes_what_the_one_before_it_gave() {
        let layer =
            |weights: Vec<Vec<f64>>, intercepts: Vec<f64>, activation| Layer { weights, intercepts, activation };
        let layers = [
            layer(vec![vec![1.0, -1.0], vec![2.0, 0.0]], vec![0.0, -1.0], Activation::Relu),
            layer(vec![vec![1.0, 10.0]], vec![0.5], Activation::Identity),
        ];
        assert_eq!(forward(&layers, &[&[3.0, 0.0], &[1.0, 5.0]], 2), [[2.0 + 50.0 + 0.5, 0.5]]);
    }
}
