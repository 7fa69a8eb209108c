//! Stochastic gradient descent over the rows of a message, in the order of operations of scikit-learn's `_plain_sgd`.

/// What is lost by a prediction. Targets of the first four are -1 and 1; of `Logistic` 0 and 1; of the others any number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// With the margin up to which a prediction costs.
    Hinge(f64),
    /// The square of the hinge loss.
    SquaredHinge,
    /// A smooth hinge loss.
    ModifiedHuber,
    /// That of logistic regression.
    Logistic,
    /// Half the squared error.
    SquaredError,
    /// With the distance from which on it is linear.
    Huber(f64),
    /// With the distance that costs nothing.
    EpsilonInsensitive(f64),
    /// The square of the one before.
    SquaredEpsilonInsensitive(f64),
}

/// What large weights cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Penalty {
    /// Nothing.
    None,
    /// Their squares.
    L2,
    /// Their sizes.
    L1,
    /// Some of both.
    ElasticNet,
}

/// How long a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LearningRate {
    /// `eta0`.
    Constant,
    /// `1 / (alpha * (t + t0))`, where Léon Bottou chooses `t0`.
    Optimal,
    /// `eta0 / t ** power_t`.
    InverseScaling,
    /// Passive-aggressive: as long as the loss asks for, up to `eta0`.
    PassiveAggressive1,
    /// As above, regularised by `eta0`.
    PassiveAggressive2,
}

/// The gradient is cut at this.
const MAX_GRADIENT: f64 = 1e12;

impl Loss {
    fn gradient(self, y: f64, p: f64) -> f64 {
        let z = p * y;
        match self {
            Loss::Hinge(threshold) => {
                if z <= threshold {
                    -y
                } else {
                    0.0
                }
            }
            Loss::SquaredHinge => {
                if 1.0 - z > 0.0 {
                    -2.0 * y * (1.0 - z)
                } else {
                    0.0
                }
            }
            Loss::ModifiedHuber if z >= 1.0 => 0.0,
            Loss::ModifiedHuber if z >= -1.0 => 2.0 * (1.0 - z) * -y,
            Loss::ModifiedHuber => -4.0 * y,
            Loss::Logistic if p > -37.0 => {
                let e = (-p).exp();
                ((1.0 - y) - y * e) / (1.0 + e)
            }
            Loss::Logistic => p.exp() - y,
            Loss::SquaredError => p - y,
            Loss::Huber(delta) => {
                let residual = p - y;
                if residual.abs() <= delta {
                    residual
                } else if residual >= 0.0 {
                    delta
                } else {
                    -delta
                }
            }
            Loss::EpsilonInsensitive(epsilon) if y - p > epsilon => -1.0,
            Loss::EpsilonInsensitive(epsilon) if p - y > epsilon => 1.0,
            Loss::EpsilonInsensitive(_) => 0.0,
            Loss::SquaredEpsilonInsensitive(epsilon) => {
                let z = y - p;
                if z > epsilon {
                    -2.0 * (z - epsilon)
                } else if z < -epsilon {
                    2.0 * (-z - epsilon)
                } else {
                    0.0
                }
            }
        }
    }

    /// What passive-aggressive steps are measured by: they know two losses.
    fn distance(self, y: f64, p: f64) -> f64 {
        match self {
            Loss::EpsilonInsensitive(epsilon) => ((y - p).abs() - epsilon).max(0.0),
            Loss::Hinge(threshold) => (threshold - p * y).max(0.0),
            _ => f64::NAN,
        }
    }
}

/// A linear model: its weights, and their averages over the steps.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LinearModel {
    /// The weight of each column.
    pub coefficients: Vec<f64>,
    /// What is added to the weighted sum.
    pub intercept: f64,
    /// The averages of the weights.
    pub average: Vec<f64>,
    /// The average of the intercept.
    pub average_intercept: f64,
}

impl LinearModel {
    /// A model of zeros.
    pub fn new(columns: usize) -> LinearModel {
        LinearModel {
            coefficients: vec![0.0; columns],
            intercept: 0.0,
            average: vec![0.0; columns],
            average_intercept: 0.0,
        }
    }

    /// Coefficients and intercept as they are, or their averages.
    pub fn weights(&self, averaged: bool) -> (Vec<f64>, f64) {
        match averaged {
            true => (self.average.clone(), self.average_intercept),
            false => (self.coefficients.clone(), self.intercept),
        }
    }
}

