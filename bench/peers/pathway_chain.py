#!/usr/bin/env python3
"""The same chain in Pathway: lines, windows of BUCKET_SIZE lines, each given to the chain once it is whole.

    pathway_chain.py DATAFLOW.toml WORKERS INPUT.ndjson BUCKET_SIZE ROWS SECONDS

Workers are threads of one process, as PATHWAY_THREADS says.
"""

import os
import sys
import time
import tomllib

os.environ.setdefault("PATHWAY_THREADS", sys.argv[2])
os.environ["PATHWAY_LICENSE_KEY"] = ""

import pathway as pw

import chain as plain


class Lines(pw.io.python.ConnectorSubject):
    """Lines with their numbers, which Pathway takes for times; up to four messages a worker are in flight."""

    def __init__(self, load, workers, done):
        super().__init__()
        self.load, self.ahead, self.done = load, 4 * workers, done

    def run(self):
        number = 0
        for sent, message in enumerate(self.load.messages()):
            while sent - len(self.done) >= self.ahead:
                time.sleep(0.0005)
            for line in message:
                self.next(number=number, line=line)
                number += 1


class Line(pw.Schema):
    number: int
    line: str


def main():
    dataflow, workers, *load = sys.argv[1:]
    workers, load = int(workers), plain.Load(*load)
    steps = tomllib.load(open(dataflow, "rb"))["subtask"]
    plain.warm_up(lambda batch: plain.serve(steps, batch), load)
    done = []

    @pw.udf(deterministic=True)
    def serve(lines: tuple) -> tuple[int, float]:
        return plain.serve(steps, list(lines))

    lines = pw.io.python.read(Lines(load, workers, done), schema=Line, autocommit_duration_ms=5)
    windows = lines.windowby(
        lines.number,
        window=pw.temporal.tumbling(duration=load.size),
        behavior=pw.temporal.exactly_once_behavior(),
    )
    messages = windows.reduce(lines=pw.reducers.tuple(pw.this.line))
    served = messages.select(served=serve(pw.this.lines))
    pw.io.subscribe(served, on_change=lambda key, row, time, is_addition: done.append(row["served"]))
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
    load.tell(done)


if __name__ == "__main__":
    main()
