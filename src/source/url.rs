//! The address of a source.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Deserialize;

use crate::format::{FileKind, PayloadFormat};
use crate::mqtt;
use crate::source::{Arrivals, Load};

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub enum SourceUrl {
    /// A topic of a broker.
    Mqtt(mqtt::MqttUrl),
    /// A file, which ends the run when it is read.
    File {
        /// Where the file is.
        path: PathBuf,
        /// What is in it.
        kind: FileKind,
    },
    /// Standard input.
    Stdin,
    /// A source of the registry, by its address.
    Custom(String),
    /// Generated rows, as fast as the dataflow takes them if no load is given.
    Generate {
        /// How many rows are made.
        rows: u64,
        /// The same seed makes the same rows.
        seed: u64,
        /// When they arrive; as fast as they are taken if not given.
        load: Option<Load>,
    },
}

/// The pace of a source that does not wait for the dataflow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// `None` if it is not known beforehand.
    pub rows_per_second: Option<f64>,
}

impl SourceUrl {
    /// `None` for a source that is read as fast as the dataflow takes it.
    pub fn pace(&self) -> Option<Pace> {
        match self {
            SourceUrl::Mqtt(_) | SourceUrl::Custom(_) => Some(Pace { rows_per_second: None }),
            SourceUrl::Generate { load: Some(load), .. } => Some(Pace { rows_per_second: Some(load.rate) }),
            _ => None,
        }
    }
}

impl TryFrom<String> for SourceUrl {
    type Error = String;

    fn try_from(text: String) -> Result<SourceUrl, String> {
        if text == "-" {
            Ok(SourceUrl::Stdin)
        } else if let Some(parameters) = text.strip_prefix("generate:") {
            generate(parameters)
        } else if text.contains("://") {
            text.parse().map(SourceUrl::Mqtt)
        } else {
            let path = PathBuf::from(text);
            Ok(SourceUrl::File { kind: FileKind::of(&path)?, path })
        }
    }
}

impl std::fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SourceUrl::Mqtt(url) => url.fmt(f),
            SourceUrl::File { path, .. } => path.display().fmt(f),
            SourceUrl::Stdin => f.write_str("-"),
            SourceUrl::Custom(url) => f.write_str(&mqtt::masked(url)),
            SourceUrl::Generate { rows, seed, load } => {
                write!(f, "generate:rows={rows},seed={seed}")?;
                let Some(Load { rate, arrivals, burst }) = load else { return Ok(()) };
                write!(f, ",rate={rate}")?;
                if *arrivals == Arrivals::Poisson {
                    write!(f, ",arrivals=poisson")?;
                }
                if *burst > 1 { write!(f, ",burst={burst}") } else { Ok(()) }
            }
        }
    }
}

fn generate(parameters: &str) -> Result<SourceUrl, String> {
    let (mut rows, mut seed) = (None, 0);
    let (mut rate, mut arrivals, mut burst) = (None, None, None);
    for parameter in parameters.split(',') {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let number = || value.parse().map_err(|_| format!("generate: {key} takes a whole number, not {value:?}"));
        match key {
            "rows" => rows = Some(number()?),
            "seed" => seed = number()?,
            "rate" => rate = Some(parse_rate(value).map_err(|reason| format!("generate: rate: {reason}"))?),
            "arrivals" => {
                arrivals = Some(
                    Arrivals::from_str(value, false)
                        .map_err(|_| format!("generate: arrivals is uniform or poisson, not {value:?}"))?,
                )
            }
            "burst" => {
                let rows = Some(number()?).filter(|rows| (1..=MOST_AT_ONCE).contains(rows));
                burst = Some(rows.ok_or_else(|| format!("generate: burst is between 1 and {MOST_AT_ONCE} rows"))?);
            }
            _ => return Err(format!("generate: knows rows, seed, rate, arrivals and burst, not {key:?}")),
        }
    }
    let rows = rows.ok_or("generate: needs rows=N, such as generate:rows=1000,seed=7")?;
    if rate.is_none() && (arrivals.is_some() || burst.is_some()) {
        return Err("generate: arrivals and burst need rate=ROWS_A_SECOND".into());
    }
    let load = rate.map(|rate| Load { rate, arrivals: arrivals.unwrap_or_default(), burst: burst.unwrap_or(1) });
    Ok(SourceUrl::Generate { rows, seed, load })
}

/// Most rows that may be due at the same time.
const MOST_AT_ONCE: u64 = 10_000_000;

/// Parses rows a second: one a year at least, and a thousand million at most.
///
/// # Errors
/// Any other text.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("{text:?} is no number of rows a second"))?;
    if (1e-8..=1e9).contains(&rate) {
        Ok(rate)
    } else {
        Err(format!("{text} is not between 1e-8 and 1e9 rows a second"))
    }
}

impl FileKind {
    /// The kind of a file by the ending of its name.
    pub fn of(path: &Path) -> Result<FileKind, String> {
        let ending = |path: &Path| path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_owned();
        let unpacked = match &*ending(path) {
            "gz" | "zst" => path.with_extension(""),
            _ => path.to_owned(),
        };
        let ending = ending(&unpacked);
        if let Some(format) = PayloadFormat::by_ending(&ending) {
            return Ok(FileKind::Payloads(format));
        }
        match &*ending {
            // Tabs are found, as every separator is; loggers of Campbell Scientific write .dat.
            "csv" | "tsv" | "dat" => Ok(FileKind::Csv),
            "ndjson" | "jsonl" | "json" => Ok(FileKind::Ndjson),
            "txt" => Ok(FileKind::WeatherLink),
            _ => Err(format!(
                "{:?} is no source: a file ends in .csv, .tsv, .dat, .ndjson, .json, .txt (WeatherLink), .lp (InfluxDB), .senml, .cbor or \
                 .msgpack, and .gz or .zst may follow; else mqtt://, - or generate:",
                path.display().to_string()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_source() {
        let url = |text: &str| SourceUrl::try_from(text.to_owned());
        assert_eq!(url("-"), Ok(SourceUrl::Stdin));
        assert_eq!(url("generate:rows=5,seed=7"), Ok(SourceUrl::Generate { rows: 5, seed: 7, load: None }));
        let text = "generate:rows=5,seed=7,rate=1000,arrivals=poisson,burst=10";
        assert_eq!(url(text).unwrap().to_string(), text);
        assert_eq!(url("a/b.csv"), Ok(SourceUrl::File { path: "a/b.csv".into(), kind: FileKind::Csv }));
        for (path, kind) in [
            ("a.csv.gz", FileKind::Csv),
            ("a.b.ndjson.zst", FileKind::Ndjson),
            ("a.txt.gz", FileKind::WeatherLink),
            ("a.lp", FileKind::Payloads(PayloadFormat::find("influx").unwrap())),
            ("a.cbor.gz", FileKind::Payloads(PayloadFormat::find("cbor").unwrap())),
        ] {
            assert_eq!(url(path), Ok(SourceUrl::File { path: path.into(), kind }));
        }
        assert!(matches!(url("mqtt://h/t"), Ok(SourceUrl::Mqtt(_))));
        for wrong in [
            "generate:",
            "generate:rows=x",
            "generate:rows=1,speed=2",
            "generate:rows=1,rate=0",
            "generate:rows=1,burst=2",
            "generate:rows=1,rate=1,arrivals=often",
            "a.parquet",
            "a.gz",
            "a.parquet.gz",
            "http://h/t",
        ] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }
}
