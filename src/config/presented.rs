//! What of a run's results is worth a chart, as its file tells.

use std::path::PathBuf;

use super::model::{Dataflow, Fitting};
use crate::sink::SinkUrl;

/// What of a run's results is worth a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Presented {
    /// Predictions with their labels: columns of the results.
    pub labels: Vec<(String, String)>,
    /// The columns that models learn to predict.
    pub targets: Vec<String>,
    /// Columns with the numbers beyond which sinks take rows.
    pub thresholds: Vec<(String, f64)>,
    /// Tables that measure a model, and are whole in a file at the end.
    pub tables: Vec<PresentedTable>,
}

/// A table that measures a model.
#[derive(Clone, Debug, PartialEq)]
pub struct PresentedTable {
    /// Its name.
    pub name: String,
    /// The .csv file.
    pub path: PathBuf,
    /// Its key columns.
    pub keys: Vec<String>,
    /// The columns of its metrics.
    pub metrics: Vec<String>,
}

impl Dataflow {
    /// What of its results is worth a chart: predictions beside their labels, thresholds, and how good models are.
    pub fn presented(&self) -> Presented {
        let mut presented = Presented::default();
        for step in &self.steps {
            if let Fitting::Stream { target: Some(target), .. } = &step.fitting
                && !presented.targets.contains(target.get_ref())
            {
                presented.targets.push(target.get_ref().clone());
            }
        }
        let conditions = self.sinks.iter().filter_map(|sink| sink.branch.r#where.as_ref());
        presented.thresholds = conditions.filter_map(|condition| threshold(condition.get_ref())).collect();
        for plan in &self.tables {
            let Some(score) = &plan.section.score else { continue };
            let pair = (score.prediction.get_ref().clone(), score.label.get_ref().clone());
            let metrics = score.metrics.get_ref().iter().filter(|metric| metric.is_one_number());
            let metrics = metrics.map(|metric| format!("{}_{}", pair.0, metric.name())).collect();
            if !presented.labels.contains(&pair) {
                presented.labels.push(pair);
            }
            if let Some(SinkUrl::Csv(path)) = plan.sink().map(|sink| &sink.url) {
                let keys = plan.section.key.iter().map(|key| key.get_ref().clone()).collect();
                presented.tables.push(PresentedTable {
                    name: plan.name().to_owned(),
                    path: path.clone(),
                    keys,
                    metrics,
                });
            }
        }
        presented
    }
}

/// The column and the number of a condition that compares one with the other, such as `anomaly_score > 0.8`.
fn threshold(condition: &str) -> Option<(String, f64)> {
    let [column, comparison, number] = condition.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
    let compares = [">", ">=", "<", "<="].contains(&comparison);
    compares.then(|| Some((column.trim_matches('`').to_owned(), number.parse().ok()?))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
schema = { number = ["x", "y"], text = ["station"] }
[source]
url = "in.csv"
[[subtask]]
use = "sgd_regressor"
columns = ["x"]
fit = "stream"
target = "y"
random_state = 1
[[table]]
name = "quality"
input = "sgd_regressor"
key = ["station"]
score = { prediction = "prediction", label = "y", metrics = ["mae", "r2"] }
sink = { url = "quality.csv" }
[[sink]]
url = "out.csv"
[[sink]]
url = "alerts.csv"
where = "prediction > 0.5"
"#;

    #[test]
    fn labels_thresholds_and_tables_are_those_of_the_file() {
        let registry = crate::registry::Registry::builtin();
        let dataflow = Dataflow::from_text("f.toml", FILE, &[], &registry).unwrap_or_else(|wrong| panic!("{wrong}"));
        let path = |name: &str| PathBuf::from(name);
        let table = PresentedTable {
            name: "quality".into(),
            path: path("quality.csv"),
            keys: vec!["station".into()],
            metrics: vec!["prediction_mae".into(), "prediction_r2".into()],
        };
        let expected = Presented {
            labels: vec![("prediction".into(), "y".into())],
            targets: vec!["y".into()],
            thresholds: vec![("prediction".into(), 0.5)],
            tables: vec![table],
        };
        assert_eq!(dataflow.presented(), expected);
        for other in ["x > y", "x > 1 and y > 2", "abs(x)>1", ""] {
            assert_eq!(threshold(other), None, "{other}");
        }
    }
}
