#!/usr/bin/env python3
"""The same chain as a Bytewax dataflow: lines, collected into messages, mapped by the chain.

    bytewax_chain.py DATAFLOW.toml WORKERS INPUT.ndjson BUCKET_SIZE ROWS SECONDS

Lines are spread over the workers (threads of one process) by a key, for `collect` gathers by key.
"""

import datetime
import sys
import tomllib
import zlib

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.testing import TestingSink, cluster_main

import chain as plain


class Lines(StatefulSourcePartition):
    """The lines of a message at a time, while fewer than four messages a worker are in flight."""

    def __init__(self, load, workers, done):
        self.messages, self.ahead, self.done, self.sent = load.messages(), 4 * workers, done, 0

    def next_batch(self):
        if self.sent - len(self.done) >= self.ahead:
            return []
        self.sent += 1
        return next(self.messages)

    def snapshot(self):
        return None


class File(FixedPartitionedSource):
    def __init__(self, *lines):
        self.lines = lines

    def list_parts(self):
        return ["file"]

    def build_part(self, step_id, for_part, resume_state):
        return Lines(*self.lines)


def main():
    dataflow, workers, *load = sys.argv[1:]
    workers, load = int(workers), plain.Load(*load)
    steps = tomllib.load(open(dataflow, "rb"))["subtask"]
    plain.warm_up(lambda batch: plain.serve(steps, batch), load)
    done = []
    flow = Dataflow("weather")
    stream = op.input("lines", flow, File(load, workers, done))
    keyed = op.key_on("key", stream, lambda line: str(zlib.crc32(line.encode()) % workers))
    messages = op.collect("collect", keyed, timeout=datetime.timedelta(seconds=10), max_size=load.size)
    served = op.map("serve", messages, lambda message: plain.serve(steps, message[1]))
    op.output("out", served, TestingSink(done))
    cluster_main(flow, [], 0, worker_count_per_proc=workers)
    load.tell(done)


if __name__ == "__main__":
    main()
