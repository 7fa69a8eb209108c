#!/usr/bin/env python3
"""Kills of runs with keyed steps and tables: in the end, the files have the bytes of a run that nobody killed.

    bytes.py target/debug/rowmill [--kills N] [--seed S] [--cases C] [--keep DIR]

Rows of several stations, some of them late, corrected or taken back, at QoS 1 over mosquitto. Each case is played twice,
with kill -9 of one of the processes or of all, and without. Processes and workers are drawn anew at each start.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
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
[[table]]
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
ALL_TIMEOUT = 120


def rows(draw, count):
    """Publishes in the order in which they are sent."""
    for n in range(count):
        at = 1_700_000_000 + 60 * n - (draw.randint(0, 7200) if draw.random() < 0.1 else 0)
        time_text = time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime(at))
        t = None if draw.random() < 0.1 else draw.choice([20, 20.5, round(draw.gauss(20, 5), 1)])
        yield {"n": n, "t": t, "gone": int(draw.random() < 0.05), "station": draw.choice("abcd"), "time": time_text}


def outputs(directory):
    found = [path for path in sorted(directory.iterdir()) if path.stem in ("out", "hourly", "all")]
    found = {path.name: path.read_bytes() for path in found if path.suffix in (".csv", ".ndjson")}
    # A whole table says as of which message it is: one without rows, which only tells what is delivered, counts too.
    found["all.csv"] = b"\n".join(line.partition(b",")[2] for line in found["all.csv"].split(b"\n"))
    return found


def run(program, directory, seed, kills):
    """Plays a case, and says what the files hold, and how often a process was killed."""
    case, chance = random.Random(seed), random.Random(f"{seed} kills")
    count = case.randint(400, 1500)
    broker = Mosquitto(directory, case.choice([100, 1000]))
    settings = dict(bucket_size=case.choice([1, 7, 50]), every=case.choice([10, 100]), ending=case.choice(["csv", "ndjson"]))
    (directory / "bytes.toml").write_text(DATAFLOW.format(port=broker.port, **settings))
    mill = Mill(program, directory, "bytes.toml")
    there = lambda: "subscribed to" in mill.said() or mill.ended()
    shape = lambda: (chance.choice([1, 2]), chance.choice([1, 2]))
    done = 0
    try:
        mill.start(*shape())
        wait_until("the run subscribes", there, 60)
        publishes = [Publish("rows", json.dumps(row).encode(), 1, False) for row in rows(case, count)]
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
        return outputs(directory), done
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
        found = []
        for name, kills in (("calm", 0), ("killed", each)):
            (base / name).mkdir(parents=True)
            files, done = run(program, base / name, seed * 1000 + number, kills)
            found.append(files)
            killed += done
        calm, other = found
        differ = [name for name in calm if calm[name] != other.get(name)]
        sizes = ", ".join(f"{name} {len(content)}" for name, content in calm.items())
        said = f"; other bytes: {differ}" * bool(differ)
        print(f"{number:4} {'FAILED' if differ else 'ok':6} {each} kills; bytes: {sizes}{said}", flush=True)
        if differ:
            failed.append(number)
        elif not arguments.keep:
            shutil.rmtree(base, ignore_errors=True)
    print(f"seed {seed}: {arguments.cases - len(failed)} of {arguments.cases} cases have the same bytes over {killed} kills")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
