//! Exponentially weighted means.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_column::{ColumnSubtask, Flaw};
use super::{Learner, PartialFit, Refusal, Subtask, Traits};
use crate::data::{from_bytes, to_bytes};

/// Replaces each value by the mean of all values up to it, in which older ones count less and less.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ewm {
    /// The decay as a centre of mass; one of `com`, `span`, `halflife` and `alpha` is given.
    com: Option<f64>,
    /// The decay as a span of rows, 1 or more.
    span: Option<f64>,
    /// The decay as the rows after which a value counts half.
    halflife: Option<f64>,
    /// The decay as the smoothing factor, above 0 and up to 1.
    alpha: Option<f64>,
    /// How many values must have come before there is a mean.
    min_periods: u64,
    /// Whether the weights of the first rows are divided by their sum, so that these are not too heavy.
    adjust: bool,
    /// Whether a missing value takes no place among the rows.
    ignore_na: bool,
}

impl Default for Ewm {
    fn default() -> Ewm {
        Ewm { com: None, span: None, halflife: None, alpha: None, min_periods: 0, adjust: true, ignore_na: false }
    }
}

impl Subtask for Ewm {
    const EQUALS: &'static str = "pandas.DataFrame.ewm(...).mean";
    const TRAITS: Traits<Ewm> = Traits::by_column().partial_fit();

    fn check(&self) -> Result<(), Refusal> {
        let given = [("com", self.com), ("span", self.span), ("halflife", self.halflife), ("alpha", self.alpha)];
        let given: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let [(name, value)] = given[..] else {
            let name = given.get(1).map_or("alpha", |(name, _)| name);
            return Err(Refusal::new(name, "give one of com, span, halflife and alpha"));
        };
        let (fits, rule) = match name {
            "com" => (value >= 0.0, "com must satisfy: com >= 0"),
            "span" => (value >= 1.0, "span must satisfy: span >= 1"),
            "halflife" => (value > 0.0, "halflife must satisfy: halflife > 0"),
            _ => (value > 0.0 && value <= 1.0, "alpha must satisfy: 0 < alpha <= 1"),
        };
        if fits && value.is_finite() { Ok(()) } else { Err(Refusal::new(name, rule)) }
    }
}

impl PartialFit for Ewm {
    fn learner(&self) -> Box<dyn Learner> {
        Box::new(self.mean())
    }
}

impl ColumnSubtask for Ewm {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        self.mean().learn_and_transform(values);
        Ok(())
    }
}

impl Ewm {
    fn mean(&self) -> WeightedMean {
        // As pandas rounds it, by way of the centre of mass.
        let com = match (self.com, self.span, self.halflife, self.alpha) {
            (Some(com), ..) => com,
            (_, Some(span), ..) => (span - 1.0) / 2.0,
            (_, _, Some(halflife), _) => 1.0 / (1.0 - (0.5_f64.ln() / halflife).exp()) - 1.0,
            (.., alpha) => alpha.map_or(0.0, |alpha| (1.0 - alpha) / alpha),
        };
        WeightedMean {
            alpha: 1.0 / (1.0 + com),
            halves: com == 1.0,
            of: self.clone(),
            state: State { mean: f64::NAN, weight: 1.0, seen: 0 },
        }
    }
}

/// The mean so far.
struct WeightedMean {
    alpha: f64,
    /// Whether a row counts half of the one behind it.
    halves: bool,
    of: Ewm,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    /// Missing before the first value.
    mean: f64,
    /// Of the values so far.
    weight: f64,
    /// How many values there were.
    seen: u64,
}

