//! The layers of a multi-layer perceptron, from its fitted params.

use super::Params;
use crate::kernels::layers::{Activation, Layer};

const ACTIVATIONS: [(&str, Activation); 6] = [
    ("identity", Activation::Identity),
    ("logistic", Activation::Logistic),
    ("tanh", Activation::Tanh),
    ("relu", Activation::Relu),
    ("exp", Activation::Exp),
    ("softmax", Activation::Softmax),
];

/// Reads `layer_sizes`, `coefs_` and `intercepts_`, layer after layer; the last layer has `units` units.
pub(super) fn read_layers(params: &Params<'_>, units: usize) -> Result<Vec<Layer>, String> {
    let sizes: Vec<usize> = params.whole("layer_sizes")?.into_iter().map(|size| size as usize).collect();
    if sizes.len() < 2 || sizes.contains(&0) || sizes[0] != params.columns || sizes[sizes.len() - 1] != units {
        return Err(format!("layer_sizes is {sizes:?}, not from {} columns to {units} units", params.columns));
    }
    let weights = sizes.windows(2).try_fold(0_usize, |sum, pair| sum.checked_add(pair[0].checked_mul(pair[1])?));
    let weights = params.exactly("coefs_", weights.ok_or("layer_sizes are too large")?)?;
    let intercepts = params.exactly("intercepts_", sizes[1..].iter().sum())?;
    let (hidden, last) = (params.choice("activation", &ACTIVATIONS)?, params.choice("out_activation_", &ACTIVATIONS)?);
    let (mut weights, mut intercepts) = (&weights[..], &intercepts[..]);
    let mut layers = Vec::new();
    for (number, pair) in sizes.windows(2).enumerate() {
        let (inputs, units) = (pair[0], pair[1]);
        let (own, rest) = weights.split_at(inputs * units);
        let (own_intercepts, rest_intercepts) = intercepts.split_at(units);
        (weights, intercepts) = (rest, rest_intercepts);
        // scikit-learn holds the weights of an input in a row.
        let of_unit = |unit: usize| own.iter().skip(unit).step_by(units).copied().collect();
        let activation = if number + 2 == sizes.len() { last } else { hidden };
        let weights = (0..units).map(of_unit).collect();
        layers.push(Layer { weights, intercepts: own_intercepts.to_vec(), activation });
    }
    Ok(layers)
}
