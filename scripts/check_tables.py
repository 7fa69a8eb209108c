#!/usr/bin/env python3
"""Tables beside pandas and sklearn.metrics: random histories of rows that come late, twice, corrected or deleted.

Every history is shuffled, run through rowmill with other workers and bucket sizes, and its table compared with a
`groupby` over the rows that are left at the end. Predictions and labels come together or apart, and are joined.
"""

import argparse
import io
import json
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import metrics

from comparison import EXACT, WITHIN, judge

AGGREGATES = ["count", "sum", "mean", "min", "max", "std", "median", "p90", "distinct", "outliers", "completeness"]
# The last one has no spread.
COLUMNS = ["a", "b", "c", "d"]
SKETCH_ERROR = 0.01


OF_NUMBERS = ["mae", "rmse", "mape", "r2"]
OF_CLASSES = ["accuracy", "precision", "recall", "f1"]
OF_PROBABILITIES = ["log_loss", "roc_auc"]
# A label may be none of the first two.
LABELS = ["dry", "wet", "snow, wet"]
CHANCES = ["p_dry", "p_wet", "p_snow"]


def history(rng):
    """Rows in the order of their arrival, each with what becomes of it."""
    stations = [None, "s1", "s2", "s3"][: rng.randint(1, 4)]
    rows = []
    for _ in range(rng.randint(0, 400)):
        kind = rng.random()
        if rows and kind < 0.15:
            rows.append(dict(rng.choice(rows)))
        elif rows and kind < 0.35:
            old = rng.choice(rows)
            rows.append({**values(rng), "station": old["station"], "time": old["time"], "deleted": 0})
        elif rows and kind < 0.45:
            old = rng.choice(rows)
            rows.append({**values(rng), "station": old["station"], "time": old["time"], "deleted": 1})
        else:
            time = 1_700_000_000 + rng.randrange(0, 6 * 3600, 60)
            rows.append({**values(rng), "station": rng.choice(stations), "time": time, "deleted": 0})
    if rng.random() < 0.5:
        rng.shuffle(rows)
    return rows


def values(rng):
    def value(offset):
        return None if rng.random() < 0.1 else rng.choice([rng.gauss(offset, 1), float(rng.randint(-3, 3))])

    row = {"a": value(0), "b": value(1e6), "c": value(0) if rng.random() < 0.1 else None, "d": 29.92}
    label, apart = rng.choice(LABELS), rng.random()
    said = label if rng.random() < 0.6 else rng.choice(["dry", "wet"])
    row |= {"said": None if apart < 0.2 else said, "label": None if 0.2 < apart < 0.4 else label}
    shares = [rng.choice([0.0, rng.random()]) for _ in LABELS]
    shares = [share / sum(shares) if sum(shares) else 1 / 3 for share in shares]
    row |= {name: None if apart < 0.2 else share for name, share in zip(CHANCES, shares)}
    return row | {"chance": None if apart < 0.2 else round(rng.random(), 1)}


