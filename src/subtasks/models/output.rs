//! What a model can say of a row.

use serde::{Deserialize, Serialize};

use crate::data::Kind;

/// What a model can say of a row: one column, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelOutput {
    /// scikit-learn's `predict`: `prediction`.
    Prediction,
    /// `predict_proba`: `probability_CLASS` for each class.
    Probability,
    /// `decision_function`: `decision`, or `decision_CLASS` for each of more than two classes.
    Decision,
    /// `score_samples`, the lower the more abnormal: `anomaly_score`.
    AnomalyScore,
    /// `predict`: the number of the nearest centre, `cluster`.
    Cluster,
    /// `transform`: the distance from each centre, `distance_N`.
    Distance,
    /// `transform`: `component_N`.
    Component,
    /// river's `drift_detected`, 1 or 0: `drift`.
    Drift,
    /// `estimation`, the mean of the values since the last drift: `window_mean`.
    WindowMean,
    /// `width`, how many these are: `window_width`.
    WindowWidth,
}

impl ModelOutput {
    /// As `outputs` and its column name it.
    pub fn name(self) -> &'static str {
        match self {
            ModelOutput::Prediction => "prediction",
            ModelOutput::Probability => "probability",
            ModelOutput::Decision => "decision",
            ModelOutput::AnomalyScore => "anomaly_score",
            ModelOutput::Cluster => "cluster",
            ModelOutput::Distance => "distance",
            ModelOutput::Component => "component",
            ModelOutput::Drift => "drift",
            ModelOutput::WindowMean => "window_mean",
            ModelOutput::WindowWidth => "window_width",
        }
    }

    /// Its column, if it is one number a row.
    pub(super) fn number(self) -> (String, Kind) {
        (self.name().into(), Kind::Number)
    }

    /// Its columns, if it is a number for each of several names.
    pub(super) fn of_each<T: std::fmt::Display>(self, names: impl IntoIterator<Item = T>) -> Vec<(String, Kind)> {
        names.into_iter().map(|name| (format!("{}_{name}", self.name()), Kind::Number)).collect()
    }
}
