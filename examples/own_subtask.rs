//! A subtask of one's own, in a program that otherwise is `rowmill`:
//!
//!     cargo run --example own_subtask -- subtasks to_celsius
//!     cargo run --example own_subtask -- run dataflows/weather.toml --source data/sample.csv --sink - \
//!         --set subtask.replace.use='"to_celsius"'
//!
//! Its parameters, their help, the JSON schema and the page's form come from the struct.

use std::process::ExitCode;

use rowmill::Registry;
use rowmill::subtasks::{ColumnSubtask, Flaw, Refusal, Subtask, Traits};
use schemars::JsonSchema;
use serde::Deserialize;

/// Turns degrees Fahrenheit into degrees Celsius.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct ToCelsius {
    /// Added to the result, in degrees Celsius: the error of the sensor.
    offset: f64,
    /// Colder than this, in degrees Celsius, is no temperature, and refused; no bound if not given.
    coldest: Option<f64>,
}

impl Subtask for ToCelsius {
    const TRAITS: Traits<ToCelsius> = Traits::by_column();

    fn check(&self) -> Result<(), Refusal> {
        match self.coldest {
            Some(coldest) if coldest < -273.15 => {
                Err(Refusal::new("coldest", "nothing is colder than -273.15 degrees"))
            }
            _ => Ok(()),
        }
    }
}

impl ColumnSubtask for ToCelsius {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        for (row, degrees) in values.iter_mut().enumerate() {
            *degrees = (*degrees - 32.0) / 1.8 + self.offset;
            if self.coldest.is_some_and(|coldest| *degrees < coldest) {
                return Err(Flaw::of_row(row, format!("{degrees} degrees is too cold.")));
            }
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    rowmill::cli::main_with(Registry::builtin().subtask::<ToCelsius>("to_celsius"))
}
