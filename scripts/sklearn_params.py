#!/usr/bin/env python3
"""Fitted scikit-learn pipelines to and from the file that `rowmill fit` writes.

    sklearn_params.py to-rowmill PIPELINE.joblib COLUMN[,COLUMN...] OUT.fit.json
    sklearn_params.py to-sklearn WEATHER.toml WEATHER.fit.json OUT.joblib

A pipeline's steps are scalers, transformers, KBinsDiscretizer(encode="ordinal") and SimpleImputer, all over the same
columns. Both directions keep every number.
"""

import json
import os
import sys
import tomllib

import joblib
import numpy as np
from sklearn.pipeline import Pipeline

import oracle

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from rowmill.preprocessing import NAMES, learned  # noqa: E402


def to_rowmill(pipeline, columns):
    steps, seen = [], {}
    for _, step in pipeline.steps:
        if type(step) not in NAMES:
            continue  # nothing to learn
        name = NAMES[type(step)]
        seen[name] = seen.get(name, 0) + 1
        label = name if seen[name] == 1 else f"{name}_{seen[name]}"
        steps.append({"step": label, "columns": columns, "learned": learned(step, name)})
    return {"rowmill_fit": 1, "steps": steps}


def array(values):
    return np.array([np.nan if x is None else x for x in values])


def to_sklearn(dataflow, fitted):
    """A Pipeline that transforms as the frozen dataflow does; its steps are those that have learned."""
    steps, seen = [], {}
    known = {step["step"]: step for step in fitted["steps"]}
    for parameters in dataflow["subtask"]:
        parameters = {k: v for k, v in parameters.items() if k not in ("fit", "params", "columns")}
        name = parameters.pop("use")
        seen[name] = seen.get(name, 0) + 1
        label = name if seen[name] == 1 else f"{name}_{seen[name]}"
        if label not in known:
            continue
        for pair in ("feature_range", "quantile_range"):
            if pair in parameters:
                parameters[pair] = tuple(parameters[pair])
        step, values, width = oracle.SCALERS[name](**parameters), known[label]["learned"], len(known[label]["columns"])
        # Fitted on any rows, so that every attribute is there; then the learned ones are put in.
        step.fit(np.arange(1.0, 1 + 10 * width).reshape(10, width) ** 1.5)
        if name == "power_transformer":
            step.lambdas_ = array(values["lambdas_"])
            if step.standardize:
                step._scaler.mean_, step._scaler.scale_ = array(values["mean_"]), array(values["scale_"])
        elif name == "quantile_transformer":
            step.references_ = array(values["references_"])
            step.n_quantiles_ = len(step.references_)
            step.quantiles_ = np.array([array(q) for q in values["quantiles_"]]).T
        elif name == "k_bins_discretizer":
            edges = [np.r_[-np.inf, array(inner), np.inf] for inner in values["inner_edges_"]]
            step.bin_edges_ = np.array(edges + [None], dtype=object)[:-1]
            step.n_bins_ = np.array([len(edge) - 1 for edge in edges])
        else:
            for attribute, value in values.items():
                setattr(step, attribute, array(value))
        steps.append((label, step))
    return Pipeline(steps)


def main():
    direction, first, second, out = sys.argv[1:]
    if direction == "to-rowmill":
        fitted = to_rowmill(joblib.load(first), second.split(","))
        with open(out, "w") as file:
            json.dump(fitted, file, indent=2)
    else:
        joblib.dump(to_sklearn(tomllib.load(open(first, "rb")), json.load(open(second))), out)


if __name__ == "__main__":
    main()