/// How a linear model is descended to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// What a prediction costs.
    pub loss: Loss,
    /// What large weights cost.
    pub penalty: Penalty,
    /// How much they cost.
    pub alpha: f64,
    /// The share of L1 in [`Penalty::ElasticNet`].
    pub l1_ratio: f64,
    /// Whether there is an intercept.
    pub fit_intercept: bool,
    /// How long steps are.
    pub learning_rate: LearningRate,
    /// The length of the first step.
    pub eta0: f64,
    /// The exponent of inverse scaling.
    pub power_t: f64,
    /// From which step on weights are averaged; 0 for never.
    pub average: u64,
}

/// The rows of one epoch.
pub struct Examples<'a> {
    /// A slice a column.
    pub columns: &'a [&'a [f64]],
    /// A value a row.
    pub targets: &'a [f64],
    /// The rows in the order in which they are learnt.
    pub order: &'a [usize],
    /// What rows with a target above 0 count, and the others.
    pub weights: (f64, f64),
}

/// Weights as a vector and its scale, with their average as Léon Bottou's trick keeps it.
#[derive(Clone)]
struct Scaled {
    model: LinearModel,
    scale: f64,
    average_a: f64,
    average_b: f64,
    averaged: bool,
}

impl Scaled {
    fn dot(&self, x: &[f64]) -> f64 {
        self.model.coefficients.iter().zip(x).map(|(weight, x)| weight * x).sum::<f64>() * self.scale
    }

    fn scale(&mut self, factor: f64) {
        self.scale *= factor;
        if self.scale < 1e-9 {
            self.reset();
        }
    }

    fn add(&mut self, x: &[f64], factor: f64) {
        let factor = factor / self.scale;
        self.model.coefficients.iter_mut().zip(x).for_each(|(weight, x)| *weight += x * factor);
    }

    fn add_average(&mut self, x: &[f64], factor: f64, steps: f64) {
        let (mu, factor) = (1.0 / steps, -factor / self.scale);
        let average = self.model.average.iter_mut().zip(x);
        average.for_each(|(average, x)| *average += self.average_a * x * factor);
        if steps > 1.0 {
            self.average_b /= 1.0 - mu;
        }
        self.average_a += mu * self.average_b * self.scale;
    }

    /// The truncated gradient of Tsuruoka, Tsujii and Ananiadou; `paid` is what each weight has paid so far.
    fn pay(&mut self, paid: &mut [f64], total: f64) {
        let scale = self.scale;
        for (weight, paid) in self.model.coefficients.iter_mut().zip(paid) {
            let before = *weight;
            if scale * before > 0.0 {
                *weight = (before - (total + *paid) / scale).max(0.0);
            } else if scale * before < 0.0 {
                *weight = (before + (total - *paid) / scale).min(0.0);
            }
            *paid += scale * (*weight - before);
        }
    }

    fn reset(&mut self) {
        let LinearModel { coefficients, average, .. } = &mut self.model;
        if self.averaged {
            let factor = 1.0 / self.average_b;
            for (average, weight) in average.iter_mut().zip(coefficients.iter()) {
                *average = (*average + self.average_a * weight) * factor;
            }
            (self.average_a, self.average_b) = (0.0, 1.0);
        }
        coefficients.iter_mut().for_each(|weight| *weight *= self.scale);
        self.scale = 1.0;
    }
}

impl Sgd {
    /// Steps as long as each row asks for, up to `c` or regularised by it, without a penalty: K. Crammer et al., Online
    /// Passive-Aggressive Algorithms, 2006.
    pub fn passive_aggressive(loss: Loss, learning_rate: LearningRate, c: f64, fit_intercept: bool) -> Sgd {
        Sgd {
            loss,
            penalty: Penalty::None,
            alpha: 1.0,
            l1_ratio: 0.0,
            fit_intercept,
            learning_rate,
            eta0: c,
            power_t: 0.5,
            average: 0,
        }
    }

