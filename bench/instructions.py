#!/usr/bin/env python3
"""Instructions that each subtask of dataflows/weather.toml takes, as valgrind's callgrind counts them.

    python3 bench/instructions.py [PROGRAM]

Counts repeat from run to run, where times do not. callgrind shows programs a processor without AVX-512: these are the
kernels' AVX2 versions. Prints the table of bench/README.md, in instructions a number (26 a row).
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
SIZES = {1: 1000, 10: 2000, 100: 10_000, 1000: 10_000, 10_000: 20_000}
NUMBERS = 26
# `143,941 ( 0.18%)  src/subtasks/clip.rs:<rowmill::subtasks::clip::Clip as rowmill::subtasks::by_column::ColumnSubtask>::apply_column`
STEP = re.compile(r"^ *([\d,]+) \([^)]*\) +\S+:<rowmill::subtasks::(\w+)::\w+ as \S+>::apply(?:_column|_row)?(?: \[.*)?$", re.M)


def counted(program, rows, bucket_size, directory):
    """Instructions of each subtask, those of what it calls included."""
    source, counts = directory / "rows.ndjson", directory / "counts"
    generate = [program, "generate", "--rows", str(rows), "--seed", "1", "-o", source]
    subprocess.run(generate, capture_output=True, check=True)
    alone = [program, "bench", "alone", "loop", ROOT / "dataflows/weather.toml", source, bucket_size, rows, 3600]
    callgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}"]
    subprocess.run([*callgrind, *map(str, alone)], capture_output=True, check=True)
    annotate = ["callgrind_annotate", "--inclusive=yes", "--threshold=100", counts]
    listed = subprocess.run(annotate, capture_output=True, check=True, text=True).stdout
    # The largest comes first; the others are parts of it, by the file that their lines are from.
    taken = {}
    for count, step in STEP.findall(listed):
        taken.setdefault(step, int(count.replace(",", "")))
    return taken


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/rowmill"
    with tempfile.TemporaryDirectory() as directory:
        counts = {size: counted(program, rows, size, Path(directory)) for size, rows in SIZES.items()}
    print("| instructions a number |", " | ".join(f"{size} a message" for size in SIZES), "|")
    print("|---|" + "---|" * len(SIZES))
    for step in (ROOT / "dataflows/weather.toml").read_text().split('use = "')[1:]:
        step = step.split('"')[0]
        cells = [counts[size].get(step, 0) / (rows * NUMBERS) for size, rows in SIZES.items()]
        print(f"| {step} |", " | ".join(f"{cell:.1f}" for cell in cells), "|")


if __name__ == "__main__":
    main()
