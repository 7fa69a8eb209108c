"""A model's step in Python: what scikit-learn says of a message's numbers."""

import functools
import pickle

import numpy as np
from sklearn.linear_model import SGDRegressor

STREAM = "sgd_regressor"
# What a model is asked for each output; the new columns are those of rowmill.
ASKED = {"prediction": "predict", "probability": "predict_proba", "anomaly_score": "score_samples"}


@functools.cache
def fitted(path):
    with open(path, "rb") as file:
        return pickle.load(file)


@functools.cache
def learning(parameters):
    return SGDRegressor(**dict(parameters))


def apply(numbers, step):
    """The numbers of a message with what the model of this step says of them."""
    columns = numbers[step["columns"]].to_numpy()
    if step["use"] == STREAM:
        return numbers.assign(prediction=learned(columns, numbers[step["target"]].to_numpy(), step))
    model = fitted(step["params"].replace(".fit.json", ".pickle"))
    said = {}
    for output in step.get("outputs", ["prediction"]):
        found = getattr(model, ASKED[output])(columns)
        said |= {output: found} if found.ndim == 1 else {f"{output}_{name}": found[:, at] for at, name in enumerate(model.classes_)}
    return numbers.assign(**said)


def learned(columns, target, step):
    """Test, then train."""
    model = learning((("shuffle", step["shuffle"]),))
    before = model.predict(columns) if hasattr(model, "coef_") else np.full(len(columns), np.nan)
    model.partial_fit(columns, target)
    return before


def is_model(step):
    return step["use"] == STREAM or "params" in step
