//! The aggregates of a column.

use serde::{Deserialize, Deserializer, de};

use super::accumulator::{ColumnAccumulator, RequiredStatistics};

/// An aggregate of one column's values; missing values are skipped, as pandas does.
#[derive(Clone, Debug, PartialEq)]
pub enum Aggregate {
    /// How many values there are.
    Count,
    /// The sum.
    Sum,
    /// The mean.
    Mean,
    /// The minimum.
    Min,
    /// The maximum.
    Max,
    /// The sample standard deviation: `ddof = 1`.
    Std,
    /// A quantile, 0 to 1, interpolated between the two nearest values; with its name.
    Quantile(f64, String),
    /// A quantile within [`LogSketch::RELATIVE_ERROR`](crate::kernels::dd_sketch::LogSketch::RELATIVE_ERROR) of a value
    /// of that rank.
    Sketched(f64, String),
    /// How many distinct values there are.
    Distinct,
    /// How many values are more than 1.5 interquartile ranges below the first or above the third quartile (J. W. Tukey,
    /// Exploratory Data Analysis, 1977).
    Outliers,
    /// The number of values divided by the number that a window should have.
    Completeness,
}

impl Aggregate {
    /// The suffix of the result's column name.
    pub fn name(&self) -> &str {
        match self {
            Aggregate::Count => "count",
            Aggregate::Sum => "sum",
            Aggregate::Mean => "mean",
            Aggregate::Min => "min",
            Aggregate::Max => "max",
            Aggregate::Std => "std",
            Aggregate::Quantile(_, name) | Aggregate::Sketched(_, name) => name,
            Aggregate::Distinct => "distinct",
            Aggregate::Outliers => "outliers",
            Aggregate::Completeness => "completeness",
        }
    }

    /// Marks the statistics of the column that it needs.
    pub fn wants(&self, wanted: &mut RequiredStatistics) {
        match self {
            Aggregate::Count | Aggregate::Completeness => {}
            Aggregate::Sum | Aggregate::Mean => wanted.sum = true,
            Aggregate::Std => (wanted.sum, wanted.squares) = (true, true),
            Aggregate::Min | Aggregate::Max => wanted.extremes = true,
            Aggregate::Quantile(..) | Aggregate::Distinct | Aggregate::Outliers => wanted.values = true,
            Aggregate::Sketched(..) => wanted.sketch = true,
        }
    }

    /// The result; NaN if there is none. `expected` is how many values a window should have.
    pub fn of(&self, column: &ColumnAccumulator, expected: f64) -> f64 {
        let count = column.count as f64;
        let or_none = |value: f64| if column.count == 0 { f64::NAN } else { value };
        match self {
            Aggregate::Count => count,
            Aggregate::Sum => column.sum.value(),
            Aggregate::Mean => column.sum.value() / count,
            Aggregate::Min => or_none(column.least.0),
            Aggregate::Max => or_none(column.most.0),
            Aggregate::Std if column.count < 2 => f64::NAN,
            Aggregate::Std => (column.squares.squared_deviations(&column.sum, column.count) / (count - 1.0)).sqrt(),
            Aggregate::Quantile(q, _) => column.quantile(*q),
            Aggregate::Sketched(q, _) => column.sketch.quantile(*q),
            Aggregate::Distinct => column.values.len() as f64,
            Aggregate::Outliers => column.outliers() as f64,
            Aggregate::Completeness => count / expected,
        }
    }
}

impl<'de> Deserialize<'de> for Aggregate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Aggregate, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(match name.as_str() {
            "count" => Aggregate::Count,
            "sum" => Aggregate::Sum,
            "mean" => Aggregate::Mean,
            "min" => Aggregate::Min,
            "max" => Aggregate::Max,
            "std" => Aggregate::Std,
            "median" => Aggregate::Quantile(0.5, name),
            "distinct" => Aggregate::Distinct,
            "outliers" => Aggregate::Outliers,
            "completeness" => Aggregate::Completeness,
            _ => {
                let (exact, digits) = match name.strip_prefix("~p") {
                    Some(digits) => (false, digits),
                    None => (true, name.strip_prefix('p').unwrap_or_default()),
                };
                match digits.parse::<f64>() {
                    Ok(percent) if (0.0..=100.0).contains(&percent) => {
                        let name = format!("p{digits}");
                        if exact {
                            Aggregate::Quantile(percent / 100.0, name)
                        } else {
                            Aggregate::Sketched(percent / 100.0, name)
                        }
                    }
                    _ => {
                        return Err(de::Error::custom(format!(
                            "unknown aggregate `{name}`: count, sum, mean, min, max, std, median, p0 to p100 (exact), ~p0 \
                             to ~p100 (by a sketch), distinct, outliers or completeness"
                        )));
                    }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(values: &[f64]) -> Vec<(String, f64)> {
        let names = ["count", "sum", "mean", "min", "max", "std", "median", "p90", "~p50", "distinct", "outliers"];
        let aggregates: Vec<Aggregate> =
            names.iter().map(|name| serde_json::from_value((*name).into()).unwrap()).collect();
        let mut wanted = RequiredStatistics::default();
        aggregates.iter().for_each(|aggregate| aggregate.wants(&mut wanted));
        let mut column = ColumnAccumulator::default();
        values.iter().for_each(|x| column.add(*x, wanted));
        aggregates.iter().map(|aggregate| (aggregate.name().to_owned(), aggregate.of(&column, 10.0))).collect()
    }

    #[test]
    fn figures_are_those_of_pandas() {
        // pandas.Series([1, 2, 2, 4, 100]): describe(), quantile(0.9), nunique()
        let found = figures(&[2.0, 1.0, 100.0, f64::NAN, 2.0, 4.0]);
        let expected = [5.0, 109.0, 21.8, 1.0, 100.0, 43.728_709_105_117_66, 2.0, 61.6, 2.0, 4.0, 1.0];
        for ((name, found), expected) in found.iter().zip(expected) {
            let tolerance = if name == "p50" { 0.02 } else { 1e-13 };
            assert!((found - expected).abs() <= tolerance * expected, "{name}: {found}, not {expected}");
        }
    }

    #[test]
    fn without_values_only_counts_and_the_sum_are_known() {
        let found = figures(&[f64::NAN]);
        let known: Vec<&str> = found.iter().filter(|(_, x)| !x.is_nan()).map(|(name, _)| name.as_str()).collect();
        assert_eq!(known, ["count", "sum", "distinct", "outliers"]);
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = serde_json::from_str::<Aggregate>("\"p101\"").unwrap_err().to_string();
        assert!(error.contains("`p101`") && error.contains("completeness"), "{error}");
    }
}
