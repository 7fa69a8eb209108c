#!/usr/bin/env python3
"""The same chain as a Bytewax dataflow: lines, collected into messages, mapped by the chain; prints rows a second.

    bytewax_chain.py DATAFLOW.toml INPUT.ndjson BUCKET_SIZE ROWS [WORKERS]

Lines are spread over the workers (threads of one process) by a key, for `collect` gathers by key.
"""

import datetime
import itertools
import sys
import time
import tomllib
import zlib

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, cluster_main

import chain as plain


def main():
    dataflow, path, size, rows = *sys.argv[1:3], int(sys.argv[3]), int(sys.argv[4])
    workers = int(sys.argv[5]) if len(sys.argv) > 5 else 2
    steps = tomllib.load(open(dataflow, "rb"))["subtask"]
    lines = list(itertools.islice(open(path), rows))
    done = []
    flow = Dataflow("weather")
    stream = op.input("lines", flow, TestingSource(lines, batch_size=1000))
    keyed = op.key_on("key", stream, lambda line: str(zlib.crc32(line.encode()) % workers))
    messages = op.collect("collect", keyed, timeout=datetime.timedelta(seconds=10), max_size=size)
    served = op.map("serve", messages, lambda message: plain.serve(steps, message[1]))
    op.output("out", served, TestingSink(done))
    start = time.perf_counter()
    cluster_main(flow, [], 0, worker_count_per_proc=workers)
    assert sum(done) == rows, (sum(done), rows)
    print(f"{rows / (time.perf_counter() - start):.0f}")


if __name__ == "__main__":
    main()
