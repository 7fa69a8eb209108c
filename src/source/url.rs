//! The address of a source.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::FileKind;
use crate::mqtt;

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Url {
    Mqtt(mqtt::Url),
    File { path: PathBuf, kind: FileKind },
    Stdin,
    Generate { rows: u64, seed: u64 },
}

impl TryFrom<String> for Url {
    type Error = String;

    fn try_from(text: String) -> Result<Url, String> {
        if text == "-" {
            Ok(Url::Stdin)
        } else if let Some(parameters) = text.strip_prefix("generate:") {
            generate(parameters)
        } else if text.contains("://") {
            text.parse().map(Url::Mqtt)
        } else {
            let path = PathBuf::from(text);
            Ok(Url::File { kind: FileKind::of(&path)?, path })
        }
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Url::Mqtt(url) => url.fmt(f),
            Url::File { path, .. } => path.display().fmt(f),
            Url::Stdin => f.write_str("-"),
            Url::Generate { rows, seed } => write!(f, "generate:rows={rows},seed={seed}"),
        }
    }
}

fn generate(parameters: &str) -> Result<Url, String> {
    let (mut rows, mut seed) = (None, 0);
    for parameter in parameters.split(',') {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let number = || value.parse().map_err(|_| format!("generate: {key} takes a whole number, not {value:?}"));
        match key {
            "rows" => rows = Some(number()?),
            "seed" => seed = number()?,
            _ => return Err(format!("generate: knows rows=N and seed=S, not {key:?}")),
        }
    }
    let rows = rows.ok_or("generate: needs rows=N, such as generate:rows=1000,seed=7")?;
    Ok(Url::Generate { rows, seed })
}

impl FileKind {
    /// The kind of a file by the ending of its name.
    pub fn of(path: &Path) -> Result<FileKind, String> {
        match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
            "csv" => Ok(FileKind::Csv),
            "ndjson" | "jsonl" => Ok(FileKind::Ndjson),
            "txt" => Ok(FileKind::WeatherLink),
            _ => Err(format!(
                "{:?} is no source: a file ends in .csv, .ndjson or .txt (WeatherLink); else mqtt://, - or generate:",
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
        let url = |text: &str| Url::try_from(text.to_owned());
        assert_eq!(url("-"), Ok(Url::Stdin));
        assert_eq!(url("generate:rows=5,seed=7"), Ok(Url::Generate { rows: 5, seed: 7 }));
        assert_eq!(url("a/b.csv"), Ok(Url::File { path: "a/b.csv".into(), kind: FileKind::Csv }));
        assert!(matches!(url("mqtt://h/t"), Ok(Url::Mqtt(_))));
        for wrong in ["generate:", "generate:rows=x", "generate:rows=1,speed=2", "a.parquet", "http://h/t"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }
}
