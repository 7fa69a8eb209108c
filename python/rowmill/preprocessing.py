"""What fitted scalers, imputers and encoders of scikit-learn have learned, as rowmill's subtasks read it."""

import numpy as np
from sklearn import preprocessing as sk
from sklearn.impute import SimpleImputer

NAMES = {
    sk.StandardScaler: "standard_scaler",
    sk.MinMaxScaler: "min_max_scaler",
    sk.MaxAbsScaler: "max_abs_scaler",
    sk.RobustScaler: "robust_scaler",
    sk.PowerTransformer: "power_transformer",
    sk.QuantileTransformer: "quantile_transformer",
    sk.KBinsDiscretizer: "k_bins_discretizer",
    SimpleImputer: "simple_imputer",
}
ATTRIBUTES = {
    "standard_scaler": ["mean_", "scale_"],
    "min_max_scaler": ["min_", "scale_"],
    "max_abs_scaler": ["scale_"],
    "robust_scaler": ["center_", "scale_"],
    "simple_imputer": ["statistics_"],
}
# The parameters that a step with fitted params still needs.
PARAMETERS = {
    "standard_scaler": ["with_mean", "with_std"],
    "min_max_scaler": ["feature_range", "clip"],
    "max_abs_scaler": ["clip"],
    "robust_scaler": ["with_centering", "with_scaling"],
    "power_transformer": ["method", "standardize"],
    "quantile_transformer": ["output_distribution"],
    "k_bins_discretizer": [],
    "simple_imputer": [],
    "normalizer": ["norm"],
    "binarizer": ["threshold"],
    "polynomial_features": ["degree", "interaction_only", "include_bias"],
}


def numbers(values):
    return [None if np.isnan(x) else float(x) for x in values]


def learned(step, name):
    """What a fitted step of scikit-learn has learned."""
    if name == "power_transformer":
        scaler = {"mean_": numbers(step._scaler.mean_), "scale_": numbers(step._scaler.scale_)} if step.standardize else {}
        return {"lambdas_": numbers(step.lambdas_)} | scaler
    if name == "quantile_transformer":
        return {"references_": numbers(step.references_), "quantiles_": [numbers(q) for q in step.quantiles_.T]}
    if name == "k_bins_discretizer":
        return {"inner_edges_": [numbers(edges[1:-1]) for edges in step.bin_edges_]}
    values = {a: getattr(step, a) for a in ATTRIBUTES[name]}
    return {a: numbers(v) for a, v in values.items() if v is not None}


def parameters(step, name):
    """The parameters of a step in the dataflow file."""
    values = {p: getattr(step, p) for p in PARAMETERS[name] if hasattr(step, p)}
    return {p: list(v) if isinstance(v, tuple) else v for p, v in values.items()}


def refused(step, name):
    """Why a step cannot be exported; None if it can."""
    if name == "simple_imputer":
        if not (isinstance(step.missing_values, float) and np.isnan(step.missing_values)):
            return "missing_values is not NaN: use `replace` for other marks"
        if step.add_indicator:
            return "add_indicator adds columns"
        if step.statistics_.dtype.kind not in "fiu":
            return "it fills texts"
        if np.isnan(step.statistics_.astype(float)).any():
            return "a column without a value is left out: keep_empty_features=True keeps it"
    if name == "k_bins_discretizer" and step.encode != "ordinal":
        return f"encode={step.encode!r}: only encode='ordinal' makes one number of a value"
    if name == "polynomial_features" and not isinstance(step.degree, (int, np.integer)):
        return "degree is a range"
    return None
