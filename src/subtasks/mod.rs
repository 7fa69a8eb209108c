//! The subtasks: pure functions from message to message, and the registry that names them.
//!
//! A new subtask is one new file here and one line in [`REGISTRY`].

mod binarizer;
mod clip;
mod drop_duplicates;
mod dropna;
mod fillna;
mod interpolate;
mod max_abs_scaler;
mod min_max_scaler;
mod normalizer;
mod power_transformer;
pub mod prepare;
mod quantile_transformer;
mod registry;
mod replace;
pub mod result;
mod robust_scaler;
mod scope;
mod standard_scaler;

pub use registry::{Entry, Parameter, Role, find};
pub use scope::Scope;

use crate::data::Message;
use registry::entry;

/// One step of the chain, applied to one message at a time.
pub trait Subtask: Send + Sync {
    /// Changes the columns in scope.
    ///
    /// # Errors
    /// Where the original raises; the message is then unspecified.
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault>;

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

/// All subtasks, in the order of the published chain.
pub const REGISTRY: [Entry; 16] = [
    prepare::ENTRY,
    entry::<drop_duplicates::DropDuplicates>("drop_duplicates", "pandas.DataFrame.drop_duplicates", Role::Rows),
    entry::<replace::Replace>("replace", "pandas.DataFrame.replace", Role::Numbers),
    entry::<interpolate::Interpolate>("interpolate", "pandas.DataFrame.interpolate", Role::Numbers),
    entry::<fillna::Fillna>("fillna", "pandas.DataFrame.fillna, ffill, bfill", Role::Numbers),
    entry::<clip::Clip>("clip", "pandas.DataFrame.clip", Role::Numbers),
    entry::<dropna::Dropna>("dropna", "pandas.DataFrame.dropna", Role::Rows),
    entry::<standard_scaler::StandardScaler>("standard_scaler", "sklearn.preprocessing.StandardScaler", Role::Numbers),
    entry::<min_max_scaler::MinMaxScaler>("min_max_scaler", "sklearn.preprocessing.MinMaxScaler", Role::Numbers),
    entry::<max_abs_scaler::MaxAbsScaler>("max_abs_scaler", "sklearn.preprocessing.MaxAbsScaler", Role::Numbers),
    entry::<robust_scaler::RobustScaler>("robust_scaler", "sklearn.preprocessing.RobustScaler", Role::Numbers),
    entry::<power_transformer::PowerTransformer>(
        "power_transformer",
        "sklearn.preprocessing.PowerTransformer",
        Role::Numbers,
    ),
    entry::<quantile_transformer::QuantileTransformer>(
        "quantile_transformer",
        "sklearn.preprocessing.QuantileTransformer(subsample=None)",
        Role::Numbers,
    ),
    entry::<normalizer::Normalizer>("normalizer", "sklearn.preprocessing.Normalizer", Role::Numbers),
    entry::<binarizer::Binarizer>("binarizer", "sklearn.preprocessing.Binarizer", Role::Numbers),
    result::ENTRY,
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
