#!/usr/bin/env python3
"""Kills of runs with keyed steps and tables: in the end, the files have the bytes of a run that nobody killed, and of
what was published all that must be there.

    bytes.py target/debug/rowmill [--kills N] [--seed S] [--cases C] [--keep DIR]

The steps are all that learn over the stream. Rows of several stations, some of them late, sent twice, corrected or taken back, at QoS 1 over mosquitto. Each case is
played twice, with kill -9 of one of the processes or of all, and without. Processes and workers are drawn anew at each
start. What must come out is counted from what was published: rows in are rows out and those dropped as sent twice.
"""

import argparse
import csv
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from mill import Mill
from mosquitto import Mosquitto, wait_until
from station import Publish, Station

DATAFLOW = """name = "bytes"
schema = {{ number = ["n", "t", "gone"], text = ["station", "time"] }}
[source]
url = "mqtt://127.0.0.1:{port}/rows"
session = true
[buffer]
bucket_size = {bucket_size}
delay = "1h"
[checkpoint]
every = "{every}ms"
[[subtask]]
use = "drop_duplicates"
horizon = 50
[[subtask]]
use = "diff"
columns = ["n"]
fit = "stream"
key = "station"
[[subtask]]
use = "fillna"
value = 0
[[subtask]]
use = "standard_scaler"
columns = ["t"]
fit = "stream"
key = "station"
[[subtask]]
use = "sgd_regressor"
columns = ["t"]
fit = "stream"
key = "station"
target = "n"
average = 3
random_state = 7
{models}[[table]]
name = "hourly"
input = "raw"
key = ["station"]
time = "time"
window = "1h"
columns = ["t"]
aggregates = ["count", "sum", "mean", "std", "median", "p90", "distinct"]
upsert = ["station", "time"]
delete = "gone"
changes = "differences"
sink = {{ url = "hourly.ndjson" }}
[[table]]
name = "all"
key = ["station"]
aggregates = ["count", "sum", "min", "max"]
columns = ["n"]
sink = {{ url = "all.csv" }}
[sink]
url = "out.{ending}"
"""
# Every other model that learns over the stream, with few clusters and components: a message may be a row.
REGRESSION = 'target = "n"\nrandom_state = 7\n'
CLASSES = 'target = "station"\nclasses = ["a", "b", "c", "d"]\n'
MODELS = {
    "passive_aggressive_regressor": REGRESSION,
    "sgd_classifier": CLASSES + 'loss = "log_loss"\nrandom_state = 7\noutputs = ["prediction", "probability"]\n',
    "passive_aggressive_classifier": CLASSES + "random_state = 7\n",
    "perceptron": CLASSES + "random_state = 7\n",
    "gaussian_nb": CLASSES + 'outputs = ["prediction", "probability"]\n',
    "mini_batch_k_means": 'n_clusters = 1\nreassignment_ratio = 0.0\nrandom_state = 7\noutputs = ["distance"]\n',
    "incremental_pca": "n_components = 1\n",
    "half_space_trees": "seed = 7\nwindow_size = 20\nlimits = [[-4.0, 4.0]]\n",
    "adwin": 'clock = 2\noutputs = ["drift", "window_mean", "window_width"]\n',
    "hoeffding_tree_classifier": CLASSES + 'grace_period = 10\ndelta = 0.5\noutputs = ["prediction", "probability"]\n',
}
ALL_TIMEOUT = 120
# Of the rows before it; with those sent twice in between, `horizon` still reaches back to the first of two.
TWICE_WITHIN = 10


def models(draw):
    """A step for each model, one for all rows or one a station."""
    key = lambda: draw.choice(["", 'key = "station"\n'])
    step = '[[subtask]]\nuse = "{}"\ncolumns = ["t"]\nfit = "stream"\nprefix = "{}_"\n'
    return "".join(step.format(name, name) + own + key() for name, own in MODELS.items())


def rows(draw, count):
    """Rows in the order in which they are sent; each `n` is a row, which may be sent twice."""
    made = []
    for n in range(count):
        at = 1_700_000_000 + 60 * n - (draw.randint(0, 7200) if draw.random() < 0.1 else 0)
        time_text = time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime(at))
        t = None if draw.random() < 0.1 else draw.choice([20, 20.5, round(draw.gauss(20, 5), 1)])
        made.append({"n": n, "t": t, "gone": int(draw.random() < 0.05), "station": draw.choice("abcd"), "time": time_text})
        yield made[-1]
        if draw.random() < 0.1:
            yield draw.choice(made[-TWICE_WITHIN:])


def results_of(sent):
    """The rows that must come out: each once, with the difference to the row before it of its station."""
    before, results = {}, Counter()
    for row in {row["n"]: row for row in sent}.values():
        results[row["station"], row["time"], row["n"] - before.get(row["station"], row["n"])] += 1
        before[row["station"]] = row["n"]
    return results


def hours_of(sent):
    """The lines that the table of hours must have: of the last row of a station and time, if that is not taken back."""
    last, hours = {(row["station"], row["time"]): row for row in sent}, {}
    for row in last.values():
        if not row["gone"]:
            hours.setdefault((row["station"], row["time"][:13]), []).append(row["t"])
    present = {key: [t for t in values if t is not None] for key, values in hours.items()}
    return Counter((*key, len(values), len(present[key]), round(sum(present[key]), 3)) for key, values in hours.items())


def stations_of(sent):
    """The lines that the table of all rows must have."""
    numbers = {}
    for row in sent:
        numbers.setdefault(row["station"], []).append(row["n"])
    return Counter((station, len(of), sum(of), min(of), max(of)) for station, of in numbers.items())


def records(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file)) if path.suffix == ".csv" else [json.loads(line) for line in file]


