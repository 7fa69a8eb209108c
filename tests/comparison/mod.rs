//! When results are those of pandas and scikit-learn: rows in order, infinities equal, numbers within a finite bound.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::BTreeMap;
use std::path::Path;

/// A table in the order of its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub names: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn read(path: &Path) -> Table {
        let mut reader = csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let names = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let rows = reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
        Table { names, rows }
    }

    /// The largest number of each column, without its sign.
    pub fn largest(&self) -> BTreeMap<String, f64> {
        let numbers = |column: usize| self.rows.iter().filter_map(move |row| row[column].parse::<f64>().ok());
        let largest = |column| numbers(column).filter(|x| x.is_finite()).fold(0.0, |most: f64, x| most.max(x.abs()));
        self.names.iter().enumerate().map(|(column, name)| (name.clone(), largest(column))).collect()
    }

    /// The finite numbers of a column in each message, which the first column names.
    pub fn messages(&self, column: usize) -> BTreeMap<&str, Vec<f64>> {
        let mut messages: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for row in &self.rows {
            let number = row[column].parse::<f64>().ok().filter(|x| x.is_finite());
            messages.entry(&row[0]).or_default().extend(number);
        }
        messages
    }
}

/// Without overflow.
pub fn deviation(values: &[f64]) -> f64 {
    let largest = values.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    if largest == 0.0 {
        return 0.0;
    }
    let mean = values.iter().map(|x| x / largest).sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|x| (x / largest - mean).powi(2)).sum::<f64>() / values.len() as f64;
    variance.sqrt() * largest
}

/// Whether two cells are the same: texts as they are, numbers within `relative` of the larger one and `floor`.
pub fn close(ours: &str, theirs: &str, relative: f64, floor: f64) -> bool {
    match (ours.parse::<f64>(), theirs.parse::<f64>()) {
        (Ok(a), Ok(b)) if a.is_finite() && b.is_finite() => {
            a == b || (a - b).abs() <= relative * a.abs().max(b.abs()) + floor
        }
        (Ok(a), Ok(b)) => a == b,
        _ => ours == theirs,
    }
}

/// What differences of input values as large as `largest` may be off by.
pub fn rounding(largest: f64) -> f64 {
    64.0 * f64::EPSILON * largest
}

/// What differs, the first three of it; `relative` is also that of the spread of a message's column. `inputs` are the
/// largest values of the columns that went in: results that are nothing but their rounding have no digits.
pub fn differences(
    name: &str,
    ours: &Table,
    theirs: &Table,
    relative: f64,
    inputs: &BTreeMap<String, f64>,
) -> Vec<String> {
    if ours.names != theirs.names || ours.rows.len() != theirs.rows.len() {
        let Table { names, rows } = ours;
        return vec![format!("{name}: {} rows, not {}; columns {names:?}", rows.len(), theirs.rows.len())];
    }
    let mut wrong = Vec::new();
    for (column, title) in ours.names.iter().enumerate() {
        let noise = rounding(inputs.get(title).copied().unwrap_or(0.0));
        let floor = |values: Vec<f64>| {
            let is_noise = relative > 0.0 && values.iter().all(|x| x.abs() <= noise);
            if is_noise { noise } else { relative * deviation(&values) }
        };
        let floors = theirs.messages(column).into_iter().map(|(message, values)| (message, floor(values)));
        let floors: BTreeMap<&str, f64> = floors.collect();
        for (cells, expected) in ours.rows.iter().zip(&theirs.rows) {
            // A row is where it was, and the same one.
            let floor = if column < 2 { 0.0 } else { floors[expected[0].as_str()] };
            let relative = if column < 2 { 0.0 } else { relative };
            if !close(&cells[column], &expected[column], relative, floor) {
                let (row, cell, expected) = (&expected[1], &cells[column], &expected[column]);
                wrong.push(format!("{name}: row {row}, {title}: {cell}, not {expected}"));
            }
        }
    }
    wrong.truncate(3);
    wrong
}