impl Learner for WeightedMean {
    fn learn_and_transform(&mut self, values: &mut [f64]) {
        let State { mean, weight, seen } = &mut self.state;
        let new = if self.of.adjust { 1.0 } else { self.alpha };
        for x in values {
            // pandas takes infinite values for missing ones.
            let present = x.is_finite();
            *seen += u64::from(present);
            if mean.is_nan() {
                *mean = if present { *x } else { *mean };
            } else if present || !self.of.ignore_na {
                *weight *= 1.0 - self.alpha;
                if present {
                    // pandas fills the weights up to 1 with this decay alone.
                    let new = if self.halves && !self.of.adjust { 1.0 - *weight } else { new };
                    // Equal values have no rounding errors.
                    if *mean != *x {
                        *mean = (*weight * *mean + new * *x) / (*weight + new);
                    }
                    *weight = if self.of.adjust { *weight + new } else { 1.0 };
                }
            }
            *x = if *seen >= self.of.min_periods.max(1) { *mean } else { f64::NAN };
        }
    }

    fn takes_infinity(&self) -> bool {
        true
    }

    fn save(&self) -> Vec<u8> {
        to_bytes(&self.state)
    }

    fn load(&mut self, saved: &[u8]) -> Result<(), String> {
        from_bytes(saved).map(|state| self.state = state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    const N: f64 = f64::NAN;

    /// What pandas 3.1 says of the same values.
    #[test]
    fn means_as_pandas_has_them() {
        let usual = Ewm { alpha: Some(0.5), ..Ewm::default() };
        for (ewm, expected) in [
            (usual.clone(), [1.0, 5.0 / 3.0, 5.0 / 3.0, 3.3636363636363638]),
            (Ewm { adjust: false, ..usual.clone() }, [1.0, 1.5, 1.5, 3.375]),
            (
                Ewm { adjust: false, com: Some(2.0), alpha: None, ..usual.clone() },
                [1.0, 1.3333333333333335, 1.3333333333333335, 2.476190476190476],
            ),
            (Ewm { adjust: false, ignore_na: true, ..usual.clone() }, [1.0, 1.5, 1.5, 2.75]),
            (Ewm { ignore_na: true, ..usual.clone() }, [1.0, 5.0 / 3.0, 5.0 / 3.0, 3.0]),
            (Ewm { com: Some(1.0), alpha: None, ..usual.clone() }, [1.0, 5.0 / 3.0, 5.0 / 3.0, 3.3636363636363638]),
            (Ewm { span: Some(3.0), alpha: None, ..usual.clone() }, [1.0, 5.0 / 3.0, 5.0 / 3.0, 3.3636363636363638]),
        ] {
            let ours = applied(&ewm, &[vec![1.0, 2.0, N, 4.0]]).unwrap();
            for (x, y) in ours[0].iter().zip(expected) {
                assert!((x - y).abs() < 1e-14, "{ewm:?}: {ours:?}, not {expected:?}");
            }
        }
    }

    #[test]
    fn the_mean_goes_on_behind_a_restart() {
        let ewm = Ewm { halflife: Some(2.0), min_periods: 2, ..Ewm::default() };
        let values = [3.0, N, 1.0, 8.0, 2.0];
        let whole = applied(&ewm, &[values.to_vec()]).unwrap();
        let (mut learner, mut parts) = (ewm.learner(), Vec::new());
        for part in values.chunks(2) {
            let mut part = part.to_vec();
            learner.learn_and_transform(&mut part);
            parts.extend(part);
            let mut next = ewm.learner();
            next.load(&learner.save()).unwrap();
            learner = next;
        }
        assert_eq!(format!("{parts:?}"), format!("{:?}", whole[0]));
        assert!(parts[0].is_nan() && !parts[2].is_nan());
    }

    #[test]
    fn one_decay_and_a_possible_one() {
        let refused = |ewm: Ewm| ewm.check().unwrap_err().parameter;
        assert_eq!(refused(Ewm::default()), "alpha");
        assert_eq!(refused(Ewm { com: Some(1.0), span: Some(2.0), ..Ewm::default() }), "span");
        assert_eq!(refused(Ewm { alpha: Some(0.0), ..Ewm::default() }), "alpha");
        assert_eq!(refused(Ewm { span: Some(0.5), ..Ewm::default() }), "span");
        assert!(Ewm { alpha: Some(1.0), ..Ewm::default() }.check().is_ok());
    }
}
