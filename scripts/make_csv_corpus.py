#!/usr/bin/env python3
"""Writes CSV files as Python's csv module writes them into tests/fuzz/corpus/file, and the rows that it reads from them.

    make_csv_corpus.py [SEED]
"""

import csv
import io
import json
import random
import sys
from pathlib import Path

FUZZ = Path(__file__).parent.parent / "tests/fuzz"
CELLS = ["", "1", "2.5", "x", 'a "b" c', '"', '""', "x,y", "x\ny", "x\r\ny", " x ", "é", "'", "3' 4\"", ",", "\n"]


def main():
    rng = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    rows_of = {}
    for number in range(24):
        width = rng.randint(2, 4)
        rows = [[rng.choice(CELLS) for _ in range(width)] for _ in range(rng.randint(0, 12))]
        rows.insert(0, ["a", "b", "dateTime", "other"][:width])
        ends, quoting = rng.choice(["\n", "\r\n"]), rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator=ends, quoting=quoting).writerows(rows)
        text = text.getvalue()
        # The first byte says to the fuzz target that this is CSV.
        (FUZZ / f"corpus/file/python_{number}").write_bytes(b"\x01" + text.encode())
        rows_of[f"python_{number}"] = list(csv.reader(io.StringIO(text, newline="")))
    (FUZZ / "python_rows.json").write_text(json.dumps(rows_of, indent=1) + "\n")


if __name__ == "__main__":
    main()
