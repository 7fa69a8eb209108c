#!/usr/bin/env python3
"""Kills of the run and of the database while numbered rows go from Debian's mosquitto to Debian's PostgreSQL.

    postgres.py target/debug/rowmill [--kills N] [--rows N] [--sinks 1|2] [--seed S] [--keep DIR]

In the end the table has each row once, and the sum that a step keeps over all rows is that of each row once. With two
sinks so has a file beside the table.
"""

import argparse
import collections
import csv
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from database import Postgres
from mill import Mill
from mosquitto import Mosquitto, wait_until
from station import Publish, Station

ROWS_A_PUBLISH = 200
END_TIMEOUT = 600
DATAFLOW = """name = "postgres"
schema = {{ number = ["n", "count"] }}
[source]
url = "mqtt://127.0.0.1:{broker}/rows"
session = true
qos = 1
[buffer]
bucket_size = 500
delay = "50ms"
[[subtask]]
use = "eval"
expr = "count = n * 0 + 1"
[[subtask]]
use = "cumsum"
fit = "stream"
columns = ["count"]
{sinks}"""
TABLE = """[[sink]]
url = "postgresql://owner@127.0.0.1:{database}/postgres"
table = "rows"
"""
FILE = """[[sink]]
url = "rows.csv"
"""


def file_problem(path, rows):
    with open(path, newline="") as file:
        lines = list(csv.DictReader(file))
    numbers = collections.Counter(int(float(line["n"])) for line in lines)
    twice, missing = len(lines) - len(numbers), rows - len(numbers)
    print(f"{path.name}: {len(lines)} rows, {twice} twice, {missing} missing")
    if twice or missing or set(numbers) != set(range(rows)):
        return f"{path}: each of {rows} rows was expected once"
    # The step has counted each row once, in the order of the file.
    counts = [int(float(line["count"])) for line in lines]
    return None if counts == list(range(1, rows + 1)) else f"{path}: the counts are not those of each row once"


def play(arguments, directory):
    chance = random.Random(arguments.seed)
    (directory / "broker").mkdir()
    broker = Mosquitto(directory / "broker", 100)
    database = Postgres(directory / "database")
    mill = Mill(arguments.program, directory, "postgres.toml")
    try:
        sinks = [TABLE.format(database=database.port), FILE][: arguments.sinks]
        # The first one's path is that of the checkpoint.
        chance.shuffle(sinks)
        (directory / "postgres.toml").write_text(DATAFLOW.format(broker=broker.port, sinks="".join(sinks)))
        publishes = []
        for start in range(0, arguments.rows, ROWS_A_PUBLISH):
            numbers = range(start, min(start + ROWS_A_PUBLISH, arguments.rows))
            payload = "[" + ",".join(f'{{"n":{n}}}' for n in numbers) + "]"
            publishes.append(Publish("rows", payload.encode(), 1, False, list(numbers)))
        mill.start(1, 1)
        wait_until("the run subscribes", lambda: "subscribed to" in mill.said(), 60)
        station = Station(broker.port, publishes, arguments.kills * 1.0, 20)
        station.start()
        of_run = 0
        for kill in range(arguments.kills):
            time.sleep(chance.uniform(0, 1))
            if chance.random() < 0.5:
                database.kill()
                time.sleep(chance.uniform(0, 0.3))
                database.start()
            else:
                of_run += 1
                mill.kill(chance)
                mill.start(chance.choice([1, 1, 2]), chance.choice([1, 2]))
            if mill.ended() and mill.process.returncode != -signal.SIGKILL:
                return f"after {kill + 1} kills the run ended by itself: {mill.last_words()}"
        wait_until("the station is done", station.done.is_set, END_TIMEOUT)
        count = lambda: int(database.ask("SELECT count(*) FROM rows") or 0)
        wait_until("all rows are there", lambda: count() >= arguments.rows or mill.ended(), END_TIMEOUT)
        if (code := mill.terminate()) != 0:
            return f"SIGTERM: exit code {code}: {mill.last_words()}"
        found = database.ask("SELECT count(*), count(DISTINCT n), min(n), max(n), max(count) FROM rows")
        expected = f"{arguments.rows}|{arguments.rows}|0|{arguments.rows - 1}|{arguments.rows}"
        print(f"{arguments.kills} kills, {of_run} of them of the run: {found}")
        if found != expected:
            return f"{expected} was expected"
        return None if arguments.sinks == 1 else file_problem(directory / "rows.csv", arguments.rows)
    finally:
        mill.end()
        broker.stop()
        database.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=lambda text: str(Path(text).resolve()))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--sinks", type=int, choices=[1, 2], default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    directory = arguments.keep or Path(tempfile.mkdtemp())
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    print(f"seed {arguments.seed}")
    problem = play(arguments, directory)
    if problem:
        sys.exit(f"{directory}: {problem}")
    if not arguments.keep:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
