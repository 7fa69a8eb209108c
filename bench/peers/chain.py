#!/usr/bin/env python3
"""The same chain in Python: NDJSON in, JSON out to nowhere; prints rows a second.

    chain.py loop|threads|processes DATAFLOW.toml INPUT.ndjson BUCKET_SIZE ROWS [WORKERS]

loop: one message after the other. threads, processes: concurrent.futures' executors, as their documentation shows
them, with a bounded number of messages in flight.
"""

import collections
import concurrent.futures
import functools
import itertools
import json
import os
import sys
import time
import tomllib

import numpy as np
import pandas as pd

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "scripts"))
import oracle

TEXT = {"dateTime", "station", "usUnits", "interval", "txBatteryStatus", "forecastIcon", "forecastRule"}


def prepare(batch):
    frame = pd.DataFrame([json.loads(line) for line in batch])
    numbers = [name for name in frame.columns if name not in TEXT]
    frame[numbers] = frame[numbers].apply(pd.to_numeric, errors="coerce").astype(np.float64)
    return frame


def result(frame):
    return frame.to_json(orient="records", lines=True)


def serve(steps, batch):
    """Takes the lines of a message through the chain; the rows it had."""
    frame = prepare(batch)
    for step in steps:
        frame = oracle.apply(frame, step)
    result(frame)
    return len(batch)


def batches(path, size, rows):
    """The first `rows` lines of a file, by messages of `size`."""
    lines = itertools.islice(open(path), rows)
    return iter(lambda: list(itertools.islice(lines, size)), [])


def serve_with(workers, messages, submit, result):
    """Keeps up to four messages a worker in flight; the rows they had."""
    done, waiting = 0, collections.deque()
    for message in messages:
        waiting.append(submit(message))
        if len(waiting) >= 4 * workers:
            done += result(waiting.popleft())
    return done + sum(result(one) for one in waiting)


def main():
    kind, dataflow, path, size, rows = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
    workers = int(sys.argv[6]) if len(sys.argv) > 6 else os.cpu_count()
    steps = tomllib.load(open(dataflow, "rb"))["subtask"]
    messages = batches(path, size, rows)
    executors = {
        "threads": concurrent.futures.ThreadPoolExecutor,
        "processes": concurrent.futures.ProcessPoolExecutor,
    }
    if kind == "loop":
        start = time.perf_counter()
        done = sum(serve(steps, batch) for batch in messages)
    else:
        with executors[kind](workers) as executor:
            # Processes are started, and have their imports, before the clock runs.
            list(executor.map(time.sleep, [0.2] * workers))
            start = time.perf_counter()
            submit = functools.partial(executor.submit, serve, steps)
            done = serve_with(workers, messages, submit, lambda future: future.result())
    print(f"{done / (time.perf_counter() - start):.0f}")


if __name__ == "__main__":
    main()
