//! Subtasks that act on each number column by itself.

use std::borrow::Cow;

use super::{Fault, Scope};
use crate::data::Message;
use crate::kernels::moments::{any_infinite, extremes};
use crate::kernels::select::any_not_finite;
use crate::pool::Scratch;

/// A subtask that acts on each number column by itself: a function over the values of a column.
///
/// Those that follow each other are run together, column by column, while a column stays in cache.
///
/// ```
/// use rowmill::subtasks::{ColumnSubtask, Flaw};
///
/// struct ToCelsius;
///
/// impl ColumnSubtask for ToCelsius {
///     fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
///         values.iter_mut().for_each(|degrees| *degrees = (*degrees - 32.0) / 1.8);
///         Ok(())
///     }
/// }
///
/// let mut values = [212.0, 32.0, f64::NAN];
/// ToCelsius.apply_column(0, &mut values).unwrap();
/// assert!(values[0] == 100.0 && values[1] == 0.0 && values[2].is_nan());
/// ```
pub trait ColumnSubtask: Send + Sync {
    /// Changes the values of a column; NaN is a missing value. `place` is the index of the column among those in scope,
    /// from 0, to look up its fitted params.
    ///
    /// # Errors
    /// Where the original raises; the values are then unspecified.
    fn apply_column(&self, place: usize, values: &mut [f64]) -> Result<(), Flaw>;

    /// Changes a message of one row: each value is a column of its own, in the order of the scope. As by
    /// [`apply_column`](ColumnSubtask::apply_column) on one after the other; faster where all can be treated at once.
    ///
    /// # Errors
    /// The place of the first column that is refused, and why; the values are then unspecified.
    fn apply_row(&self, values: &mut [f64]) -> Result<(), (usize, Flaw)> {
        one_by_one(self, values)
    }
}

/// Applies a subtask to a row, column by column.
pub(super) fn one_by_one(subtask: &(impl ColumnSubtask + ?Sized), values: &mut [f64]) -> Result<(), (usize, Flaw)> {
    let mut columns = values.iter_mut().map(std::slice::from_mut).enumerate();
    columns.try_for_each(|(place, value)| subtask.apply_column(place, value).map_err(|flaw| (place, flaw)))
}

/// Why a column is refused, in the words of the original, and the rows whose values are at fault, if it is some rows'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    reason: Cow<'static, str>,
    rows: Vec<usize>,
}

impl Flaw {
    /// The flaw of a whole column.
    pub fn of_column(reason: impl Into<Cow<'static, str>>) -> Flaw {
        Flaw { reason: reason.into(), rows: Vec::new() }
    }

    /// The flaw of a value, by its row in the message.
    pub fn of_row(row: usize, reason: impl Into<Cow<'static, str>>) -> Flaw {
        Flaw::of_rows([row], reason)
    }

    /// The flaw of the values in these rows of the message: of all that can't be taken, for the others may go on.
    pub fn of_rows(rows: impl IntoIterator<Item = usize>, reason: impl Into<Cow<'static, str>>) -> Flaw {
        Flaw { reason: reason.into(), rows: rows.into_iter().collect() }
    }

    /// The flaw of all values that are bad.
    pub(super) fn of_values(values: &[f64], bad: impl Fn(f64) -> bool, reason: impl Into<Cow<'static, str>>) -> Flaw {
        Flaw::of_rows((0..values.len()).filter(|row| bad(values[*row])), reason)
    }

    /// The fault, with the name of the column and the id of the first row.
    pub(super) fn named(self, column: &str, ids: &[u64]) -> Fault {
        let reason = format!("{} Column {column}", self.reason);
        match self.rows.first().and_then(|row| ids.get(*row)) {
            Some(first) => Fault::of_rows(self.rows, &reason, *first),
            None => Fault::new(format!("{reason}.")),
        }
    }
}

