//! What a time says of the day, the week and the year.

use std::f64::consts::TAU;

use jiff::civil::{DateTime, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::selection::column_of;
use super::{BatchSubtask, Bind, Fault, Refusal, Role, Scope, Subtask, Traits, Transform};
use crate::data::{Column, Kind, Message, Schema, civil_milliseconds, event_time};

/// Appends number columns with parts of a time, in UTC, named as the features. Missing where there is no time.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TimeFeatures {
    /// The column of times: seconds since 1970, or dates and times of ISO 8601.
    column: String,
    /// The columns to append: pandas' `year`, `month`, `day`, `hour`, `minute`, `dayofyear` and `weekday` (0 is Monday),
    /// and `day_sin`, `day_cos`, `week_sin`, `week_cos`, `year_sin` and `year_cos`: the sine and cosine of how much of the
    /// day, the week and the year has gone by.
    features: Vec<TimeFeature>,
    /// Stands before the names of the new columns, such as `time_`.
    prefix: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum TimeFeature {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Dayofyear,
    Weekday,
    DaySin,
    DayCos,
    WeekSin,
    WeekCos,
    YearSin,
    YearCos,
}

impl TimeFeature {
    fn name(self) -> &'static str {
        match self {
            TimeFeature::Year => "year",
            TimeFeature::Month => "month",
            TimeFeature::Day => "day",
            TimeFeature::Hour => "hour",
            TimeFeature::Minute => "minute",
            TimeFeature::Dayofyear => "dayofyear",
            TimeFeature::Weekday => "weekday",
            TimeFeature::DaySin => "day_sin",
            TimeFeature::DayCos => "day_cos",
            TimeFeature::WeekSin => "week_sin",
            TimeFeature::WeekCos => "week_cos",
            TimeFeature::YearSin => "year_sin",
            TimeFeature::YearCos => "year_cos",
        }
    }

    /// Its value at a time of UTC.
    fn of(self, time: DateTime) -> f64 {
        const DAY: f64 = 86_400_000.0;
        let of_day = || time.time().duration_since(Time::midnight()).as_millis() as f64 / DAY;
        let weekday = || f64::from(time.weekday().to_monday_zero_offset());
        let of_year = || (f64::from(time.day_of_year()) - 1.0 + of_day()) / f64::from(time.days_in_year());
        match self {
            TimeFeature::Year => f64::from(time.year()),
            TimeFeature::Month => f64::from(time.month()),
            TimeFeature::Day => f64::from(time.day()),
            TimeFeature::Hour => f64::from(time.hour()),
            TimeFeature::Minute => f64::from(time.minute()),
            TimeFeature::Dayofyear => f64::from(time.day_of_year()),
            TimeFeature::Weekday => weekday(),
            TimeFeature::DaySin => (TAU * of_day()).sin(),
            TimeFeature::DayCos => (TAU * of_day()).cos(),
            TimeFeature::WeekSin => (TAU * (weekday() + of_day()) / 7.0).sin(),
            TimeFeature::WeekCos => (TAU * (weekday() + of_day()) / 7.0).cos(),
            TimeFeature::YearSin => (TAU * of_year()).sin(),
            TimeFeature::YearCos => (TAU * of_year()).cos(),
        }
    }
}

impl Subtask for TimeFeatures {
    const EQUALS: &'static str = "pandas.Series.dt";
    const ROLE: Role = Role::Named;
    const TRAITS: Traits<TimeFeatures> = Traits::by_names();

    fn check(&self) -> Result<(), Refusal> {
        if self.features.is_empty() {
            return Err(Refusal::new("features", "name one, such as \"hour\""));
        }
        match (0..self.features.len()).find(|place| self.features[..*place].contains(&self.features[*place])) {
            Some(twice) => Err(Refusal::new("features", format!("{} stands there twice", self.features[twice].name()))),
            None => Ok(()),
        }
    }
}

impl Bind for TimeFeatures {
    fn bind(&self, schema: &Schema) -> Result<Transform, Refusal> {
        let time = column_of(schema, "column", &self.column)?.clone();
        let names: Vec<String> =
            self.features.iter().map(|feature| format!("{}{}", self.prefix, feature.name())).collect();
        if let Some(name) = names.iter().find(|name| schema.get(name).is_some()) {
            let refusal = Refusal::new("features", format!("there is a column `{name}` already"));
            return Err(Refusal { help: Some("give a `prefix`".into()), ..refusal });
        }
        Ok(Transform::by_message(Bound { time, features: self.features.clone(), names }))
    }
}

