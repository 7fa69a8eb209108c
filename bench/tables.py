"""Tables beside pandas, how late they are, and what they keep.

Speed: 750,000 rows, count, mean, min and max of 26 columns a station and hour, right after every 1,000 rows. pandas
groups all rows so far anew; that is timed at 50 places and summed up. Rowmill reads the rows from a CSV file, pandas
has them in memory. Latency: from arrival until a row is in the table, at 10,000 rows/s. Memory: 10,000,000 rows that
replace each other over 10,000 live keys.

Usage: python3 bench/tables.py [target/release/rowmill]
"""

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

import pandas as pd

ROWS, EVERY, PLACES = 750_000, 1_000, 50
DATAFLOW = """name = "t"
{schema}
[source]
url = "{source}"
[buffer]
bucket_size = {bucket}
delay = "10ms"
[[table]]
name = "hourly"
key = ["station"]
window = "1h"
aggregates = ["count", "mean", "min", "max"]
{more}
[sink]
url = "null"
"""


def main():
    binary = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/release/rowmill")
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        speed(binary)
        latency(binary)
        memory(binary)


def speed(binary):
    subprocess.run([binary, "generate", "--rows", str(ROWS), "--seed", "1", "-o", "rows.csv"], check=True)
    theirs = pandas_seconds()
    print(f"pandas, groupby anew every {EVERY} rows: {theirs:.1f} s")
    for name, more in [("appended", ""), ("with upsert", 'upsert = ["station", "dateTime"]')]:
        write("t.toml", source="rows.csv", bucket=EVERY, more=more)
        for workers in [1, 2]:
            ours = sorted(seconds(binary, workers) for _ in range(3))[1]
            print(f"rowmill {name}, -w {workers}: {ours:.2f} s, {theirs / ours:.0f} times as fast")


def pandas_seconds():
    frame = pd.read_csv("rows.csv", na_values=["---"], low_memory=False)
    numbers = frame.select_dtypes("number").columns.difference(["dateTime", "usUnits", "interval"])
    numbers = [name for name in numbers if not name.startswith(("txBattery", "forecast"))]
    frame["hour"] = frame["dateTime"].astype("int64") // 3600
    total, step = 0.0, ROWS // EVERY // PLACES
    for end in range(EVERY * step, ROWS + 1, EVERY * step):
        began = time.perf_counter()
        frame.iloc[:end].groupby(["station", "hour"])[numbers].agg(["count", "mean", "min", "max"])
        total += step * (time.perf_counter() - began)
    print(f"{len(numbers)} columns, {frame['hour'].nunique()} hours")
    return total


def seconds(binary, workers):
    done = subprocess.run([binary, "run", "t.toml", "-w", str(workers)], capture_output=True, text=True, check=True)
    return float(re.search(r"rows/s over ([\d.]+) s", done.stderr)[1])


def latency(binary):
    for name, more in [("appended", ""), ("with upsert", 'upsert = ["station", "dateTime"]')]:
        write("t.toml", source="generate:rows=200000,seed=1,rate=10000", bucket=100, more=more)
        subprocess.run([binary, "run", "-q", "t.toml", "-w", "2", "--report", "report"], check=True)
        row = json.load(open("report/report.json"))["latency_ns"]["row"]
        print(f"latency of a row {name}, 10,000 rows/s, 100 rows a message, -w 2: "
              f"p50 {row['p50'] / 1e6:.1f} ms, p99 {row['p99'] / 1e6:.1f} ms")


def memory(binary):
    schema = 'schema = { number = ["x", "y"], text = ["station", "dateTime"] }'
    write("t.toml", schema=schema, source="-", bucket=1000, more='upsert = ["station", "dateTime"]')
    rng = random.Random(1)
    keys = [(f"s{key % 100}", 1_700_000_000 + 60 * (key // 100)) for key in range(10_000)]

    def block():
        lines = []
        for _ in range(100_000):
            station, at = rng.choice(keys)
            lines.append(f'{{"station":"{station}","dateTime":"{at}","x":{rng.random()},"y":{rng.random()}}}\n')
        return "".join(lines).encode()

    blocks = [block() for _ in range(10)]
    run = subprocess.Popen([binary, "run", "-q", "t.toml", "-w", "2"], stdin=subprocess.PIPE)
    for number in range(100):
        run.stdin.write(blocks[number % 10])
        if number % 10 == 9:
            status = open(f"/proc/{run.pid}/status").read()
            resident = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024
            print(f"{(number + 1) // 10},000,000 rows in: {resident:.0f} MiB resident")
    run.stdin.close()
    sys.exit(run.wait())


def write(path, source, bucket, more, schema=""):
    with open(path, "w") as file:
        file.write(DATAFLOW.format(schema=schema, source=source, bucket=bucket, more=more))


if __name__ == "__main__":
    main()