/// Refuses infinities, as scikit-learn does everywhere.
pub(super) fn refuse_infinite(values: &[f64]) -> Result<(), Flaw> {
    let reason = "Input X contains infinity or a value too large for dtype('float64').";
    if any_infinite(values) { Err(Flaw::of_values(values, f64::is_infinite, reason)) } else { Ok(()) }
}

/// Refuses a row for its first value that is refused as a column.
pub(super) fn refuse_row(values: &[f64], refuse: fn(&[f64]) -> Result<(), Flaw>) -> Result<(), (usize, Flaw)> {
    if refuse(values).is_ok() {
        return Ok(());
    }
    values.chunks(1).enumerate().try_for_each(|(place, value)| refuse(value).map_err(|flaw| (place, flaw)))
}

/// The least and the greatest value present, NaN if there is none; refuses infinities, for one of the two would be one.
pub(super) fn finite_extremes(values: &[f64]) -> Result<(f64, f64), Flaw> {
    let (least, most) = extremes(values);
    if least.is_infinite() || most.is_infinite() {
        refuse_infinite(values)?;
    }
    Ok((least, most))
}

/// Refuses missing values and infinities, as scikit-learn does where NaN is not allowed.
pub(super) fn refuse_not_finite(values: &[f64]) -> Result<(), Flaw> {
    if !any_not_finite(values) {
        return Ok(());
    }
    if values.iter().any(|x| x.is_nan()) {
        return Err(Flaw::of_values(values, f64::is_nan, "Input X contains NaN."));
    }
    refuse_infinite(values)
}

impl Scope {
    /// As [`Scope::times`]; refuses a message for its rows without one.
    pub(super) fn known_times(&self, message: &Message) -> Result<Option<Vec<i64>>, Fault> {
        let (Some(name), Some(times)) = (self.time_name(), self.times(message)) else { return Ok(None) };
        if let Some(known) = times.iter().copied().collect() {
            return Ok(Some(known));
        }
        let without = (0..times.len()).filter(|row| times[*row].is_none());
        Err(Flaw::of_rows(without, "A row without a time can't be placed.").named(name, &message.ids))
    }

    /// Refuses a message for the first of its columns in scope that is refused.
    pub(super) fn refuse(&self, message: &Message, refuse: fn(&[f64]) -> Result<(), Flaw>) -> Result<(), Fault> {
        let mut columns = self.named();
        columns.try_for_each(|(slot, name)| refuse(message.column(slot)).map_err(|flaw| flaw.named(name, &message.ids)))
    }
}

/// Applies one subtask to one column of its scope after the other, or to all columns of one row at once.
pub(super) fn apply_to_all(subtask: &dyn ColumnSubtask, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
    if message.rows() == 1 {
        return change_row(message, scope, |values| subtask.apply_row(values));
    }
    for (place, (slot, name)) in scope.named().enumerate() {
        subtask.apply_column(place, message.column_mut(slot)).map_err(|flaw| flaw.named(name, &message.ids))?;
    }
    Ok(())
}

/// Changes the numbers in scope of a message of one row.
pub(super) fn change_row(
    message: &mut Message,
    scope: &Scope,
    change: impl FnOnce(&mut [f64]) -> Result<(), (usize, Flaw)>,
) -> Result<(), Fault> {
    let changed = match scope.consecutive() {
        Some(slots) => change(&mut message.flat_mut()[slots]),
        None => {
            let row = message.flat_mut();
            let mut values: Scratch<f64> = scope.numbers.iter().map(|slot| row[*slot]).collect();
            let changed = change(&mut values);
            scope.numbers.iter().zip(values.iter()).for_each(|(slot, value)| row[*slot] = *value);
            changed
        }
    };
    changed.map_err(|(place, flaw)| {
        let (_, name) = scope.named().nth(place).expect("a place of the scope");
        flaw.named(name, &message.ids)
    })
}

#[cfg(test)]
mod tests {
    use toml::de::ValueDeserializer;

    use super::*;
    use crate::data::{Kind, Schema};
    use crate::subtasks::{DynSubtask, OnError, Step, Subtasks, Transform};