    /// One epoch over examples, the first of which is step `t`.
    ///
    /// # Errors
    /// In scikit-learn's words, weights that are no longer finite; the model is then unspecified.
    pub fn epoch(&self, model: &mut LinearModel, examples: &Examples<'_>, t: f64) -> Result<(), &'static str> {
        let mut descent = Descent::new(self, std::mem::take(model), t);
        examples.order.iter().for_each(|row| descent.step(examples, *row));
        let is_finite = descent.is_finite();
        *model = descent.end();
        match is_finite {
            true => Ok(()),
            false => {
                Err("Floating-point under-/overflow occurred at epoch #1. Scaling input data with StandardScaler or \
                          MinMaxScaler might help.")
            }
        }
    }

    /// The rows of an epoch after which weights are no longer finite; of each, the ones behind it do not know.
    pub fn overflowing(&self, model: &LinearModel, examples: &Examples<'_>, t: f64) -> Vec<usize> {
        let mut descent = Descent::new(self, model.clone(), t);
        let overflows = |row: &usize| {
            let before = descent.clone();
            descent.step(examples, *row);
            let overflows = !descent.is_finite();
            if overflows {
                descent = before;
            }
            overflows
        };
        examples.order.iter().copied().filter(overflows).collect()
    }

    /// How far a row moves the weights along itself; `None` if it is passed over.
    fn update(&self, x: &[f64], y: f64, p: f64, eta: f64) -> Option<f64> {
        let norm = || x.iter().map(|x| x * x).sum::<f64>();
        let update = match self.learning_rate {
            LearningRate::PassiveAggressive1 => {
                let norm = norm();
                if norm == 0.0 {
                    return None;
                }
                (self.loss.distance(y, p) / norm).min(self.eta0)
            }
            LearningRate::PassiveAggressive2 => self.loss.distance(y, p) / (norm() + 0.5 / self.eta0),
            _ => {
                let gradient = self.loss.gradient(y, p);
                let cut = if gradient.is_nan() { gradient } else { gradient.clamp(-MAX_GRADIENT, MAX_GRADIENT) };
                return Some(-eta * cut);
            }
        };
        Some(match self.loss {
            Loss::Hinge(_) => update * y,
            _ if y - p < 0.0 => -update,
            _ => update,
        })
    }
}

/// An epoch between two rows.
#[derive(Clone)]
struct Descent<'a> {
    sgd: &'a Sgd,
    weights: Scaled,
    intercept: f64,
    average_intercept: f64,
    /// The share of L1.
    l1_ratio: f64,
    optimal_init: f64,
    /// What L1 has cost so far, and what each weight has paid of it.
    total: f64,
    paid: Vec<f64>,
    /// The step that comes next.
    t: f64,
    /// The row, as a buffer.
    x: Vec<f64>,
}

