#!/usr/bin/env python3
"""Fitted scikit-learn pipelines to and from the file that `rowmill fit` writes.

    sklearn_params.py to-rowmill PIPELINE.joblib COLUMN[,COLUMN...] OUT.fit.json
    sklearn_params.py to-sklearn WEATHER.toml WEATHER.fit.json OUT.joblib

What goes to rowmill is what `rowmill.export` takes. Back come scalers, transformers, KBinsDiscretizer(encode="ordinal") and
SimpleImputer, all over the same columns. Both directions keep every number.
"""

import os
import sys
import tomllib

import joblib
import numpy as np
from sklearn.pipeline import Pipeline

import oracle

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
import rowmill  # noqa: E402
from rowmill.fitted import unpacked  # noqa: E402


def to_sklearn(dataflow, fitted):
    """A Pipeline that transforms as the frozen dataflow does; its steps are those that have learned."""
    steps, seen = [], {}
    known = {step.step: step for step in fitted.steps}
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
        step, own, width = oracle.SCALERS[name](**parameters), known[label], len(known[label].columns)
        # Fitted on any rows, so that every attribute is there; then the learned ones are put in.
        step.fit(np.arange(1.0, 1 + 10 * width).reshape(10, width) ** 1.5)
        if name == "power_transformer":
            step.lambdas_ = own.array("lambdas_")
            if step.standardize:
                step._scaler.mean_, step._scaler.scale_ = own.array("mean_"), own.array("scale_")
        elif name == "quantile_transformer":
            step.references_ = own.array("references_")
            step.n_quantiles_ = len(step.references_)
            step.quantiles_ = np.array([unpacked(q) for q in own.learned["quantiles_"]]).T
        elif name == "k_bins_discretizer":
            edges = [np.r_[-np.inf, unpacked(inner), np.inf] for inner in own.learned["inner_edges_"]]
            step.bin_edges_ = np.array(edges + [None], dtype=object)[:-1]
            step.n_bins_ = np.array([len(edge) - 1 for edge in edges])
        else:
            for attribute in own.learned:
                setattr(step, attribute, own.array(attribute))
        steps.append((label, step))
    return Pipeline(steps)


def main():
    direction, first, second, out = sys.argv[1:]
    if direction == "to-rowmill":
        rowmill.export(joblib.load(first), second.split(","), out)
    else:
        joblib.dump(to_sklearn(tomllib.load(open(first, "rb")), rowmill.load(second)), out)


if __name__ == "__main__":
    main()
