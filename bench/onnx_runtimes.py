#!/usr/bin/env python3
"""Models as sklearn-onnx and PyTorch write them, by tract beside onnxruntime: which load, how far they differ, CPU a row.

    pip install onnx==1.23.2 skl2onnx==1.20.0 onnxruntime==1.32.0 tract==0.23.9 scikit-learn==1.9.1
    OMP_NUM_THREADS=1 python3 bench/onnx_runtimes.py [BEGINNING OF A NAME]
"""

import sys
import tempfile
import time
import warnings

import numpy as np
import onnx
import onnxruntime
import tract
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn import cluster, compose, decomposition, ensemble, impute, linear_model, naive_bayes, neighbors
from sklearn import neural_network, preprocessing, svm, tree
from sklearn.pipeline import make_pipeline

ROWS, COLUMNS = 1000, 8
OPSETS = {"": 18, "ai.onnx.ml": 3}
rng = np.random.default_rng(0)
X = rng.normal(size=(ROWS, COLUMNS)).astype(np.float32)
Y = X @ rng.normal(size=COLUMNS) + np.sin(3 * X[:, 0])
LABELS = np.digitize(Y, [-1.5, 1.5])
GAPS = np.where(rng.random(X.shape) < 0.1, np.float32(np.nan), X)
CODES = np.column_stack([X[:, 1:], rng.integers(0, 4, ROWS).astype(np.float32)])


def pipelines():
    """A pipeline of each model that Rowmill serves, and of the usual preprocessing, with its rows and its target."""
    forest = {"n_estimators": 100, "max_depth": 8, "random_state": 0}
    network = {"hidden_layer_sizes": (32, 16), "max_iter": 60, "random_state": 0}
    regressors = [
        linear_model.LinearRegression(), linear_model.Ridge(), linear_model.Lasso(0.01), linear_model.ElasticNet(0.01),
        linear_model.SGDRegressor(random_state=0), svm.LinearSVR(), tree.DecisionTreeRegressor(max_depth=8),
        ensemble.RandomForestRegressor(**forest), ensemble.ExtraTreesRegressor(**forest),
        ensemble.GradientBoostingRegressor(random_state=0), ensemble.HistGradientBoostingRegressor(random_state=0),
        neural_network.MLPRegressor(**network), neighbors.KNeighborsRegressor(), svm.SVR(),
    ]
    classifiers = [
        linear_model.LogisticRegression(), linear_model.SGDClassifier(loss="log_loss", random_state=0), svm.LinearSVC(),
        tree.DecisionTreeClassifier(max_depth=8), ensemble.RandomForestClassifier(**forest),
        ensemble.ExtraTreesClassifier(**forest), ensemble.GradientBoostingClassifier(random_state=0),
        ensemble.HistGradientBoostingClassifier(random_state=0), naive_bayes.GaussianNB(),
        neural_network.MLPClassifier(**network), neighbors.KNeighborsClassifier(), svm.SVC(),
    ]
    others = [
        ensemble.IsolationForest(random_state=0), cluster.KMeans(5, n_init=3, random_state=0),
        cluster.MiniBatchKMeans(5, n_init=3, random_state=0), decomposition.PCA(3), decomposition.IncrementalPCA(3),
        svm.OneClassSVM(),
    ]
    scaler, ridge = preprocessing.StandardScaler, linear_model.Ridge
    for models, target in [(regressors, Y), (classifiers, LABELS), (others, None)]:
        for model in models:
            yield f"StandardScaler, {type(model).__name__}", make_pipeline(scaler(), model), X, target
    yield "SimpleImputer, StandardScaler, Ridge", make_pipeline(impute.SimpleImputer(), scaler(), ridge()), GAPS, Y
    both = compose.ColumnTransformer([
        ("codes", preprocessing.OneHotEncoder(sparse_output=False), [COLUMNS - 1]),
        ("rest", scaler(), list(range(COLUMNS - 1))),
    ])
    logistic = linear_model.LogisticRegression
    yield "OneHotEncoder and StandardScaler, LogisticRegression", make_pipeline(both, logistic()), CODES, LABELS
    yield "Normalizer, Ridge", make_pipeline(preprocessing.Normalizer(), ridge()), X, Y
    yield "PolynomialFeatures, Ridge", make_pipeline(preprocessing.PolynomialFeatures(2), ridge()), X, Y
    yield "LinearRegression", make_pipeline(linear_model.LinearRegression()), X, Y
    yield "LogisticRegression", make_pipeline(logistic()), X, LABELS
    yield "RandomForestRegressor", make_pipeline(ensemble.RandomForestRegressor(**forest)), X, Y


