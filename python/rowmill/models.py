"""What fitted models of scikit-learn have learned, as rowmill's subtasks read it."""

import numpy as np
from sklearn import linear_model, svm

from .fitted import packed

NAMES = {
    linear_model.LinearRegression: "linear_regression",
    linear_model.Ridge: "ridge",
    linear_model.Lasso: "lasso",
    linear_model.ElasticNet: "elastic_net",
    linear_model.SGDRegressor: "sgd_regressor",
    svm.LinearSVR: "linear_svr",
    linear_model.LogisticRegression: "logistic_regression",
    linear_model.SGDClassifier: "sgd_classifier",
    svm.LinearSVC: "linear_svc",
}


class Refused(Exception):
    """Why a model cannot be exported."""


def finite(values, what):
    values = np.asarray(values.toarray() if hasattr(values, "toarray") else values, dtype=np.float64)
    if not np.isfinite(values).all():
        raise Refused(f"{what} is not finite")
    return packed(values)


def scalar(value, what):
    value = np.asarray(value, dtype=np.float64).ravel()
    if value.size != 1:
        raise Refused("it predicts several values a row")
    if not np.isfinite(value).all():
        raise Refused(f"{what} is not finite")
    return float(value[0])


def labels(classes):
    """Class labels as JSON has them."""
    classes = np.asarray(classes)
    if classes.ndim != 1 or len({type(label) for label in classes.tolist()}) != 1:
        raise Refused("its classes are of several kinds, or of several outputs")
    if not isinstance(classes[0], (str, np.str_, np.integer, np.floating, np.bool_, int, float, bool)):
        raise Refused(f"its classes are {type(classes[0]).__name__}")
    return classes.tolist()


def linear_regressor(model):
    if np.ndim(model.coef_) > 1 and np.shape(model.coef_)[0] != 1:
        raise Refused("it predicts several values a row")
    return {"coef_": finite(model.coef_, "coef_"), "intercept_": scalar(model.intercept_, "intercept_")}


def linear_classifier(model):
    probability = "none"
    if isinstance(model, linear_model.LogisticRegression):
        probability = "logistic" if len(model.classes_) <= 2 else "softmax"
    elif isinstance(model, linear_model.SGDClassifier):
        probability = {"log_loss": "logistic", "modified_huber": "modified_huber"}.get(model.loss, "none")
    count = model.coef_.shape[0]
    intercepts = np.broadcast_to(np.ravel(model.intercept_), count) if np.size(model.intercept_) == 1 else model.intercept_
    return {
        "classes_": labels(model.classes_),
        "coef_": finite(model.coef_, "coef_"),
        "intercept_": finite(intercepts, "intercept_"),
        "probability": probability,
    }


FAMILIES = [
    (("linear_regression", "ridge", "lasso", "elastic_net", "sgd_regressor", "linear_svr"), linear_regressor),
    (("logistic_regression", "sgd_classifier", "linear_svc"), linear_classifier),
]
LEARNED = {name: learned for names, learned in FAMILIES for name in names}


def learned(model, name):
    """What a fitted model of scikit-learn has learned."""
    return LEARNED[name](model)


def transformed(model, name):
    """The output and the names of the columns that the model's `transform` makes; None if it has none."""
    if name in ("pca", "incremental_pca"):
        return "component", [f"component_{i}" for i in range(model.components_.shape[0])]
    if name in ("k_means", "mini_batch_k_means"):
        return "distance", [f"distance_{i}" for i in range(model.cluster_centers_.shape[0])]
    return None
