//! The address of a sink.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::mqtt;

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Url {
    Mqtt(mqtt::Url),
    Ndjson(PathBuf),
    Csv(PathBuf),
    Parquet(PathBuf),
    Stdout,
    Null,
}

impl Url {
    pub fn is_file(&self) -> bool {
        matches!(self, Url::Ndjson(_) | Url::Csv(_) | Url::Parquet(_))
    }

    /// Whether it is a file that lines can be added to.
    pub fn is_lines(&self) -> bool {
        matches!(self, Url::Ndjson(_) | Url::Csv(_))
    }

    /// Whether JSON lines can go there.
    pub fn takes_json(&self) -> bool {
        !matches!(self, Url::Csv(_) | Url::Parquet(_))
    }
}

impl TryFrom<String> for Url {
    type Error = String;

    fn try_from(text: String) -> Result<Url, String> {
        match text.as_str() {
            "-" => return Ok(Url::Stdout),
            "null" => return Ok(Url::Null),
            _ if text.contains("://") => return text.parse().map(Url::Mqtt),
            _ => {}
        }
        let path = PathBuf::from(text);
        match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
            "ndjson" | "jsonl" => Ok(Url::Ndjson(path)),
            "csv" => Ok(Url::Csv(path)),
            "parquet" => Ok(Url::Parquet(path)),
            _ => Err(format!(
                "{:?} is no sink: a file ends in .ndjson, .csv or .parquet; else mqtt://, - or null",
                path.display().to_string()
            )),
        }
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Url::Mqtt(url) => url.fmt(f),
            Url::Ndjson(path) | Url::Csv(path) | Url::Parquet(path) => path.display().fmt(f),
            Url::Stdout => f.write_str("-"),
            Url::Null => f.write_str("null"),
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
        let url = |text: &str| Url::try_from(text.to_owned());
        assert_eq!(url("-"), Ok(Url::Stdout));
        assert_eq!(url("null"), Ok(Url::Null));
        assert_eq!(url("a/b.parquet"), Ok(Url::Parquet("a/b.parquet".into())));
        assert!(matches!(url("mqtt://h/t"), Ok(Url::Mqtt(_))));
        assert!(url("x.xml").is_err());
        assert_eq!(part(Path::new("d/out.csv"), 2), Path::new("d/out.part-2.csv"));
    }
}
