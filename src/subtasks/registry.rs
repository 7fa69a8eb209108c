//! All subtasks by their names. A new one is one file beside this one and one line here.

use super::entry::{Entry, Role, entry};
use super::{
    binarizer, clip, diff, drop_duplicates, dropna, fillna, interpolate, k_bins_discretizer, max_abs_scaler,
    min_max_scaler, normalizer, one_hot_encoder, ordinal_encoder, polynomial_features, power_transformer, prepare,
    quantile_transformer, replace, result, robust_scaler, rolling, simple_imputer, standard_scaler,
};

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

/// The registry's line for `name`.
pub fn find(name: &str) -> Option<&'static Entry> {
    REGISTRY.iter().find(|entry| entry.name == name)
}
