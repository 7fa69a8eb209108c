//! A sink of one's own: results as lines of InfluxDB's protocol, in a file that Telegraf can tail.
//!
//!     cargo run --example own_sink -- run dataflows/weather.toml --source data/sample.csv --sink influx://weather.lp
//!
//! It takes columns, which its type says: no line of JSON can reach it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use rowmill::Registry;
use rowmill::data::{Kind, Message, Schema};
use rowmill::sink::{OpenSink, SinkConfig};
use schemars::JsonSchema;
use serde::Deserialize;

/// A file of InfluxDB's line protocol.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Influx {
    /// The name of the measurement.
    #[serde(default = "measurement")]
    measurement: String,
}

fn measurement() -> String {
    "rowmill".into()
}

impl SinkConfig for Influx {
    type Writer = Lines;

    fn check(&self, _url: &str) -> Result<(), String> {
        let is_bad = self.measurement.contains([' ', ',', '\n']);
        if is_bad { Err(format!("a measurement's name has no space or comma: {:?}", self.measurement)) } else { Ok(()) }
    }

    fn build(&self, url: &str, schema: &Schema) -> Result<Lines, String> {
        let file = File::options().append(true).create(true).open(url.trim_start_matches("influx://"));
        let numbers = schema.columns().iter().filter(|column| column.kind == Kind::Number);
        Ok(Lines {
            measurement: self.measurement.clone(),
            names: numbers.map(|column| column.name.replace(' ', "\\ ")).collect(),
            file: BufWriter::new(file.map_err(|error| error.to_string())?),
        })
    }
}

struct Lines {
    measurement: String,
    /// Of the number columns, in the order of their slots.
    names: Vec<String>,
    file: BufWriter<File>,
}

impl OpenSink for Lines {
    type Input = Message;

    fn write(&mut self, message: &Message) -> Result<(), String> {
        for (row, id) in message.ids.iter().enumerate() {
            let values = self.names.iter().enumerate().map(|(slot, name)| (name, message.column(slot)[row]));
            let fields: Vec<String> =
                values.filter(|(_, x)| x.is_finite()).map(|(name, x)| format!("{name}={x}")).collect();
            if !fields.is_empty() {
                let line = writeln!(self.file, "{},row={id} {}", self.measurement, fields.join(","));
                line.map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), String> {
        let flushed = self.file.flush().and_then(|()| self.file.get_ref().sync_data());
        flushed.map_err(|error| error.to_string())
    }
}

fn main() -> ExitCode {
    rowmill::cli::main_with(Registry::builtin().sink::<Influx>("influx"))
}