def case(rng):
    length = rng.choice([60, 600, 3600, 7200])
    table = {
        "key": rng.choice([["station"], ["station"], []]),
        "window": None if rng.random() < 0.15 else length,
        "upsert": ["station", "time"] if rng.random() < 0.6 else [],
        "columns": COLUMNS,
        "aggregates": rng.sample(AGGREGATES, rng.randint(1, len(AGGREGATES))) + ["~p50"],
    }
    if table["upsert"] and rng.random() < 0.5:
        table["combine_first"] = True
    if rng.random() < 0.3:
        table["score"] = {"prediction": "a", "label": "b" if rng.random() < 0.3 else "c", "metrics": OF_NUMBERS}
    elif rng.random() < 0.4:
        table["score"] = {"prediction": "said", "label": "label", "metrics": OF_CLASSES}
        if rng.random() < 0.7:
            table["score"] |= {"positive": "wet", "probability": "chance", "metrics": OF_CLASSES + OF_PROBABILITIES}
        if rng.random() < 0.6:
            known = rng.choice([LABELS, LABELS[:2], LABELS[::-1]])
            table["score"] |= {"classes": known, "metrics": [*table["score"]["metrics"], "confusion"]}
            if known == LABELS:
                others = [name for name in table["score"]["metrics"] if name != "log_loss"]
                table["score"] |= {"probabilities": CHANCES, "metrics": [*others, "log_loss"]}
        if rng.random() < 0.6:
            averages = ["micro", "macro", "weighted"] + (["binary"] if "positive" in table["score"] else [])
            table["score"]["average"] = rng.choice(averages)
    if table["window"]:
        table["hop"] = rng.choice([length, length // 2, length // 3])
        table["retention"] = None if rng.random() < 0.5 else rng.choice([60, 3600, 3 * 3600])
    elif "completeness" in table["aggregates"]:
        table["aggregates"].remove("completeness")
    return table


def toml(table):
    quoted = lambda names: "[" + ", ".join(f'"{name}"' for name in names) + "]"
    lines = ["[[table]]", 'name = "t"', 'time = "time"', f"key = {quoted(table['key'])}"]
    lines += [f"columns = {quoted(table['columns'])}", f"aggregates = {quoted(table['aggregates'])}"]
    if table.get("combine_first"):
        lines.append("combine_first = true")
    if "score" in table:
        parts = [f"{name} = {json.dumps(value)}" for name, value in table["score"].items()]
        lines.append("score = { " + ", ".join(parts) + " }")
    if table["upsert"]:
        lines += [f"upsert = {quoted(table['upsert'])}", 'delete = "deleted"']
    for name in ["window", "hop", "retention"]:
        if table.get(name):
            lines.append(f'{name} = "{table[name]}s"')
    if table["window"]:
        lines.append('interval = "1m"')
    return "\n".join(lines + ['sink = { url = "t.csv" }'])


DATAFLOW = """name = "t"
[schema]
number = ["a", "b", "c", "d", "chance", "p_dry", "p_wet", "p_snow", "time", "deleted"]
text = ["station", "said", "label"]
[source]
url = "rows.ndjson"
[buffer]
bucket_size = {bucket}
[sink]
url = "null"
{table}
"""


def combined(rows):
    """Rows in which what is missing is what the row before it of the same station and time had."""
    last, whole = {}, []
    for row in rows:
        before = last.get((row["station"], row["time"]), {})
        row = {name: before.get(name) if value is None else value for name, value in row.items()}
        last[row["station"], row["time"]] = {} if row["deleted"] else row
        whole.append(row)
    return whole


def metric(name, group, score):
    """A metric of sklearn.metrics over the rows that have what it needs."""
    if name == "log_loss" and "probabilities" in score:
        known = group[group["label"].notna() & group[CHANCES].notna().all(axis=1)]
        # scikit-learn wants the columns in the order of the labels.
        order = np.argsort(LABELS)
        chances = known[CHANCES].astype(float).to_numpy()[:, order]
        return metrics.log_loss(known["label"], chances, labels=sorted(LABELS)) if len(known) else np.nan
    if name in OF_PROBABILITIES:
        known = group[group["label"].notna() & group["chance"].notna()]
        positive, chance = known["label"] == score["positive"], known["chance"].astype(float)
        if len(known) == 0 or name == "roc_auc" and positive.nunique() < 2:
            return np.nan
        return metrics.log_loss(positive, chance, labels=[False, True]) if name == "log_loss" else metrics.roc_auc_score(positive, chance)
    known = group[group[score["prediction"]].notna() & group[score["label"]].notna()]
    if len(known) == 0 or name == "r2" and len(known) < 2:
        return np.nan
    label, said = known[score["label"]], known[score["prediction"]]
    if name in OF_NUMBERS:
        functions = {"mae": metrics.mean_absolute_error, "rmse": metrics.root_mean_squared_error, "r2": metrics.r2_score}
        return (functions | {"mape": metrics.mean_absolute_percentage_error})[name](label.astype(float), said.astype(float))
    if name == "accuracy":
        return metrics.accuracy_score(label, said)
    function = {"precision": metrics.precision_score, "recall": metrics.recall_score, "f1": metrics.f1_score}[name]
    average = score.get("average", "binary" if "positive" in score else "macro")
    if average == "binary":
        return function(label == score["positive"], said == score["positive"], zero_division=0.0)
    return function(label, said, average=average, zero_division=0.0)


def confusion(group, score):
    """How often each label was predicted as which, by `confusion_matrix`, which wants one of the labels to be there."""
    known, labels = group[group["said"].notna() & group["label"].notna()], score["classes"]
    usable = known["label"].isin(labels).any()
    matrix = metrics.confusion_matrix(known["label"], known["said"], labels=labels) if usable else np.zeros((len(labels),) * 2)
    pairs = ((label, said) for label in range(len(labels)) for said in range(len(labels)))
    return {f"said_confusion_{labels[label]}_{labels[said]}": matrix[label, said] for label, said in pairs}


def rows_left(rows, table):
    """The rows that count, one for each window that holds them and is kept."""
    if table.get("combine_first"):
        rows = combined(rows)
    frame = pd.DataFrame(rows, columns=[*COLUMNS, "said", "label", "chance", *CHANCES, "station", "time", "deleted"])
    # Each key has its own time, also by rows that were replaced.
    key = table["key"]
    latest = frame.groupby(key, dropna=False)["time"].transform("max") if key else frame["time"].max()
    frame = frame.assign(latest=latest)
    if table["upsert"]:
        frame = frame.drop_duplicates(table["upsert"], keep="last")
        frame = frame[frame["deleted"] == 0]
    if not table["window"]:
        return frame
    hop, length = table["hop"], table["window"]
    parts = []
    for back in range(length // hop + 1):
        start = frame["time"] // hop * hop - back * hop
        part = frame.assign(window=start)[start + length > frame["time"]]
        parts.append(part)
    frame = pd.concat(parts)
    if table.get("retention"):
        frame = frame[frame["window"] + length > frame["latest"] - table["retention"]]
    return frame


def figure(series, aggregate, table):
    values = series.dropna()
    match aggregate:
        case "p90":
            return values.quantile(0.9)
        case "distinct":
            return values.nunique()
        case "outliers":
            first, third = values.quantile(0.25), values.quantile(0.75)
            reach = 1.5 * (third - first)
            return ((values < first - reach) | (values > third + reach)).sum()
        case "completeness":
            return len(values) / (table["window"] / 60)
        case "~p50":
            return np.nan if values.empty else np.sort(values)[int(0.5 * (len(values) - 1))]
        case name:
            return getattr(values, name)()


def expected(rows, table):
    frame = rows_left(rows, table)
    keys = table["key"] + (["window"] if table["window"] else [])
    groups = frame.groupby(keys, dropna=False) if keys else [((), frame)] if len(frame) else []
    lines = {}
    for key, group in groups:
        figures = {"rows": len(group)}
        for column in table["columns"]:
            for aggregate in table["aggregates"]:
                figures[f"{column}_{aggregate.lstrip('~')}"] = figure(group[column].astype(float), aggregate, table)
        for name in table.get("score", {}).get("metrics", []):
            if name == "confusion":
                figures |= confusion(group, table["score"])
                continue
            figures[f"{table['score']['prediction']}_{name}"] = metric(name, group, table["score"])
        lines[tuple(None if pd.isna(cell) else cell for cell in key)] = figures
    return lines


def found(text, table):
    frame = pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""])
    keys = list(table["key"])
    if table["window"]:
        keys.append("window")
        frame["window"] = pd.to_datetime(frame["window"], utc=True).map(lambda time: int(time.timestamp()))
    lines = {}
    for line in frame.to_dict("records"):
        key = tuple(None if pd.isna(line[name]) else line[name] for name in keys)
        assert key not in lines, f"two lines for {key}"
        lines[key] = {name: x for name, x in line.items() if name not in [*keys, "message", "row"]}
    return lines


def bounds(name, rows):
    """What a figure may be off by: of itself, and of the rounding of what it is made of."""
    column, _, aggregate = name.partition("_")
    largest = max((abs(row[column]) for row in rows if isinstance(row.get(column), (int, float))), default=0.0)
    if aggregate == "r2":
        # A share of a spread that may be small beside the labels.
        return 1e-9, 1e-7
    if aggregate in OF_NUMBERS + OF_CLASSES + OF_PROBABILITIES:
        return 1e-9, 1e-12
    match aggregate:
        case "p50":
            return SKETCH_ERROR * 1.001, 0.0
        case "sum" | "mean" | "std":
            return 1e-9, min(1e-13 * largest, 1e-9)
        case "median" | "p90":
            return 1e-9, min(1e-13 * largest, 1e-12)
        case "completeness":
            return 1e-9, 0.0
        case _:
            return 0.0, 0.0


def differences(rows, table, theirs, text):
    ours = found(text, table)
    if ours.keys() != theirs.keys():
        return [f"lines {sorted(map(str, ours.keys() ^ theirs.keys()))[:3]}"]
    wrong = []
    for key, line in theirs.items():
        for name, value in line.items():
            other = ours[key][name]
            relative, floor = bounds(name, rows)
            if judge(other, value, lambda: relative * np.nan_to_num(np.abs(value)) + floor) not in (EXACT, WITHIN):
                wrong.append(f"{key} {name}: {other}, pandas {value}")
    return wrong


def run(rowmill, seed):
    rng = random.Random(seed)
    rows, table = history(rng), case(rng)
    flags = rng.choice([["-w", "1"], ["-w", "2"], ["-w", "3"]]) if rng.random() < 0.97 else ["-n", "2"]
    with tempfile.TemporaryDirectory() as directory:
        directory = Path(directory)
        (directory / "rows.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
        text = DATAFLOW.format(bucket=rng.choice([1, 3, 20, 1000]), table=toml(table))
        (directory / "t.toml").write_text(text)
        command = [rowmill, "run", "-q", "t.toml", *flags]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            return seed, [done.stderr], text, 0
        ours = (directory / "t.csv").read_text()
        return seed, differences(rows, table, expected(rows, table), ours), text, ours.count("\n") - 1


def write_golden(directory, seed):
    """A history, its table, and what pandas says of it."""
    rng = random.Random(seed)
    rows, table = history(rng), case(rng)
    (directory / f"{seed}.rows.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = DATAFLOW.format(bucket=20, table=toml(table)).replace("rows.ndjson", f"{seed}.rows.ndjson")
    (directory / f"{seed}.toml").write_text(text)
    as_table(expected(rows, table), table).to_csv(directory / f"{seed}.pandas.csv", index=False)


def as_table(theirs, table):
    """The lines of pandas, as a table's CSV has them."""
    lines = []
    for key, figures in theirs.items():
        line = dict(zip([*table["key"], "window"], key))
        if table["window"]:
            line["window"] = pd.Timestamp(line["window"], unit="s").strftime("%Y-%m-%dT%H:%M:%SZ")
        lines.append({**line, **figures})
    return pd.DataFrame(lines)


def slightly_off(name, rows, value):
    """Where values are only moved and counted, off by the last digit; elsewhere, by a little more than may be."""
    relative, floor = bounds(name, rows)
    if relative == 0.0:
        return np.nextafter(value, np.inf)
    return value + (1e-6 if relative == 1e-9 else 2 * relative) * abs(value) + 2 * floor + 1e-300


def self_test(count):
    """Plants errors in right tables: each must be found."""
    planted = 0
    for seed in range(count):
        rng = random.Random(seed)
        rows, table = history(rng)[:40], case(rng)
        theirs = expected(rows, table)
        right = as_table(theirs, table)
        if right.empty:
            continue
        found = lambda wrong: bool(differences(rows, table, theirs, wrong.to_csv(index=False)))
        assert not found(right), seed
        figures = [name for name in right.columns if name not in ("station", "window")]
        # Of a confusion two cells: they are all compared alike.
        cells = [name for name in figures if "_confusion_" in name]
        for name in [name for name in figures if name not in cells[2:]]:
            at = rng.randrange(len(right))
            value = float(right[name].iloc[at])
            plants = [np.inf, -np.inf] if np.isnan(value) else [np.inf, np.nan, value * 1.02 + 1e-6]
            plants += [0.0, -value] if abs(value) > 1e-9 else [0.5]
            plants += [] if np.isnan(value) else [slightly_off(name, rows, value)]
            for plant in plants:
                cells = right[name].astype(float).tolist()
                cells[at] = plant
                assert found(right.assign(**{name: cells})), f"seed {seed}, {name}: {value} as {plant}"
                planted += 1
        assert found(right.iloc[1:]), f"seed {seed}: a line missing"
        for name in {"station", "window"} & set(right.columns):
            other = right[name].astype(object)
            other.iloc[0] = "2001-01-01T00:00:00Z"
            assert found(right.assign(**{name: other})), f"seed {seed}: another {name}"
            planted += 1
        if len(right) > 1 and set(table["key"]) | {"window"} & set(right.columns):
            figures = [name for name in right.columns if name not in ("station", "window")]
            swapped = right.copy()
            swapped[figures] = right[figures].iloc[[1, 0, *range(2, len(right))]].to_numpy()
            is_same = right[figures].iloc[:2].drop_duplicates().shape[0] == 1
            assert is_same or found(swapped), f"seed {seed}: two lines have each other's figures"
            planted += not is_same
        try:
            assert found(pd.concat([right, right.iloc[:1]])), f"seed {seed}: a line twice"
        except AssertionError as doubled:
            assert "two lines" in str(doubled), doubled
        planted += 2
    print(f"{planted} planted errors in {count} tables, each found")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rowmill", type=Path, nargs="?", default="target/debug/rowmill")
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--golden", type=Path, help="write the cases into this directory instead")
    parser.add_argument("--self-test", action="store_true", help="plant errors in tables, and find each")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test(10)
    if arguments.golden:
        arguments.golden.mkdir(exist_ok=True)
        for seed in range(arguments.seed, arguments.seed + arguments.cases):
            write_golden(arguments.golden, seed)
        return
    rowmill = arguments.rowmill.resolve()
    failed = lines = 0
    with ThreadPoolExecutor(2) as pool:
        seeds = range(arguments.seed, arguments.seed + arguments.cases)
        for seed, wrong, text, compared in pool.map(lambda seed: run(rowmill, seed), seeds):
            lines += compared
            if wrong:
                failed += 1
                print(f"seed {seed}:\n{text}\n" + "\n".join(wrong[:5]))
    print(f"{arguments.cases} histories with {lines} lines, {failed} differ")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
