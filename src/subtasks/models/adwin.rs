//! river's `ADWIN`: whether the mean of a column has changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Features, Learning, Model, ModelOutput, OutputValues, Params, Target};
use crate::data::Kind;
use crate::kernels::adaptive_window::{AdaptiveWindow, Cutting};
use crate::subtasks::Refusal;

/// Drift.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Adwin {
    /// How likely a drift may be told where there is none.
    delta: f64,
    /// After how many values each it looks for a drift.
    clock: u32,
    /// The most buckets of one size: the more, the finer the window.
    max_buckets: u32,
    /// The least values before and behind a drift.
    min_window_length: u32,
    /// It looks for none among so many values.
    grace_period: u32,
}

impl Default for Adwin {
    fn default() -> Adwin {
        Adwin { delta: 0.002, clock: 32, max_buckets: 5, min_window_length: 5, grace_period: 10 }
    }
}

/// The values of a key since the last drift.
#[derive(Clone, Serialize, Deserialize)]
pub struct SinceDrift {
    window: AdaptiveWindow,
    /// Whether the last value was one of a drift: the next one begins a new window.
    drifted: bool,
}

/// A watcher says nothing before it has seen a row.
pub enum DriftDetector {}

impl Model for DriftDetector {
    const SUMMARY: &'static str = "Tells where the mean of a column has changed: of each row whether it shows a drift, and the window of values since the last one.";
    const OUTPUTS: &'static [ModelOutput] = &[ModelOutput::Drift, ModelOutput::WindowMean, ModelOutput::WindowWidth];

    fn read(_: &Params<'_>) -> Result<DriftDetector, String> {
        Err("it learns over the stream: give fit = \"stream\" and no params".into())
    }

    fn evaluate(&self, _: &Features<'_>, _: &[ModelOutput]) -> Vec<OutputValues> {
        match *self {}
    }
}

impl Adwin {
    fn cutting(&self) -> Cutting {
        let Adwin { delta, clock, max_buckets, min_window_length, grace_period } = *self;
        Cutting { delta, clock, max_buckets: max_buckets as usize, min_window_length, grace_period }
    }

    fn update(&self, state: &mut SinceDrift, value: f64) {
        if state.drifted {
            state.window = AdaptiveWindow::default();
        }
        state.drifted = state.window.update(value, &self.cutting());
    }
}

impl Learning for Adwin {
    type Model = DriftDetector;
    type State = SinceDrift;
    const SUPERVISED: bool = false;
    const ROW_BY_ROW: bool = true;

    fn check(&self) -> Result<(), Refusal> {
        let from_1 = |name: &'static str| Err(Refusal::new(name, format!("{name} must be from 1")));
        match () {
            () if !(self.delta > 0.0 && self.delta < 1.0) => {
                Err(Refusal::new("delta", "delta must be between 0 and 1"))
            }
            () if self.clock == 0 => from_1("clock"),
            () if self.max_buckets == 0 => from_1("max_buckets"),
            () if self.min_window_length == 0 => from_1("min_window_length"),
            () => Ok(()),
        }
    }

    fn check_columns(&self, columns: &[String]) -> Result<(), Refusal> {
        match columns {
            [_] => Ok(()),
            _ => Err(Refusal::new("columns", "it watches one column: name it, and give each a step of its own")),
        }
    }

    fn target(&self) -> Target<'_> {
        Target::None
    }

    fn columns(&self, output: ModelOutput) -> Result<Vec<(String, Kind)>, String> {
        Ok(vec![output.number()])
    }

    fn start(&self, _: &[String]) -> SinceDrift {
        SinceDrift { window: AdaptiveWindow::default(), drifted: false }
    }

    fn fits(&self, state: &SinceDrift, _: &[String]) -> bool {
        state.window.fits(&self.cutting())
    }

    fn learn_and_say(
        &self,
        state: &mut SinceDrift,
        features: &Features<'_>,
        targets: &[Option<f64>],
        outputs: &[ModelOutput],
    ) -> Vec<OutputValues> {
        let mut said = vec![Vec::with_capacity(features.rows); outputs.len()];
        for (value, learns) in features.columns[0].iter().zip(targets) {
            if learns.is_none() {
                said.iter_mut().for_each(|column| column.push(f64::NAN));
                continue;
            }
            self.update(state, *value);
            for (column, output) in said.iter_mut().zip(outputs) {
                column.push(match output {
                    ModelOutput::WindowMean => state.window.mean(),
                    ModelOutput::WindowWidth => state.window.width(),
                    _ => f64::from(u8::from(state.drifted)),
                });
            }
        }
        said.into_iter().map(OutputValues::Numbers).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::models::testing::names;
    use toml::de::ValueDeserializer;

    fn read(parameters: &str) -> Adwin {
        Adwin::deserialize(ValueDeserializer::parse(parameters).unwrap()).unwrap()
    }

    #[test]
    fn each_row_is_told_of_and_a_window_begins_anew_behind_a_drift() {
        let adwin = read("{clock = 8}");
        let value = |place: u32| f64::from(place * 7919 % 1000) / 1000.0 + if place < 200 { 0.0 } else { 1.5 };
        let values: Vec<f64> = (0..220).map(value).collect();
        let outputs = [ModelOutput::Drift, ModelOutput::WindowWidth, ModelOutput::WindowMean];
        let mut state = adwin.start(&names(1));
        let mut said: Vec<Vec<f64>> = vec![Vec::new(); 3];
        for part in values.chunks(7) {
            let features = Features { columns: vec![part], rows: part.len() };
            let of_part = adwin.learn_and_say(&mut state, &features, &vec![Some(0.0); part.len()], &outputs);
            for (all, part) in said.iter_mut().zip(of_part) {
                let OutputValues::Numbers(part) = part else { panic!("numbers") };
                all.extend(part);
            }
            assert!(adwin.fits(&state, &names(1)));
        }
        let drifts: Vec<usize> = (0..said[0].len()).filter(|row| said[0][*row] == 1.0).collect();
        // As river says of the same values.
        assert_eq!((drifts, said[1][215], said[2][215]), (vec![215], 56.0, 0.9553571428571438));
        assert_eq!((said[1][216], said[2][216], said[1][219]), (1.0, values[216], 4.0));
    }

    #[test]
    fn parameters_that_cannot_be_are_told() {
        for (parameters, parameter) in [
            ("{delta = 0.0}", "delta"),
            ("{delta = nan}", "delta"),
            ("{clock = 0}", "clock"),
            ("{max_buckets = 0}", "max_buckets"),
            ("{min_window_length = 0}", "min_window_length"),
        ] {
            assert_eq!(read(parameters).check().unwrap_err().parameter, parameter, "{parameters}");
        }
        assert!(read("{}").check().is_ok());
        assert_eq!(read("{}").check_columns(&names(2)).unwrap_err().parameter, "columns");
    }
}
