//! The subtasks: pure functions from message to message, and the registry that names them.
//!
//! A new subtask is one new file here and one line in [`REGISTRY`].

mod binarizer;
mod by_column;
mod clip;
mod diff;
mod drop_duplicates;
mod dropna;
mod fillna;
mod interpolate;
mod k_bins_discretizer;
mod learned;
mod max_abs_scaler;
mod min_max_scaler;
mod normalizer;
mod one_hot_encoder;
mod ordinal_encoder;
mod polynomial_features;
mod power_transformer;
pub mod prepare;
mod quantile_transformer;
mod recent;
mod registry;
mod replace;
mod result;
mod robust_scaler;
mod rolling;
mod scope;
mod simple_imputer;
mod standard_scaler;
mod streaming;

pub use by_column::{ByColumn, Fused};
pub use learned::Learned;
pub use recent::Recent;
pub use registry::{Description, Entry, Parameter, Role, find};
pub use scope::Scope;
pub use streaming::{Learner, Remembering, Streaming};

use std::sync::Arc;

use crate::data::{Message, Schema};
use registry::entry;

/// One step of the chain, applied to one message at a time.
pub trait Subtask: Send + Sync {
    /// Changes the columns in scope: one after the other, if the subtask acts by column.
    ///
    /// # Errors
    /// Where the original raises; the message is then unspecified.
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        by_column::apply_to_all(self.by_column().expect("a subtask acts on messages or by column"), message, scope)
    }

    /// This subtask as one that acts on each number column by itself; `None` if it needs the message.
    fn by_column(&self) -> Option<&dyn ByColumn> {
        None
    }

    /// What can be learned from a message, for [`Subtask::freeze`]; nothing if not given.
    ///
    /// # Errors
    /// Where the original's `fit` raises.
    fn fit(&self, _message: &Message, _scope: &Scope) -> Result<Option<Learned>, Fault> {
        Ok(None)
    }

    /// This subtask with what was learned before, in place of what each message teaches.
    ///
    /// # Errors
    /// If it does not fit this subtask or so many columns.
    fn freeze(&self, _learned: &Learned, _columns: usize) -> Result<Arc<dyn Subtask>, String> {
        Err("there is nothing to learn".into())
    }

    /// What learns a column over the stream; `None` if this subtask can't.
    fn learner(&self) -> Option<Box<dyn Learner>> {
        None
    }

    /// Refuses parameters that do not go with learning over the stream.
    fn check_stream(&self) -> Result<(), Refusal> {
        Ok(())
    }

    /// How many rows back in the stream rows are compared with; `None` if only within a message.
    fn horizon(&self) -> Option<u64> {
        None
    }

    /// The columns after the step, where it changes them.
    fn columns_after(&self, schema: &Schema, _scope: &Scope) -> Schema {
        schema.clone()
    }

    /// Refuses columns that do not fit the parameters.
    fn check_scope(&self, _scope: &Scope) -> Result<(), Refusal> {
        Ok(())
    }

    /// Refuses parameters that the original refuses.
    fn check(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Why a subtask failed on a message, in the words of the original where it has any.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

/// Why a parameter's value is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    pub parameter: &'static str,
    pub reason: String,
}

impl Refusal {
    fn new(parameter: &'static str, reason: impl Into<String>) -> Refusal {
        Refusal { parameter, reason: reason.into() }
    }

    /// The check that pandas makes of every `limit`.
    fn unless_positive(limit: Option<usize>) -> Result<(), Refusal> {
        match limit {
            Some(0) => Err(Refusal::new("limit", "limit must be greater than 0")),
            _ => Ok(()),
        }
    }
}

/// All subtasks: those of the published chain in its order, then the others.
pub const REGISTRY: [Entry; 23] = [
    prepare::ENTRY,
    entry::<drop_duplicates::DropDuplicates>("drop_duplicates", "pandas.DataFrame.drop_duplicates", Role::Rows),
    entry::<replace::Replace>("replace", "pandas.DataFrame.replace", Role::Numbers),
    entry::<interpolate::Interpolate>("interpolate", "pandas.DataFrame.interpolate", Role::Numbers),
    entry::<fillna::Fillna>("fillna", "pandas.DataFrame.fillna, ffill, bfill", Role::Numbers),
    entry::<clip::Clip>("clip", "pandas.DataFrame.clip", Role::Numbers),
    entry::<dropna::Dropna>("dropna", "pandas.DataFrame.dropna", Role::Rows),
    entry::<standard_scaler::StandardScaler>("standard_scaler", "sklearn.preprocessing.StandardScaler", Role::Numbers)
        .fits(),
    entry::<min_max_scaler::MinMaxScaler>("min_max_scaler", "sklearn.preprocessing.MinMaxScaler", Role::Numbers).fits(),
    entry::<max_abs_scaler::MaxAbsScaler>("max_abs_scaler", "sklearn.preprocessing.MaxAbsScaler", Role::Numbers).fits(),
    entry::<robust_scaler::RobustScaler>("robust_scaler", "sklearn.preprocessing.RobustScaler", Role::Numbers).fits(),
    entry::<power_transformer::PowerTransformer>(
        "power_transformer",
        "sklearn.preprocessing.PowerTransformer",
        Role::Numbers,
    )
    .fits(),
    entry::<quantile_transformer::QuantileTransformer>(
        "quantile_transformer",
        "sklearn.preprocessing.QuantileTransformer(subsample=None)",
        Role::Numbers,
    )
    .fits(),
    entry::<normalizer::Normalizer>("normalizer", "sklearn.preprocessing.Normalizer", Role::Numbers),
    entry::<binarizer::Binarizer>("binarizer", "sklearn.preprocessing.Binarizer", Role::Numbers),
    result::ENTRY,
    entry::<rolling::Rolling>("rolling", "pandas.DataFrame.rolling", Role::Numbers).fits(),
    entry::<diff::Diff>("diff", "pandas.DataFrame.diff", Role::Numbers).fits(),
    entry::<simple_imputer::SimpleImputer>(
        "simple_imputer",
        "sklearn.impute.SimpleImputer(keep_empty_features=True)",
        Role::Numbers,
    )
    .fits(),
    entry::<k_bins_discretizer::KBinsDiscretizer>(
        "k_bins_discretizer",
        "sklearn.preprocessing.KBinsDiscretizer(encode='ordinal')",
        Role::Numbers,
    )
    .fits(),
    entry::<polynomial_features::PolynomialFeatures>(
        "polynomial_features",
        "sklearn.preprocessing.PolynomialFeatures",
        Role::Numbers,
    ),
    entry::<ordinal_encoder::OrdinalEncoder>("ordinal_encoder", "sklearn.preprocessing.OrdinalEncoder", Role::Texts)
        .fits(),
    entry::<one_hot_encoder::OneHotEncoder>("one_hot_encoder", "sklearn.preprocessing.OneHotEncoder", Role::Texts),
];

#[cfg(test)]
mod testing {
    use super::*;

    /// Applies a subtask to all columns and returns them.
    pub fn applied(subtask: &impl Subtask, columns: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, Fault> {
        let mut message = Message::from_columns(columns);
        subtask.apply(&mut message, &Scope::numbers(columns.len()))?;
        Ok((0..columns.len()).map(|slot| message.column(slot).to_vec()).collect())
    }
}
