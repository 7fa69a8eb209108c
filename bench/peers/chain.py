#!/usr/bin/env python3
"""The same chain in Python: NDJSON in, JSON out to nowhere.

    chain.py loop|frames|threads|processes|check DATAFLOW.toml WORKERS INPUT.ndjson BUCKET_SIZE ROWS SECONDS

loop: one message after the other. threads, processes: concurrent.futures' executors, as their documentation shows
them, with a bounded number of messages in flight. The numbers of a message stay one block of memory through the chain,
and texts stand beside it. frames: the loop as it is usually written, columns of one frame assigned at each step.
check: compares the cells of both forms, message by message.

What runs has served some messages before the clock runs.

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
import typing

import numpy as np
import pandas as pd
import sklearn

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "scripts"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import model_step
import oracle

TEXT = {"dateTime", "station", "usUnits", "interval", "txBatteryStatus", "forecastIcon", "forecastRule"}


class Block(typing.NamedTuple):
    """The rows of a message: numbers in one block, texts beside them."""

    numbers: pd.DataFrame
    texts: pd.DataFrame

    def whole(self):
        return pd.concat([self.numbers, self.texts], axis=1)

    def rows(self, kept):
        return self if kept.all() else Block(self.numbers[kept], self.texts[kept])


def prepare(batch):
    rows = json.loads(f"[{','.join(batch)}]")
    names = dict.fromkeys(name for row in rows for name in row)
    numbers, texts = [name for name in names if name not in TEXT], [name for name in names if name in TEXT]
    cells = [[row.get(name) for name in numbers] for row in rows]
    try:
        values = np.array(cells, dtype=np.float64, order="F")
    except (TypeError, ValueError):
        values = pd.DataFrame(cells).apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    texts = pd.DataFrame({name: [row.get(name) for row in rows] for name in texts}, dtype=object)
    return Block(pd.DataFrame(values, columns=numbers), texts)


def apply(block, step):
    """One step of the chain, over all columns."""
    use, parameters = step["use"], {key: value for key, value in step.items() if key != "use"}
    if model_step.is_model(step):
        return block._replace(numbers=model_step.apply(block.numbers, step))
    assert "columns" not in parameters, "a step over some columns takes the block apart"
    if use == "drop_duplicates":
        keep = parameters.pop("keep", "first")
        return block.rows(~block.whole().duplicated(keep=False if keep == "none" else keep, **parameters).to_numpy())
    if use == "dropna":
        present = block.numbers.notna().to_numpy().sum(axis=1) + block.texts.notna().to_numpy().sum(axis=1)
        assert parameters.keys() == {"thresh"}, parameters
        return block.rows(present >= parameters["thresh"])
    if use == "clip" and "lower_quantile" in parameters:
        return block._replace(numbers=clipped(block.numbers, parameters["lower_quantile"], parameters["upper_quantile"]))
    return block._replace(numbers=oracle.transform(block.numbers, use, parameters))


def clipped(numbers, lower, upper):
    values = numbers.to_numpy()
    low, high = numbers.quantile([lower, upper]).to_numpy()
    inside = np.where(np.isnan(values), values, np.fmin(np.fmax(values, low), high))
    return pd.DataFrame(inside, index=numbers.index, columns=numbers.columns)


def result(block):
    return block.whole().to_json(orient="records", lines=True)


def serve(steps, batch):
    """Takes the lines of a message through the chain; the rows it had, and the seconds it took."""
    start = time.perf_counter()
    sklearn.set_config(skip_parameter_validation=True)
    block = prepare(batch)
    for step in steps:
        block = apply(block, step)
    result(block)
    return len(batch), time.perf_counter() - start


def prepare_frame(batch):
    frame = pd.DataFrame([json.loads(line) for line in batch])
    numbers = [name for name in frame.columns if name not in TEXT]
    frame[numbers] = frame[numbers].apply(pd.to_numeric, errors="coerce").astype(np.float64)
    return frame


def serve_frame(steps, batch):
    """As `serve`, on one frame."""
    start = time.perf_counter()
    frame = prepare_frame(batch)
    for step in steps:
        frame = oracle.apply(frame, step)
    frame.to_json(orient="records", lines=True)
    return len(batch), time.perf_counter() - start


def check(steps, batch):
    """Asserts that both forms have the same cells."""
    block, frame = prepare(batch), prepare_frame(batch)
    for step in steps:
        block, frame = apply(block, step), oracle.apply(frame, step)
        # As each step has left them: the last one leaves 0 and 1 alone.
        pd.testing.assert_frame_equal(block.whole()[list(frame.columns)], frame, check_dtype=False, check_exact=True)
    rows = [[json.loads(line) for line in lines.splitlines()] for lines in (result(block), frame.to_json(orient="records", lines=True))]
    assert rows[0] == rows[1]
    return len(frame)


class Load:
    """What every peer is given: the first rows of a file, by messages, for so many seconds."""

    def __init__(self, path, size, rows, seconds):
        self.path, self.size, self.rows, self.seconds = path, int(size), int(rows), float(seconds)

    def few(self):
        """Messages to warm up with: as many as the first second's, and not more than ten."""
        return list(Load(self.path, self.size, min(self.rows, 10 * self.size), 1.0).messages())

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


def warm_up(take, load):
    for batch in load.few():
        take(batch)


def main():
    kind, dataflow, workers, *load = sys.argv[1:]
    workers, load = int(workers), Load(*load)
    steps = tomllib.load(open(dataflow, "rb"))["subtask"]
    executors = {
        "threads": concurrent.futures.ThreadPoolExecutor,
        "processes": concurrent.futures.ProcessPoolExecutor,
    }
    if kind == "check":
        print(f"{sum(check(steps, batch) for batch in load.messages())} rows have the same cells in both forms")
        return
    if kind in ("loop", "frames"):
        take = serve if kind == "loop" else serve_frame
        warm_up(lambda batch: take(steps, batch), load)
        load.tell([take(steps, batch) for batch in load.messages()])
        return
    with executors[kind](workers) as executor:
        # Processes are started, have their imports and have served some messages before the clock runs.
        list(executor.map(time.sleep, [0.2] * workers))
        for _ in range(2):
            list(executor.map(functools.partial(serve, steps), load.few()))
        submit = functools.partial(executor.submit, serve, steps)
        load.tell(list(serve_with(workers, load.messages(), submit, lambda future: future.result())))


if __name__ == "__main__":
    main()