/// With the column of times.
struct Bound {
    time: Column,
    features: Vec<TimeFeature>,
    names: Vec<String>,
}

impl BatchSubtask for Bound {
    fn apply(&self, message: &mut Message, _: &Scope) -> Result<(), Fault> {
        let first = message.number_columns();
        message.add_columns(self.features.len());
        for row in 0..message.rows() {
            let time = event_time(message, &self.time, row).and_then(civil_milliseconds);
            for (place, feature) in self.features.iter().enumerate() {
                let value = time.map_or(f64::NAN, |time| feature.of(time));
                message.column_mut(first + place)[row] = value;
            }
        }
        Ok(())
    }

    fn columns_after(&self, schema: &Schema, _: &Scope) -> Schema {
        schema.clone().with(self.names.iter().map(|name| (name.clone(), Kind::Number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What pandas 3.1 says of 2024-12-31T18:30:00Z and of 1969-12-31T00:00:00Z.
    #[test]
    fn parts_of_times_before_and_after_1970() {
        let of = |feature: TimeFeature, seconds: i64| feature.of(civil_milliseconds(seconds * 1000).unwrap());
        let (late, early) = (1_735_669_800, -86_400);
        for (feature, one, other) in [
            (TimeFeature::Year, 2024.0, 1969.0),
            (TimeFeature::Month, 12.0, 12.0),
            (TimeFeature::Day, 31.0, 31.0),
            (TimeFeature::Hour, 18.0, 0.0),
            (TimeFeature::Minute, 30.0, 0.0),
            (TimeFeature::Dayofyear, 366.0, 365.0),
            (TimeFeature::Weekday, 1.0, 2.0),
        ] {
            assert_eq!((of(feature, late), of(feature, early)), (one, other), "{feature:?}");
        }
        let near = |x: f64, y: f64| assert!((x - y).abs() < 1e-12, "{x} {y}");
        near(of(TimeFeature::DaySin, late), (TAU * 18.5 / 24.0).sin());
        near(of(TimeFeature::DayCos, early), 1.0);
        near(of(TimeFeature::WeekCos, early), (TAU * 2.0 / 7.0).cos());
        near(of(TimeFeature::YearSin, late), (TAU * (365.0 + 18.5 / 24.0) / 366.0).sin());
    }

    #[test]
    fn a_time_before_midnight_is_of_the_day_before() {
        let features = vec![TimeFeature::Year, TimeFeature::Month, TimeFeature::Day, TimeFeature::Minute];
        let schema = Schema::new([("n", Kind::Number), ("t", Kind::Text)]);
        let of = |column: &str, number: f64, text: &str| {
            let step = TimeFeatures { column: column.into(), features: features.clone(), prefix: String::new() };
            let mut message = Message::from_columns(&[vec![number]]);
            message.texts.push(crate::data::TextColumn::repeated(text, 1));
            step.bind(&schema).unwrap().apply(&mut message, &Scope::default()).unwrap();
            [1, 2, 3, 4].map(|slot| message.column(slot)[0])
        };
        assert_eq!(of("n", 1_709_251_199.999_999_8, ""), [2024.0, 2.0, 29.0, 59.0]);
        assert_eq!(of("t", 0.0, "20240301"), [2024.0, 3.0, 1.0, 0.0]);
        assert_eq!(of("t", 0.0, "9999-12-31T23:59:59Z"), [9999.0, 12.0, 31.0, 59.0]);
    }

    #[test]
    fn columns_are_appended_and_missing_where_there_is_no_time() {
        let schema = Schema::new([("t", Kind::Number), ("hour", Kind::Number)]);
        let features = vec![TimeFeature::Hour, TimeFeature::Weekday];
        let step = TimeFeatures { column: "t".into(), features, prefix: String::new() };
        let refusal = step.bind(&schema).err().unwrap();
        assert!(refusal.reason.contains("`hour` already"), "{refusal}");
        let step = TimeFeatures { prefix: "time_".into(), ..step };
        let bound = step.bind(&schema).unwrap();
        let after = bound.columns_after(&schema, &Scope::default());
        assert_eq!(after.names().collect::<Vec<_>>(), ["t", "hour", "time_hour", "time_weekday"]);
        let mut message = Message::from_columns(&[vec![3600.0, f64::NAN], vec![0.0, 0.0]]);
        bound.apply(&mut message, &Scope::default()).unwrap();
        assert_eq!(format!("{:?} {:?}", message.column(2), message.column(3)), "[1.0, NaN] [3.0, NaN]");
    }
}