    const VALUES: [f64; 14] =
        [1.5, -0.0, 0.0, -3.25, 7e-17, -1e-310, 1e308, -1.7e308, 0.3, -9999.0, 1.0, 2.5, -1.0, 1e17];

    const BY_COLUMN: [(&str, &str); 41] = [
        ("replace", "{to_replace = [-9999.0, 1.5, nan]}"),
        ("replace", "{to_replace = [-9999.0, nan], value = 1.0}"),
        ("interpolate", "{limit_direction = 'both'}"),
        ("interpolate", "{limit_area = 'outside', limit = 1}"),
        ("fillna", "{value = 3.5, limit = 1}"),
        ("fillna", "{method = 'mean'}"),
        ("fillna", "{method = 'median'}"),
        ("fillna", "{method = 'ffill'}"),
        ("fillna", "{method = 'bfill', limit = 2}"),
        ("clip", "{}"),
        ("clip", "{lower = -1.0, upper = 1.0}"),
        ("clip", "{lower = 1.0, upper = -1.0}"),
        ("clip", "{lower_quantile = 0.01, upper_quantile = 0.99}"),
        ("clip", "{lower = 0.1, upper_quantile = 0.99}"),
        ("clip", "{lower_quantile = 0.5, upper = 0.2}"),
        ("standard_scaler", "{}"),
        ("standard_scaler", "{with_mean = false}"),
        ("standard_scaler", "{with_std = false}"),
        ("min_max_scaler", "{}"),
        ("min_max_scaler", "{feature_range = [-2.0, 100.0], clip = true}"),
        ("max_abs_scaler", "{}"),
        ("max_abs_scaler", "{clip = true}"),
        ("robust_scaler", "{}"),
        ("robust_scaler", "{with_centering = false}"),
        ("robust_scaler", "{with_scaling = false}"),
        ("robust_scaler", "{unit_variance = true, quantile_range = [10.0, 80.0]}"),
        ("power_transformer", "{}"),
        ("power_transformer", "{standardize = false}"),
        ("power_transformer", "{method = 'box-cox'}"),
        ("quantile_transformer", "{}"),
        ("quantile_transformer", "{n_quantiles = 1}"),
        ("quantile_transformer", "{output_distribution = 'normal'}"),
        ("binarizer", "{threshold = 0.2}"),
        ("simple_imputer", "{}"),
        ("k_bins_discretizer", "{n_bins = 2}"),
        ("round", "{decimals = 1}"),
        ("cumsum", "{}"),
        ("diff", "{}"),
        ("shift", "{}"),
        ("rank", "{}"),
        ("ewm", "{span = 3.0}"),
    ];

    fn subtask(name: &str, parameters: &str) -> DynSubtask {
        Subtasks::builtin().find(name).unwrap().build(ValueDeserializer::parse(parameters).unwrap()).unwrap()
    }

    /// A message of one row of these values, and the scopes of all columns and of every other one.
    fn one_row(values: &[f64]) -> (Message, [Scope; 2]) {
        let columns: Vec<Vec<f64>> = values.iter().map(|x| vec![*x]).collect();
        let schema = Schema::new((0..values.len()).map(|slot| (format!("c{slot:02}"), Kind::Number)));
        let every_other = |name: &str| name.ends_with(['1', '3', '5', '7', '9']);
        (Message::from_columns(&columns), [Scope::of(&schema, |_| true), Scope::of(&schema, every_other)])
    }