def converted(pipeline, rows, **more):
    """The pipeline as sklearn-onnx writes it; probabilities as a tensor, for tract has no maps."""
    last = pipeline.steps[-1][1]
    options = {id(last): {"zipmap": False}} if hasattr(last, "classes_") else None
    return to_onnx(pipeline, rows[:1], options=options, target_opset=OPSETS, **more)


def weights(*shape):
    return (rng.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)


def node(operator, inputs, *outputs, own=None, **attributes):
    """A node and the constants that it brings."""
    return helper.make_node(operator, inputs.split(" "), list(outputs), **attributes), own or {}


def layer(x, y, width, height):
    return node("Gemm", f"{x} w_{y} b_{y}", y, transB=1, own={f"w_{y}": weights(height, width), f"b_{y}": weights(height)})


def recurrent(operator, gates, hidden=16):
    """The columns as steps of one value, from a state of zeros."""
    state = "h0 h0" if operator == "LSTM" else "h0"
    more = {"linear_before_reset": 1} if operator == "GRU" else {}
    own = {"w": weights(1, gates * hidden, 1), "r": weights(1, gates * hidden, hidden), "b": weights(1, 2 * gates * hidden)}
    return [
        node("Transpose", "x", "t", perm=[1, 0]), node("Unsqueeze", "t two", "u", own={"two": np.array([2])}),
        node("Shape", "x", "shape"), node("Gather", "shape zero", "rows", axis=0, own={"zero": np.array([0])}),
        node("Concat", "one rows hidden", "s", axis=0, own={"one": np.array([1]), "hidden": np.array([hidden])}),
        node("ConstantOfShape", "s", "h0", value=numpy_helper.from_array(np.zeros(1, np.float32))),
        node(operator, f"u w r b  {state}", "steps", "last", hidden_size=hidden, own=own, **more),
        node("Squeeze", "last zero", "h"), layer("h", "y", hidden, 1),
    ]


def networks():
    """Small networks with the operators that torch.onnx.export writes."""
    one = {"gain": np.ones(64, np.float32), "shift": weights(64)}
    yield "perceptron, ReLU", [
        layer("x", "a", 8, 64), node("Relu", "a", "b"), layer("b", "c", 64, 64), node("Relu", "c", "d"), layer("d", "y", 64, 1),
    ], ["y"]
    yield "perceptron, LayerNorm, GELU, Softmax", [
        layer("x", "a", 8, 64), node("LayerNormalization", "a gain shift", "n", axis=-1, own=one),
        node("Div", "n root", "e", own={"root": np.float32(2**0.5)}), node("Erf", "e", "f"),
        node("Add", "f one", "g", own={"one": np.float32(1)}), node("Mul", "n g", "h"),
        node("Mul", "h half", "i", own={"half": np.float32(0.5)}), layer("i", "j", 64, 3), node("Softmax", "j", "y", axis=-1),
    ], ["y"]
    yield "perceptron, BatchNorm, SiLU, Tanh", [
        layer("x", "a", 8, 64),
        node(
            "BatchNormalization", "a gain shift mean var", "n",
            own=one | {"mean": weights(64), "var": np.abs(weights(64)) + np.float32(0.5)},
        ),
        node("Sigmoid", "n", "s"), node("Mul", "n s", "m"), layer("m", "l", 64, 2), node("Tanh", "l", "y"),
    ], ["y"]
    yield "Conv1d, MaxPool", [
        node("Unsqueeze", "x one", "u", own={"one": np.array([1])}),
        node("Conv", "u k1 c1", "a", kernel_shape=[3], pads=[1, 1], own={"k1": weights(16, 1, 3), "c1": weights(16)}),
        node("Relu", "a", "b"), node("MaxPool", "b", "c", kernel_shape=[2], strides=[2]),
        node("Conv", "c k2 c2", "d", kernel_shape=[3], pads=[1, 1], own={"k2": weights(16, 16, 3), "c2": weights(16)}),
        node("Relu", "d", "e"), node("Flatten", "e", "f", axis=1), layer("f", "y", 64, 1),
    ], ["y"]
    yield "autoencoder", [
        layer("x", "a", 8, 3), node("Relu", "a", "z"), layer("z", "y", 3, 8), node("Sub", "x y", "d"), node("Mul", "d d", "q"),
        node("ReduceMean", "q last", "error", keepdims=0, own={"last": np.array([-1])}),
    ], ["y", "error"]
    for operator, gates in [("RNN", 1), ("GRU", 3), ("LSTM", 4)]:
        yield operator, recurrent(operator, gates), ["y"]


