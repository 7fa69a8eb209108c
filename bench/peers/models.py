#!/usr/bin/env python3
"""The models of the evaluation, behind the subtasks of a dataflow.

    models.py fit DATAFLOW.toml INPUT.ndjson DIRECTORY [ROWS]
    models.py check DIRECTORY INPUT.ndjson [ROWS]

fit: takes the first ROWS rows through the chain by messages of 1,000, and fits each model on what comes out: the
temperature of the hour after, or whether it rises. Leaves NAME.toml, NAME.fit.json and, for the peers, NAME.pickle.
check: runs each of the dataflows with rowmill and with the chain in Python, and compares the new columns.
"""

import json
import os
import pickle
import subprocess
import sys
import tempfile
import tomllib

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor, IsolationForest, RandomForestRegressor
from sklearn.linear_model import LogisticRegression

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "python")]
import chain
from model_step import STREAM

SIZE = 1000
HOUR = 12  # rows: one every five minutes
TARGET = "outTemp"
FROZEN = {
    "random_forest_regressor": RandomForestRegressor(100, random_state=0),
    "hist_gradient_boosting_regressor": HistGradientBoostingRegressor(random_state=0),
    "logistic_regression": LogisticRegression(max_iter=1000),
    "isolation_forest": IsolationForest(random_state=0),
}
OUTPUTS = {
    "logistic_regression": ["prediction", "probability"],
    "isolation_forest": ["prediction", "anomaly_score"],
}


def through(steps, lines):
    """The numbers behind the chain, message by message, with the rows they were."""
    parts = []
    for first in range(0, len(lines), SIZE):
        block = chain.prepare(lines[first : first + SIZE])
        for step in steps:
            block = chain.apply(block, step)
        parts.append(block.numbers.set_index(block.numbers.index + first))
    return pd.concat(parts)


def head(path, rows):
    with open(path) as file:
        return [line for line, _ in zip(file, range(rows))]


def fit(dataflow, source, directory, rows=20000):
    import rowmill

    # Celery's workers run in another directory.
    directory = os.path.abspath(directory)
    lines = head(source, int(rows))
    text = open(dataflow).read()
    numbers = through(tomllib.loads(text)["subtask"], lines)
    raw = pd.to_numeric(pd.Series([json.loads(line).get(TARGET) for line in lines]), errors="coerce")
    change = (raw.shift(-HOUR) - raw).loc[numbers.index]
    numbers, later, rises = (of[change.notna().to_numpy()] for of in (numbers, raw.shift(-HOUR).loc[numbers.index], change > 0))
    os.makedirs(directory, exist_ok=True)
    for use, model in FROZEN.items():
        target = rises.astype(np.int64) if use == "logistic_regression" else later
        model.fit(numbers.to_numpy(), None if use == "isolation_forest" else target.to_numpy())
        params = f"{directory}/{use}.fit.json"
        rowmill.export(model, list(numbers.columns), params)
        with open(f"{directory}/{use}.pickle", "wb") as file:
            pickle.dump(model, file)
        step = {"use": use, "columns": list(numbers.columns), "fit": "frozen", "params": params}
        write(text, f"{directory}/{use}.toml", step | ({"outputs": OUTPUTS[use]} if use in OUTPUTS else {}))
    others = [name for name in numbers.columns if name != TARGET]
    write(text, f"{directory}/{STREAM}.toml", {"use": STREAM, "columns": others, "fit": "stream", "target": TARGET, "shuffle": False})


def write(dataflow, path, step):
    """The dataflow with one step more."""
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in step.items())
    before, sink, after = dataflow.partition("[sink]")
    with open(path, "w") as file:
        file.write(f"{before}[[subtask]]\n{lines}\n{sink}{after}")


def check(directory, source, rows=20000):
    rowmill = os.environ.get("ROWMILL", "target/release/rowmill")
    lines = head(source, int(rows))
    with tempfile.TemporaryDirectory() as scratch:
        with open(f"{scratch}/rows.ndjson", "w") as file:
            file.writelines(lines)
        for use in [*FROZEN, STREAM]:
            dataflow, out = f"{directory}/{use}.toml", f"{scratch}/{use}.ndjson"
            command = [rowmill, "run", dataflow, "--source", f"{scratch}/rows.ndjson", "--sink", out]
            subprocess.run([*command, "--bucket-size", str(SIZE), "--quiet"], check=True)
            expected = through(tomllib.load(open(dataflow, "rb"))["subtask"], lines)
            found = pd.DataFrame(json.loads(line) for line in open(out))
            new = [name for name in expected.columns if name.split("_")[0] in ("prediction", "probability", "anomaly")]
            assert len(found) == len(expected) and new, f"{use}: {len(found)} rows, expected {len(expected)}"
            np.testing.assert_allclose(found[new].astype(float), expected[new].astype(float), rtol=1e-9, atol=0, err_msg=use)
            print(f"{use}: {len(found)} rows, {', '.join(new)} within 1e-9 of scikit-learn's")


if __name__ == "__main__":
    {"fit": fit, "check": check}[sys.argv[1]](*sys.argv[2:])
