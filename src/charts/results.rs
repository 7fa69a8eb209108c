//! The charts of a run's results: predictions beside labels, residuals, anomaly scores, and how good models were.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::series_chart::{Axis, Series, SeriesChart};
use crate::config::{Presented, PresentedTable};
use crate::measure::{ExcerptCell, Sample, SampleHistory};

/// The most lines of one chart: as many as there are colours.
const MOST_SERIES: usize = 7;

/// Writes the charts into a directory, from the samples in another one and from tables in files.
///
/// # Errors
/// Files that can't be read or written, with their names.
pub fn write(directory: &Path, samples: &Path, presented: &Presented) -> Result<(), String> {
    let read = SampleHistory::read(samples).map_err(|error| format!("{}: {error}", samples.display()))?;
    let results = Results::of(read.lines().filter_map(|line| serde_json::from_str(line).ok()));
    let mut charts = results.charts(presented);
    for table in &presented.tables {
        charts.extend(quality(table)?);
    }
    for (name, chart) in charts {
        let Some(svg) = chart.svg()? else { continue };
        let path = directory.join(format!("{}.svg", file_name(&name)));
        fs::write(&path, svg).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// What can be a file's name on any system.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}

/// The rows of all samples as they were at the end of the chain.
struct Results {
    columns: Vec<String>,
    /// The number of each row, and its cells; `None` where rows between two samples are not known.
    rows: Vec<Option<(f64, Vec<ExcerptCell>)>>,
}

impl Results {
    fn of(samples: impl Iterator<Item = Sample>) -> Results {
        let mut results = Results { columns: Vec::new(), rows: Vec::new() };
        for Sample { after, .. } in samples {
            if after.columns.is_empty() {
                continue;
            }
            results.columns = after.columns;
            results.rows.extend(after.ids.iter().map(|id| *id as f64).zip(after.rows).map(Some));
            results.rows.push(None);
        }
        results
    }

    /// A column's points: numbers, or the places of texts among `names`.
    fn points(&self, column: &str, names: &[String]) -> Vec<(f64, f64)> {
        let Some(place) = self.columns.iter().position(|name| name == column) else { return Vec::new() };
        let value = |cell: Option<&ExcerptCell>| match cell {
            Some(ExcerptCell::Number(number)) => *number,
            Some(ExcerptCell::Text(text)) => {
                names.iter().position(|name| name == text).map_or(f64::NAN, |at| at as f64)
            }
            Some(ExcerptCell::Missing) | None => f64::NAN,
        };
        let point = |row: &Option<(f64, Vec<ExcerptCell>)>| match row {
            Some((id, cells)) => (*id, value(cells.get(place))),
            None => (f64::NAN, f64::NAN),
        };
        self.rows.iter().map(point).collect()
    }

    /// All texts of some columns.
    fn texts(&self, columns: [&str; 2]) -> Vec<String> {
        let places = self.columns.iter().enumerate().filter(|(_, name)| columns.contains(&name.as_str()));
        let cells = places.flat_map(|(place, _)| self.rows.iter().flatten().filter_map(move |(_, row)| row.get(place)));
        let texts = cells.filter_map(|cell| if let ExcerptCell::Text(text) = cell { Some(text.clone()) } else { None });
        texts.collect::<BTreeSet<String>>().into_iter().collect()
    }

    fn charts(&self, presented: &Presented) -> Vec<(String, SeriesChart)> {
        let mut pairs = presented.labels.clone();
        // What a model learns is the label of its prediction, if there is no doubt which.
        if let [target] = &presented.targets[..] {
            let others = self.columns.iter().filter(|name| name.ends_with("prediction"));
            let unpaired = others.filter(|name| !presented.labels.iter().any(|(paired, _)| paired == *name));
            pairs.extend(unpaired.map(|name| (name.clone(), target.clone())));
        }
        let has = |name: &String| self.columns.contains(name);
        pairs.retain(|(prediction, label)| has(prediction) && has(label));
        let scores = self.columns.iter().filter(|name| name.ends_with("anomaly_score") || name.ends_with("decision"));
        let of_pairs = pairs.iter().flat_map(|(prediction, label)| self.of_pair(prediction, label));
        of_pairs.chain(scores.map(|score| self.of_score(score, presented))).collect()
    }

    /// A prediction beside its label, and what is left between them if they are numbers.
    fn of_pair(&self, prediction: &str, label: &str) -> Vec<(String, SeriesChart)> {
        let names = self.texts([prediction, label]);
        let axis = if names.is_empty() { Axis::Numbers } else { Axis::Names(names.clone()) };
        let (said, is) = (self.points(prediction, &names), self.points(label, &names));
        let left = said.iter().zip(&is).map(|(said, is)| (is.0, is.1 - said.1)).collect();
        let series = |name: &str, points, joined| Series { name: name.to_owned(), points, joined };
        let beside = vec![series(label, is, true), series(prediction, said, true)];
        let chart = |title: String, y: (String, Axis), series| SeriesChart {
            title,
            x: ("row".into(), Axis::Numbers),
            y,
            series,
            level: None,
        };
        let beside = chart(format!("{prediction} beside {label}"), (label.to_owned(), axis), beside);
        let mut charts = vec![(format!("labels-{prediction}"), beside)];
        if names.is_empty() {
            let name = format!("{label} - {prediction}");
            let mut residuals = chart(
                format!("Residuals of {prediction}"),
                ("residual".into(), Axis::Numbers),
                vec![series(&name, left, false)],
            );
            residuals.level = Some(("0".into(), 0.0));
            charts.push((format!("residuals-{prediction}"), residuals));
        }
        charts
    }

    /// A score with its threshold: of a sink's condition, or 0 of a decision.
    fn of_score(&self, score: &str, presented: &Presented) -> (String, SeriesChart) {
        let given = presented.thresholds.iter().find(|(column, _)| column == score).map(|(_, threshold)| *threshold);
        let threshold = given.or_else(|| score.ends_with("decision").then_some(0.0));
        let chart = SeriesChart {
            title: format!("{score} over the rows"),
            x: ("row".into(), Axis::Numbers),
            y: (score.to_owned(), Axis::Numbers),
            series: vec![Series { name: score.to_owned(), points: self.points(score, &[]), joined: true }],
            level: threshold.map(|threshold| ("threshold".into(), threshold)),
        };
        (format!("scores-{score}"), chart)
    }
}

/// The metrics of a table over its windows, a chart each; none without windows.
fn quality(table: &PresentedTable) -> Result<Vec<(String, SeriesChart)>, String> {
    let wrong = |error: csv::Error| format!("{}: {error}", table.path.display());
    let mut reader = csv::Reader::from_path(&table.path).map_err(wrong)?;
    let header = reader.headers().map_err(wrong)?.clone();
    let place = |name: &String| header.iter().position(|title| title == name);
    let Some(window) = place(&"window".to_owned()) else { return Ok(Vec::new()) };
    let keys: Vec<usize> = table.keys.iter().filter_map(place).collect();
    let lines = reader.records().collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    let mut charts = Vec::new();
    for (metric, column) in table.metrics.iter().filter_map(|metric| Some((metric, place(metric)?))) {
        let mut of_keys: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for line in &lines {
            let key = keys.iter().map(|key| &line[*key]).collect::<Vec<_>>().join(" ");
            let Ok(start) = humantime::parse_rfc3339(&line[window]) else { continue };
            let seconds = start.duration_since(std::time::UNIX_EPOCH).map_or(f64::NAN, |since| since.as_secs_f64());
            of_keys.entry(key).or_default().push((seconds, line[column].parse().unwrap_or(f64::NAN)));
        }
        let series = of_keys.into_iter().take(MOST_SERIES).map(|(key, mut points)| {
            points.sort_by(|one, other| one.0.total_cmp(&other.0));
            Series { name: if key.is_empty() { metric.clone() } else { key }, points, joined: true }
        });
        let chart = SeriesChart {
            title: format!("{metric} of {}", table.name),
            x: ("window".into(), Axis::Times),
            y: (metric.clone(), Axis::Numbers),
            series: series.collect(),
            level: None,
        };
        charts.push((format!("quality-{}-{metric}", table.name), chart));
    }
    Ok(charts)
}