def graph(steps, outputs):
    constants = {}
    for _, own in steps:
        constants |= own
    free = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    made = helper.make_graph(
        [step for step, _ in steps], "main_graph", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", COLUMNS])],
        free, [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    made = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    made = onnx.shape_inference.infer_shapes(made)
    onnx.checker.check_model(made)
    return made


def median(run):
    """Microseconds of CPU of a call: of 0.1 s of them, and of 3 at least."""
    times, end = [], time.process_time() + 0.1
    while len(times) < 3 or time.process_time() < end:
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return 1e6 * float(np.median(times))


def compared(model, rows):
    """The largest difference, and microseconds a row at 1 and 1,000 rows by tract and by onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        onnx.save(model, file.name)
        loaded = tract.onnx().load(file.name)
    loaded.set_input_fact(0, f"rows,{COLUMNS},f32")
    ours = loaded.into_model().into_runnable()
    feed, worst = session.get_inputs()[0].name, 0.0
    for output, own in zip(session.run(None, {feed: rows}), ours.run([rows]), strict=True):
        output, own = np.asarray(output, float).reshape(ROWS, -1), own.to_numpy().astype(float).reshape(ROWS, -1)
        # Of a value near 0, what remains of larger ones is rounding: it counts by a thousandth of the largest.
        size = np.maximum(np.abs(output), 1e-3 * np.abs(output).max())
        worst = max(worst, float((np.abs(own - output) / size).max()))
    times = []
    for some in [rows[:1].copy(), rows]:
        for run in [lambda some=some: ours.run([some]), lambda some=some: session.run(None, {feed: some})]:
            times.append(median(run) / len(some))
    return worst, times


def told(model, rows):
    try:
        worst, times = compared(model, rows)
        return f"{worst:.0e} | " + " | ".join(f"{x:.3g}" for x in times)
    except Exception as error:  # Whatever tract says.
        return str(error).split("Stack backtrace")[0].replace("\n", " ").strip()[:160] + " | | | |"


def main():
    warnings.filterwarnings("ignore")
    beginning = sys.argv[1] if len(sys.argv) > 1 else ""
    print("| model | difference, or why not | tract, 1 row | onnxruntime | tract, 1,000 rows | onnxruntime |")
    print("|---|---|---|---|---|---|")
    for name, steps, outputs in networks():
        if name.startswith(beginning):
            print(f"| {name} | {told(graph(steps, outputs), X)} |", flush=True)
    for name, pipeline, rows, target in pipelines():
        if not name.startswith(beginning):
            continue
        pipeline.fit(rows[:500], None if target is None else target[:500])
        try:
            made = converted(pipeline, rows)
        except Exception as error:  # Whatever sklearn-onnx says.
            print(f"| {name} | sklearn-onnx: {str(error).splitlines()[0][:120]} | | | | |", flush=True)
            continue
        print(f"| {name} | {told(made, rows)} |", flush=True)
        if any(node.op_type == "Scaler" for node in made.graph.node):
            made = converted(pipeline, rows, black_op={"Scaler"})
            # The label that follows from the others is of a type that tract does not hand to Python.
            if len(made.graph.output) > 1 and made.graph.output[0].name == "label":
                del made.graph.output[0]
            print(f"| {name}, without Scaler | {told(made, rows)} |", flush=True)


if __name__ == "__main__":
    main()
