#!/usr/bin/env python3
"""The same chain in Python: NDJSON in, JSON out to nowhere.

    chain.py loop|threads|processes DATAFLOW.toml WORKERS INPUT.ndjson BUCKET_SIZE ROWS SECONDS

loop: one message after the other. threads, processes: concurrent.futures' executors, as their documentation shows
them, with a bounded number of messages in flight.

Every peer takes no new message after SECONDS, and prints what `rowmill bench sweep --peer` reads: rows, messages,
seconds, and the mean time that was spent on a message, in nanoseconds.
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
    """Takes the lines of a message through the chain; the rows it had, and the seconds it took."""
    start = time.perf_counter()
    frame = prepare(batch)
    for step in steps:
        frame = oracle.apply(frame, step)
    result(frame)
    return len(batch), time.perf_counter() - start


class Load:
    """What every peer is given: the first rows of a file, by messages, for so many seconds."""

    def __init__(self, path, size, rows, seconds):
        self.path, self.size, self.rows, self.seconds = path, int(size), int(rows), float(seconds)

    def messages(self):
        """Lists of lines; the clock runs from the first."""
        lines = itertools.islice(open(self.path), self.rows)
        self.start = time.perf_counter()
        while message := list(itertools.islice(lines, self.size)):
            yield message
            if time.perf_counter() - self.start > self.seconds:
                return

    def tell(self, served):
        """Prints what was measured; `served` are rows and seconds of the messages."""
        done, took = zip(*served)
        seconds = time.perf_counter() - self.start
        mean = sum(took) / len(took) * 1e9
        told = {"rows": sum(done), "messages": len(done), "seconds": seconds, "service_message_mean": mean}
        print(json.dumps(told))


def serve_with(workers, messages, submit, result):
    """Keeps up to four messages a worker in flight; yields their results."""
    waiting = collections.deque()
    for message in messages:
        waiting.append(submit(message))
        if len(waiting) >= 4 * workers:
            yield result(waiting.popleft())
    yield from map(result, waiting)


def main():
    kind, dataflow, workers, *load = sys.argv[1:]
    workers, load = int(workers), Load(*load)
    steps = tomllib.load(open(dataflow, "rb"))["subtask"]
    executors = {
        "threads": concurrent.futures.ThreadPoolExecutor,
        "processes": concurrent.futures.ProcessPoolExecutor,
    }
    if kind == "loop":
        load.tell([serve(steps, batch) for batch in load.messages()])
        return
    with executors[kind](workers) as executor:
        # Processes are started, and have their imports, before the clock runs.
        list(executor.map(time.sleep, [0.2] * workers))
        submit = functools.partial(executor.submit, serve, steps)
        load.tell(list(serve_with(workers, load.messages(), submit, lambda future: future.result())))


if __name__ == "__main__":
    main()
