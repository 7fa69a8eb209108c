#!/usr/bin/env python3
"""The same chain as a plain Python loop: NDJSON in, JSON out to nowhere; prints rows a second.

    plain_loop.py DATAFLOW.toml INPUT.ndjson BUCKET_SIZE ROWS
"""

import itertools
import json
import os
import sys
import time
import tomllib

import numpy as np
import pandas as pd

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "scripts"))
import oracle

TEXT = {"dateTime", "station", "usUnits", "interval", "txBatteryStatus", "forecastIcon", "forecastRule"}


def main():
    steps = tomllib.load(open(sys.argv[1], "rb"))["subtask"]
    size, rows = int(sys.argv[3]), int(sys.argv[4])
    lines = itertools.islice(open(sys.argv[2]), rows)
    start = time.perf_counter()
    done = 0
    while batch := list(itertools.islice(lines, size)):
        frame = pd.DataFrame([json.loads(line) for line in batch])
        numbers = [name for name in frame.columns if name not in TEXT]
        frame[numbers] = frame[numbers].apply(pd.to_numeric, errors="coerce").astype(np.float64)
        for step in steps:
            frame = oracle.apply(frame, step)
        frame.to_json(orient="records", lines=True)
        done += len(batch)
    print(f"{done / (time.perf_counter() - start):.0f}")


if __name__ == "__main__":
    main()