    fn bits(values: &[f64]) -> Vec<u64> {
        // A NaN is one value, whatever its payload.
        values.iter().map(|x| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() }).collect()
    }

    #[test]
    fn a_row_fares_as_its_columns_do_one_by_one() {
        let with = |more: &[f64]| [&VALUES[..9], more, &VALUES[9..]].concat();
        let rows = [VALUES.to_vec(), with(&[f64::NAN]), with(&[f64::INFINITY]), with(&[f64::NEG_INFINITY, f64::NAN])];
        let positive = VALUES.map(|x| x.abs() + 0.5).to_vec();
        for (name, parameters) in BY_COLUMN {
            let subtask = subtask(name, parameters);
            let Transform::ByColumn(by_column) = subtask.transform() else { panic!("{name} acts by column") };
            for values in rows.iter().chain([&positive]) {
                let (message, scopes) = one_row(values);
                for scope in scopes {
                    let mut apart = message.clone();
                    let expected = scope.named().enumerate().try_for_each(|(place, (slot, name))| {
                        let applied = by_column.apply_column(place, apart.column_mut(slot));
                        applied.map_err(|flaw| flaw.named(name, &message.ids))
                    });
                    let mut together = message.clone();
                    let applied = subtask.apply(&mut together, &scope);
                    assert_eq!(applied, expected, "{name} {parameters} {values:?}");
                    if applied.is_ok() {
                        assert_eq!(bits(together.flat()), bits(apart.flat()), "{name} {parameters} {values:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn fitted_columns_keep_their_own_params_in_a_row() {
        let columns: Vec<Vec<f64>> = (0..9).map(|slot| vec![f64::from(slot), 2.0, 11.0]).collect();
        let (learned_from, scope) = (Message::from_columns(&columns), Scope::numbers(9));
        let frozen = |subtask: DynSubtask| {
            let learned = subtask.fit(&learned_from, &scope).unwrap().unwrap();
            subtask.freeze(&learned, 9).unwrap()
        };
        for name in ["standard_scaler", "min_max_scaler", "robust_scaler", "power_transformer", "quantile_transformer"]
        {
            let subtask = frozen(subtask(name, "{}"));
            let (mut alone, _) = one_row(&VALUES[..9]);
            let twice: Vec<Vec<f64>> = VALUES[..9].iter().map(|x| vec![*x; 2]).collect();
            let mut in_columns = Message::from_columns(&twice);
            subtask.apply(&mut alone, &scope).unwrap();
            subtask.apply(&mut in_columns, &scope).unwrap();
            let first: Vec<f64> = (0..9).map(|slot| in_columns.column(slot)[0]).collect();
            assert_eq!(bits(alone.flat()), bits(&first), "{name}");
        }
    }

    #[test]
    fn a_normalized_row_is_that_of_a_message_of_several() {
        for norm in ["l1", "l2", "max"] {
            let subtask = subtask("normalizer", &format!("{{norm = '{norm}'}}"));
            for values in [&VALUES[..], &VALUES[..6], &[0.0, -0.0], &[1.0, f64::NAN], &[f64::INFINITY, f64::NAN]] {
                let (alone, scopes) = one_row(values);
                for scope in scopes {
                    let twice: Vec<Vec<f64>> = values.iter().map(|x| vec![*x; 2]).collect();
                    let (mut alone, mut in_columns) = (alone.clone(), Message::from_columns(&twice));
                    let applied = subtask.apply(&mut alone, &scope).map_err(|fault| fault.to_string());
                    let expected = subtask.apply(&mut in_columns, &scope).map_err(|fault| fault.to_string());
                    assert_eq!(applied, expected, "{norm} {values:?}");
                    let first: Vec<f64> = (0..values.len()).map(|slot| in_columns.column(slot)[0]).collect();
                    assert_eq!(bits(alone.flat()), bits(&first), "{norm} {values:?}");
                }
            }
        }
    }

    #[test]
    fn a_row_that_is_refused_alone_is_told_with_its_column() {
        let (mut message, [scope, _]) = one_row(&[1.0, f64::INFINITY]);
        let subtask = subtask("standard_scaler", "{}");
        let step = Step { label: "s".into(), source: None, subtask, scope, stream: None, on_error: OnError::Row };
        let mut refused = Vec::new();
        step.apply(&mut message, |ids, reason| refused.push((ids, reason))).unwrap();
        assert_eq!((message.rows(), refused.len(), &refused[0].0), (0, 1, &vec![0]));
        assert!(refused[0].1.contains("infinity") && refused[0].1.contains("Column c01"), "{refused:?}");
    }
}
