//! The file that `rowmill fit` writes: the fitted params of each step of a chain.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::disk::{self, Readers};
use crate::subtasks::Learned;

const VERSION: u32 = 1;

/// The fitted params of a dataflow's steps. `scripts/sklearn_params.py` reads and writes the same file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fitted {
    /// The version of the format.
    rowmill_fit: u32,
    /// The steps that learn, in the chain's order.
    pub steps: Vec<FittedStep>,
}

/// The fitted params of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedStep {
    /// The subtask's name, numbered from the second of that name on.
    pub step: String,
    /// The columns that it was fitted on.
    pub columns: Vec<String>,
    /// Its fitted params.
    pub learned: Learned,
}

impl Fitted {
    /// A file in the format of this version of the program.
    pub fn new(steps: Vec<FittedStep>) -> Fitted {
        Fitted { rowmill_fit: VERSION, steps }
    }

    /// # Errors
    /// Contents of another format.
    pub fn parse(contents: &[u8]) -> Result<Fitted, String> {
        let fitted: Fitted = serde_json::from_slice(contents).map_err(|error| error.to_string())?;
        if fitted.rowmill_fit != VERSION {
            return Err(format!("written as version {}; this program reads {VERSION}", fitted.rowmill_fit));
        }
        let mut labels = HashSet::new();
        if let Some(twice) = fitted.steps.iter().find(|step| !labels.insert(step.step.as_str())) {
            return Err(format!("the step {} stands there twice", twice.step));
        }
        Ok(fitted)
    }

    /// Writes the file. One that is there is replaced as a whole: a run may be about to read it.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(self).expect("numbers and texts are values") + "\n";
        match std::fs::canonicalize(path) {
            Ok(target) if target.is_file() => disk::replace(&target, text.as_bytes(), Readers::AsBefore),
            _ => std::fs::write(path, text),
        }
    }

    /// The fitted params of a step, and its columns in the order of the fit.
    ///
    /// # Errors
    /// If they are not there, or were fitted on other columns.
    pub fn step(&self, label: &str, columns: &[&str]) -> Result<&FittedStep, String> {
        let step = self.steps.iter().find(|step| step.step == label);
        let step = step.ok_or_else(|| format!("it holds nothing for {label}"))?;
        let sorted = |columns: &[&str]| {
            let mut columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
            columns.sort();
            columns
        };
        let own: Vec<&str> = step.columns.iter().map(String::as_str).collect();
        if sorted(&own) != sorted(columns) {
            return Err(format!("{label} was fitted on {}, not on {}", step.columns.join(", "), columns.join(", ")));
        }
        Ok(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_found_by_name_and_columns() {
        let learned = Learned::default().with("mean_", [1.0]);
        let step = FittedStep { step: "standard_scaler".into(), columns: vec!["b".into(), "a".into()], learned };
        let fitted = Fitted::new(vec![step]);
        let file = tempfile::NamedTempFile::new().unwrap();
        fitted.write(file.path()).unwrap();
        let fitted = Fitted::parse(&std::fs::read(file.path()).unwrap()).unwrap();
        // The order of the columns is the file's.
        assert_eq!(fitted.step("standard_scaler", &["a", "b"]), Ok(&fitted.steps[0]));
        let other = fitted.step("standard_scaler", &["b"]).unwrap_err();
        assert_eq!(other, "standard_scaler was fitted on b, a, not on b");
        assert_eq!(fitted.step("normalizer", &["a"]).unwrap_err(), "it holds nothing for normalizer");
    }

    #[test]
    fn another_version_is_refused() {
        assert!(Fitted::parse(b"{\"rowmill_fit\": 9, \"steps\": []}").unwrap_err().contains("version 9"));
    }

    #[test]
    fn a_step_that_stands_there_twice_is_refused() {
        let step = r#"{"step": "pca", "columns": [], "learned": {}}"#;
        let twice = format!(r#"{{"rowmill_fit": 1, "steps": [{step}, {step}]}}"#);
        assert_eq!(Fitted::parse(twice.as_bytes()), Err("the step pca stands there twice".into()));
    }
}