impl<'a> Descent<'a> {
    fn new(sgd: &'a Sgd, model: LinearModel, t: f64) -> Descent<'a> {
        let l1_ratio = match sgd.penalty {
            Penalty::L2 => 0.0,
            Penalty::L1 => 1.0,
            Penalty::None | Penalty::ElasticNet => sgd.l1_ratio,
        };
        let typical = (1.0 / sgd.alpha.sqrt()).sqrt();
        let columns = model.coefficients.len();
        Descent {
            sgd,
            intercept: model.intercept,
            average_intercept: model.average_intercept,
            weights: Scaled { model, scale: 1.0, average_a: 0.0, average_b: 1.0, averaged: sgd.average > 0 },
            l1_ratio,
            optimal_init: 1.0 / (typical / sgd.loss.gradient(1.0, -typical).max(1.0) * sgd.alpha),
            total: 0.0,
            paid: vec![0.0; columns],
            t,
            x: vec![0.0; columns],
        }
    }

    fn step(&mut self, examples: &Examples<'_>, row: usize) {
        let Descent { sgd, weights, x, t, l1_ratio, .. } = self;
        x.iter_mut().zip(examples.columns).for_each(|(x, column)| *x = column[row]);
        let y = examples.targets[row];
        let p = weights.dot(x) + self.intercept;
        let eta = match sgd.learning_rate {
            LearningRate::Optimal => 1.0 / (sgd.alpha * (self.optimal_init + *t - 1.0)),
            LearningRate::InverseScaling => sgd.eta0 / t.powf(sgd.power_t),
            _ => sgd.eta0,
        };
        let Some(mut update) = sgd.update(x, y, p, eta) else { return };
        update *= if y > 0.0 { examples.weights.0 } else { examples.weights.1 };
        if matches!(sgd.penalty, Penalty::L2 | Penalty::ElasticNet) {
            weights.scale((1.0 - (1.0 - *l1_ratio) * eta * sgd.alpha).max(0.0));
        }
        if update != 0.0 {
            weights.add(x, update);
            if sgd.fit_intercept {
                self.intercept += update;
            }
        }
        if weights.averaged && sgd.average as f64 <= *t {
            let steps = *t - sgd.average as f64 + 1.0;
            weights.add_average(x, update, steps);
            self.average_intercept += (self.intercept - self.average_intercept) / steps;
        }
        if matches!(sgd.penalty, Penalty::L1 | Penalty::ElasticNet) {
            self.total += *l1_ratio * eta * sgd.alpha;
            weights.pay(&mut self.paid, self.total);
        }
        *t += 1.0;
    }

    fn is_finite(&self) -> bool {
        self.intercept.is_finite() && self.weights.model.coefficients.iter().all(|weight| weight.is_finite())
    }

    /// The model that it has come to.
    fn end(mut self) -> LinearModel {
        self.weights.reset();
        LinearModel { intercept: self.intercept, average_intercept: self.average_intercept, ..self.weights.model }
    }
}

/// The numbers from 0 to below `count` as scikit-learn's data sets are shuffled with a seed.
pub fn shuffled(count: usize, seed: u32) -> Vec<usize> {
    let mut seed = if seed == 0 { 1 } else { seed };
    let mut order: Vec<usize> = (0..count).collect();
    for place in 0..count.saturating_sub(1) {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        let other = place + (seed % (1 << 31)) as usize % (count - place);
        order.swap(place, other);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARED: Sgd = Sgd {
        loss: Loss::SquaredError,
        penalty: Penalty::None,
        alpha: 1e-4,
        l1_ratio: 0.15,
        fit_intercept: true,
        learning_rate: LearningRate::Constant,
        eta0: 0.5,
        power_t: 0.25,
        average: 0,
    };

    #[test]
    fn a_step_goes_against_the_gradient() {
        let mut model = LinearModel::new(1);
        let examples = Examples { columns: &[&[2.0, 1.0]], targets: &[3.0, 0.0], order: &[0, 1], weights: (1.0, 1.0) };
        SQUARED.epoch(&mut model, &examples, 1.0).unwrap();
        // After the first row 3 and 1.5; the second predicts 4.5 and takes half of it back.
        assert_eq!((model.coefficients, model.intercept), (vec![0.75], -0.75));
    }

    #[test]
    fn weights_that_are_no_longer_finite_are_told() {
        let examples =
            Examples { columns: &[&[1e300, 1e300]], targets: &[1e300, 0.0], order: &[0, 1], weights: (1.0, 1.0) };
        let told = SQUARED.epoch(&mut LinearModel::new(1), &examples, 1.0).unwrap_err();
        assert!(told.contains("overflow"), "{told}");
    }

    #[test]
    fn rows_that_overflow_are_found_and_no_others() {
        let (x, y) = ([1.0, 1.7e308, 2.0, -1.7e308, 3.0], [2.0, 3.0, 5.0, 1.0, 4.0]);
        let examples = Examples { columns: &[&x], targets: &y, order: &[4, 3, 2, 1, 0], weights: (1.0, 1.0) };
        for average in [0, 1] {
            for penalty in [Penalty::None, Penalty::L2, Penalty::L1, Penalty::ElasticNet] {
                let sgd = Sgd { average, penalty, ..SQUARED };
                assert_eq!(sgd.overflowing(&LinearModel::new(1), &examples, 1.0), [3, 1], "{penalty:?}");
                let without = Examples { order: &[4, 2, 0], ..examples };
                sgd.epoch(&mut LinearModel::new(1), &without, 1.0).unwrap();
            }
        }
    }

    /// scikit-learn's `ArrayDataset64(...)._shuffle_py(12345)` over six rows.
    #[test]
    fn rows_are_shuffled_as_scikit_learn_does() {
        assert_eq!(shuffled(6, 12_345), [0, 3, 2, 5, 1, 4]);
        assert_eq!((shuffled(0, 0), shuffled(1, 0)), (vec![], vec![0]));
    }
}
