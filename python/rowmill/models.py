"""What fitted models of scikit-learn have learned, as rowmill's subtasks read it."""

import numpy as np
from sklearn import cluster, decomposition, dummy, ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree
from sklearn.ensemble._iforest import _average_path_length

from . import trees
from .fitted import packed

NAMES = {
    linear_model.LinearRegression: "linear_regression",
    linear_model.Ridge: "ridge",
    linear_model.Lasso: "lasso",
    linear_model.ElasticNet: "elastic_net",
    linear_model.SGDRegressor: "sgd_regressor",
    linear_model.PassiveAggressiveRegressor: "passive_aggressive_regressor",
    svm.LinearSVR: "linear_svr",
    linear_model.LogisticRegression: "logistic_regression",
    linear_model.SGDClassifier: "sgd_classifier",
    linear_model.Perceptron: "perceptron",
    linear_model.PassiveAggressiveClassifier: "passive_aggressive_classifier",
    svm.LinearSVC: "linear_svc",
    tree.DecisionTreeRegressor: "decision_tree_regressor",
    tree.ExtraTreeRegressor: "extra_tree_regressor",
    ensemble.RandomForestRegressor: "random_forest_regressor",
    ensemble.ExtraTreesRegressor: "extra_trees_regressor",
    tree.DecisionTreeClassifier: "decision_tree_classifier",
    tree.ExtraTreeClassifier: "extra_tree_classifier",
    ensemble.RandomForestClassifier: "random_forest_classifier",
    ensemble.ExtraTreesClassifier: "extra_trees_classifier",
    ensemble.GradientBoostingRegressor: "gradient_boosting_regressor",
    ensemble.GradientBoostingClassifier: "gradient_boosting_classifier",
    ensemble.HistGradientBoostingRegressor: "hist_gradient_boosting_regressor",
    ensemble.HistGradientBoostingClassifier: "hist_gradient_boosting_classifier",
    ensemble.IsolationForest: "isolation_forest",
    cluster.KMeans: "k_means",
    cluster.MiniBatchKMeans: "mini_batch_k_means",
    decomposition.PCA: "pca",
    decomposition.IncrementalPCA: "incremental_pca",
    naive_bayes.GaussianNB: "gaussian_nb",
    neural_network.MLPRegressor: "mlp_regressor",
    neural_network.MLPClassifier: "mlp_classifier",
    neighbors.KNeighborsRegressor: "k_neighbors_regressor",
    neighbors.KNeighborsClassifier: "k_neighbors_classifier",
    svm.SVR: "svr",
    svm.SVC: "svc",
    svm.OneClassSVM: "one_class_svm",
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
    for label in classes.tolist():
        if label == "":
            raise Refused("a class is the empty text, which is a missing value to rowmill: give it a name")
        if isinstance(label, int) and not is_float(label):
            raise Refused(f"the class {label} is a whole number that float64 does not hold: make the classes texts")
    return classes.tolist()


def is_float(whole):
    """Whether a column of float64 holds a whole number as it is."""
    try:
        return int(float(whole)) == whole
    except OverflowError:
        return False


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


def members(model):
    """The trees of a forest, or the one that the model is."""
    if model.n_outputs_ != 1:
        raise Refused("it predicts several values a row")
    return [each.tree_ for each in model.estimators_] if hasattr(model, "estimators_") else [model.tree_]


def takes_missing(model):
    one = model.estimators_[0] if hasattr(model, "estimators_") else model
    return bool(one.__sklearn_tags__().input_tags.allow_nan)


def tree_regressor(model):
    return trees.together([trees.of_tree(each) for each in members(model)]) | {"takes_missing": takes_missing(model)}


def tree_classifier(model):
    return {"classes_": labels(model.classes_)} | tree_regressor(model)


def gradient_boosting(model, link):
    if not (model.init_ == "zero" or isinstance(model.init_, (dummy.DummyClassifier, dummy.DummyRegressor))):
        raise Refused("its init is a model of its own")
    init = model._raw_predict_init(np.zeros((1, model.n_features_in_)))[0]
    return trees.together([trees.of_tree(each.tree_) for each in model.estimators_.ravel()]) | {
        "precision": "single",
        "init": finite(init, "init_"),
        "learning_rate": float(model.learning_rate),
        "link": link,
        "takes_missing": False,
        "takes_infinity": False,
    }


def gradient_boosting_regressor(model):
    return gradient_boosting(model, "identity")


def gradient_boosting_classifier(model):
    binary = "half_logit" if model.loss == "exponential" else "logit"
    link = binary if len(model.classes_) == 2 else "softmax"
    return {"classes_": labels(model.classes_), "second_at_zero": True} | gradient_boosting(model, link)


def categories(model):
    """The columns that hold categories, and the values of these; a missing one is none."""
    if getattr(model, "is_categorical_", None) is None or not np.any(model.is_categorical_):
        return {}
    present = lambda value: value is not None and value == value
    known = model._preprocessor.named_transformers_["encoder"].categories_
    known = [[value for value in values if present(value)] for values in known]
    if not all(known):
        raise Refused("a column of categories has none")
    return dict(zip(np.flatnonzero(model.is_categorical_).tolist(), known))


def hist_gradient_boosting(model, link):
    predictors = [predictor for each in model._predictors for predictor in each]
    if not predictors:
        raise Refused("it has no tree")
    codes, known = categories(model), model._bin_mapper.make_known_categories_bitsets()
    # The trees' columns are those of categories first, then the others.
    features = np.argsort(~np.asarray(model.is_categorical_), kind="stable") if codes else None
    fields = {}
    if codes:
        fields["category_features"] = packed(list(codes), "<u4")
        fields["category_counts"] = packed([len(values) for values in codes.values()], "<u4")
        places = [range(len(values)) if isinstance(values[0], str) else values for values in codes.values()]
        fields["category_values"] = finite(np.concatenate([np.asarray(each, dtype=float) for each in places]), "a category")
    return trees.together([trees.of_predictor(each, known, features) for each in predictors]) | fields | {
        "precision": "double",
        "init": finite(model._baseline_prediction, "the baseline"),
        # The leaves hold it already.
        "learning_rate": 1.0,
        "link": link,
        "takes_missing": True,
        "takes_infinity": True,
    }


def hist_gradient_boosting_regressor(model):
    return hist_gradient_boosting(model, "log" if model.loss in ("gamma", "poisson") else "identity")


def hist_gradient_boosting_classifier(model):
    link = "logit" if len(model.classes_) == 2 else "softmax"
    return {"classes_": labels(model.classes_), "second_at_zero": False} | hist_gradient_boosting(model, link)


def isolation_forest(model):
    def of_tree(number, each, features):
        depths = model._decision_path_lengths[number] + model._average_path_length_per_tree[number] - 1.0
        return trees.of_tree(each.tree_, values=np.asarray(depths, dtype=float), features=features)

    of_trees = zip(model.estimators_, model.estimators_features_)
    usual = len(model.estimators_) * _average_path_length([model._max_samples])[0]
    return trees.together([of_tree(number, *each) for number, each in enumerate(of_trees)]) | {
        "usual_depths": float(usual),
        "offset_": scalar(model.offset_, "offset_"),
    }


def k_means(model):
    if model.cluster_centers_.dtype != np.float64:
        raise Refused("it is fitted in single precision")
    return {"cluster_centers_": finite(model.cluster_centers_, "cluster_centers_")}


def pca(model):
    scales = {}
    if model.whiten:
        scale = np.sqrt(model.explained_variance_)
        scales = {"scales": finite(np.maximum(scale, np.finfo(scale.dtype).eps), "explained_variance_")}
    return {"components_": finite(model.components_, "components_"), "mean_": finite(model.mean_, "mean_")} | scales


def gaussian_nb(model):
    if (model.var_ <= 0).any():
        raise Refused("a variance is not finite above 0")
    names = ("theta_", "var_", "class_prior_")
    return {"classes_": labels(model.classes_)} | {name: finite(getattr(model, name), name) for name in names}


def network(model):
    sizes = [model.coefs_[0].shape[0]] + [layer.shape[1] for layer in model.coefs_]
    return {
        "layer_sizes": packed(sizes, "<u4"),
        "coefs_": finite(np.concatenate([layer.ravel() for layer in model.coefs_]), "coefs_"),
        "intercepts_": finite(np.concatenate(model.intercepts_), "intercepts_"),
        "activation": model.activation,
        "out_activation_": model.out_activation_,
    }


def mlp_regressor(model):
    if model.n_outputs_ != 1:
        raise Refused("it predicts several values a row")
    return network(model)


def mlp_classifier(model):
    if model._label_binarizer.y_type_.startswith("multilabel"):
        raise Refused("it predicts several labels a row")
    return {"classes_": labels(model.classes_)} | network(model)


def support_vectors(model):
    if callable(model.kernel) or model.kernel == "precomputed":
        raise Refused("its kernel is a function of its own")
    if not isinstance(model.support_vectors_, np.ndarray):
        raise Refused("it is fitted on sparse rows")
    if not len(model.support_vectors_):
        raise Refused("its support vectors are not finite in number above 0")
    # Those without an underscore have another sign for two classes.
    return {
        "support_vectors_": finite(model.support_vectors_, "support_vectors_"),
        "dual_coef_": finite(model._dual_coef_, "dual_coef_"),
        "intercept_": finite(model._intercept_, "intercept_"),
        "kernel": model.kernel,
        "gamma": float(model._gamma),
        "coef0": float(model.coef0),
        "degree": int(model.degree),
    }


def svc(model):
    return {"classes_": labels(model.classes_)} | support_vectors(model) | {
        "n_support_": packed(model.n_support_, "<u4"),
        "has_decision": model.decision_function_shape == "ovr" or len(model.classes_) == 2,
        "break_ties": bool(model.break_ties),
    }


def k_neighbors(model):
    if model.weights not in ("uniform", "distance"):
        raise Refused("its weights are a function of its own")
    # `effective_metric_` is the special case of minkowski, if it is one.
    if model.effective_metric_ not in ("euclidean", "manhattan", "chebyshev"):
        raise Refused(f"its metric is {model.effective_metric_!r}, not euclidean, manhattan or chebyshev")
    if not isinstance(model._fit_X, np.ndarray):
        raise Refused("it is fitted on sparse rows")
    if np.ndim(model._y) != 1:
        raise Refused("it predicts several values a row")
    return {
        "points": finite(model._fit_X, "a row of the fit"),
        "metric": model.effective_metric_,
        "n_neighbors": int(model.n_neighbors),
        "weights": model.weights,
    }


def k_neighbors_regressor(model):
    return k_neighbors(model) | {"targets": finite(model._y, "a target")}


def k_neighbors_classifier(model):
    return {"classes_": labels(model.classes_)} | k_neighbors(model) | {"targets": packed(model._y, "<u4")}


def one_class_svm(model):
    return support_vectors(model) | {"offset_": scalar(model.offset_, "offset_")}


FAMILIES = [
    (
        ("linear_regression", "ridge", "lasso", "elastic_net", "sgd_regressor", "passive_aggressive_regressor", "linear_svr"),
        linear_regressor,
    ),
    (
        ("logistic_regression", "sgd_classifier", "perceptron", "passive_aggressive_classifier", "linear_svc"),
        linear_classifier,
    ),
    (
        ("decision_tree_regressor", "extra_tree_regressor", "random_forest_regressor", "extra_trees_regressor"),
        tree_regressor,
    ),
    (
        ("decision_tree_classifier", "extra_tree_classifier", "random_forest_classifier", "extra_trees_classifier"),
        tree_classifier,
    ),
    (("gradient_boosting_regressor",), gradient_boosting_regressor),
    (("gradient_boosting_classifier",), gradient_boosting_classifier),
    (("hist_gradient_boosting_regressor",), hist_gradient_boosting_regressor),
    (("hist_gradient_boosting_classifier",), hist_gradient_boosting_classifier),
    (("isolation_forest",), isolation_forest),
    (("k_means", "mini_batch_k_means"), k_means),
    (("pca", "incremental_pca"), pca),
    (("gaussian_nb",), gaussian_nb),
    (("mlp_regressor",), mlp_regressor),
    (("mlp_classifier",), mlp_classifier),
    (("k_neighbors_regressor",), k_neighbors_regressor),
    (("k_neighbors_classifier",), k_neighbors_classifier),
    (("svr",), support_vectors),
    (("svc",), svc),
    (("one_class_svm",), one_class_svm),
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