def counted(directory, sent):
    """What is wrong with the files beside what was published."""
    number = lambda cell: float(cell or 0)
    (out,) = [directory / name for name in ("out.csv", "out.ndjson") if (directory / name).exists()]
    results = Counter((record["station"], record["time"], number(record["n"])) for record in records(out))
    hours = Counter()
    for line in records(directory / "hourly.ndjson"):
        figures = (line["rows"], line["t_count"], round(number(line["t_sum"]), 3))
        hours[line["station"], line["window"][:13], *figures] += 1 if line["change"] == "+" else -1
    names = ("rows", "n_count", "n_sum", "n_min", "n_max")
    lines = [(line["station"], *(number(line[name]) for name in names)) for line in records(directory / "all.csv")]
    stations = Counter((station, rows, *others) for station, rows, count, *others in lines if rows == count)
    expected = {out.name: results_of(sent), "hourly.ndjson": hours_of(sent), "all.csv": stations_of(sent)}
    wrong = []
    for (name, right), found in zip(expected.items(), (results, hours, stations)):
        found = Counter({line: count for line, count in found.items() if count})
        if found != right:
            missing, surplus = right - found, found - right
            first = next(iter([*missing, *surplus, *found]))
            counts = f"of {right.total()} lines {missing.total()} missing, {surplus.total()} too many"
            wrong.append(f"{name}: {counts}, such as {first}")
    return wrong


def outputs(directory):
    found = [path for path in sorted(directory.iterdir()) if path.stem in ("out", "hourly", "all")]
    found = {path.name: path.read_bytes() for path in found if path.suffix in (".csv", ".ndjson")}
    # A whole table says as of which message it is: one without rows, which only tells what is delivered, counts too.
    found["all.csv"] = b"\n".join(line.partition(b",")[2] for line in found["all.csv"].split(b"\n"))
    return found


def run(program, directory, seed, kills):
    """Plays a case, and says what the files hold, what of it is wrong beside what was published, how many rows were
    published, and how often a process was killed."""
    case, chance = random.Random(seed), random.Random(f"{seed} kills")
    count = case.randint(400, 1500)
    broker = Mosquitto(directory, case.choice([100, 1000]))
    settings = dict(bucket_size=case.choice([1, 7, 50]), every=case.choice([10, 100]), ending=case.choice(["csv", "ndjson"]))
    settings["models"] = models(case)
    (directory / "bytes.toml").write_text(DATAFLOW.format(port=broker.port, **settings))
    mill = Mill(program, directory, "bytes.toml")
    there = lambda: "subscribed to" in mill.said() or mill.ended()
    shape = lambda: (chance.choice([1, 2]), chance.choice([1, 2]))
    done = 0
    try:
        mill.start(*shape())
        wait_until("the run subscribes", there, 60)
        sent = list(rows(case, count))
        publishes = [Publish("rows", json.dumps(row).encode(), 1, False) for row in sent]
        station = Station(broker.port, publishes, 1 + kills * 0.6, 100)
        station.start()
        for _ in range(kills):
            time.sleep(chance.uniform(0, 1))
            if not mill.kill(chance):
                raise TimeoutError("after kill -9 of one process the others stay")
            done += 1
            mill.start(*shape())
            if chance.random() < 0.6:
                wait_until("the run is there again", there, 60)
        station.done.wait(ALL_TIMEOUT)
        station.settle()
        wait_until("the run is there", there, 60)
        # What has not come yet comes before the drain ends: the broker sends it ahead of what it is asked then.
        time.sleep(1)
        code = mill.terminate()
        if code != 0:
            raise TimeoutError(f"SIGTERM: exit code {code}: {mill.last_words()}")
        return outputs(directory), counted(directory, sent), len(sent), done
    finally:
        mill.end()
        broker.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the rowmill to kill")
    parser.add_argument("--kills", type=int, default=212, help="over all cases")
    parser.add_argument("--cases", type=int, default=16)
    parser.add_argument("--seed", type=int, help="random, and printed, if not given")
    parser.add_argument("--keep", help="keep what each run did in this directory")
    arguments = parser.parse_args()
    program = str(Path(arguments.program).resolve())
    seed = random.randrange(1_000_000) if arguments.seed is None else arguments.seed
    each = -(-arguments.kills // arguments.cases)
    print(f"seed {seed}, {each} kills in each of {arguments.cases} cases", flush=True)
    failed, killed = [], 0
    for number in range(arguments.cases):
        base = Path(arguments.keep) / f"{seed}-{number}" if arguments.keep else Path(tempfile.mkdtemp(prefix="bytes-"))
        shutil.rmtree(base, ignore_errors=True)
        found, problems = [], []
        for name, kills in (("calm", 0), ("killed", each)):
            (base / name).mkdir(parents=True)
            files, wrong, sent, done = run(program, base / name, seed * 1000 + number, kills)
            found.append(files)
            problems += [f"{name}: {what}" for what in wrong]
            killed += done
        calm, other = found
        differ = [name for name in calm if calm[name] != other.get(name)]
        problems += [f"other bytes: {differ}"] * bool(differ)
        sizes = ", ".join(f"{name} {len(content)}" for name, content in calm.items())
        print(f"{number:4} {'FAILED' if problems else 'ok':6} {each} kills; {sent} rows in; bytes: {sizes}", flush=True)
        for problem in problems:
            print(f"       - {problem}", flush=True)
        if problems:
            failed.append(number)
        elif not arguments.keep:
            shutil.rmtree(base, ignore_errors=True)
    print(f"seed {seed}: {arguments.cases - len(failed)} of {arguments.cases} cases have the same bytes, and all rows, over {killed} kills")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
