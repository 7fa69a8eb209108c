//! The address of a sink.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::mqtt;

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum SinkUrl {
    /// A topic of a broker.
    Mqtt(mqtt::MqttUrl),
    /// A file of JSON objects, one a line.
    Ndjson(PathBuf),
    /// A file of cells between commas, with a header.
    Csv(PathBuf),
    /// A Parquet file, which can be read once it is complete.
    Parquet(PathBuf),
    /// Standard output, as JSON objects.
    Stdout,
    /// Nowhere: rows are only counted.
    Null,
    /// A sink of the registry, by its address.
    Custom(String),
}

impl SinkUrl {
    /// Whether it is a file of this machine.
    pub fn is_file(&self) -> bool {
        matches!(self, SinkUrl::Ndjson(_) | SinkUrl::Csv(_) | SinkUrl::Parquet(_))
    }

    /// Whether it is a file to which lines can be appended.
    pub fn is_lines(&self) -> bool {
        matches!(self, SinkUrl::Ndjson(_) | SinkUrl::Csv(_))
    }

    /// Whether JSON lines can go there.
    pub fn takes_json(&self) -> bool {
        !matches!(self, SinkUrl::Csv(_) | SinkUrl::Parquet(_))
    }
}

impl TryFrom<String> for SinkUrl {
    type Error = String;

    fn try_from(text: String) -> Result<SinkUrl, String> {
        match text.as_str() {
            "-" => return Ok(SinkUrl::Stdout),
            "null" => return Ok(SinkUrl::Null),
            _ if text.contains("://") => return text.parse().map(SinkUrl::Mqtt),
            _ => {}
        }
        let path = PathBuf::from(text);
        match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
            "ndjson" | "jsonl" => Ok(SinkUrl::Ndjson(path)),
            "csv" => Ok(SinkUrl::Csv(path)),
            "parquet" => Ok(SinkUrl::Parquet(path)),
            _ => Err(format!(
                "{:?} is no sink: a file ends in .ndjson, .csv or .parquet; else mqtt://, - or null",
                path.display().to_string()
            )),
        }
    }
}

impl std::fmt::Display for SinkUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SinkUrl::Mqtt(url) => url.fmt(f),
            SinkUrl::Ndjson(path) | SinkUrl::Csv(path) | SinkUrl::Parquet(path) => path.display().fmt(f),
            SinkUrl::Stdout => f.write_str("-"),
            SinkUrl::Null => f.write_str("null"),
            SinkUrl::Custom(url) => f.write_str(&mqtt::masked(url)),
        }
    }
}

/// `out.csv` becomes `out.part-0.csv`.
pub fn part(path: &Path, process: usize) -> PathBuf {
    let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}.part-{process}{ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_sink() {
        let url = |text: &str| SinkUrl::try_from(text.to_owned());
        assert_eq!(url("-"), Ok(SinkUrl::Stdout));
        assert_eq!(url("null"), Ok(SinkUrl::Null));
        assert_eq!(url("a/b.parquet"), Ok(SinkUrl::Parquet("a/b.parquet".into())));
        assert!(matches!(url("mqtt://h/t"), Ok(SinkUrl::Mqtt(_))));
        assert!(url("x.xml").is_err());
        assert_eq!(part(Path::new("d/out.csv"), 2), Path::new("d/out.part-2.csv"));
    }
}
