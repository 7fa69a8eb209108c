#!/usr/bin/env python3
"""The fault oracle: random cases of a run of Rowmill between brokers, with faults on every side.

    oracle.py target/debug/rowmill [--seed S] [--cases N] [--only K] [--jobs J] [--keep DIR]

It knows what the station's broker has acknowledged and what came out; nothing of Rowmill but its command line and its
dataflow file. A case is drawn from seed and number, so that `--seed S --only K` plays it again. Needs mosquitto and
paho-mqtt.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from case import Case
from play import Play

CASE_TIMEOUT = 400


def play(program, seed, number, keep):
    """Plays one case and prints its line: whether all held."""
    case = Case.draw(seed, number)
    directory = Path(keep) / f"{seed}-{number}" if keep else Path(tempfile.mkdtemp(prefix=f"oracle-{number}-"))
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    began, run = time.monotonic(), None
    try:
        run = Play(case, program, directory)
        run.run()
        problems, summary = run.problems, run.summary()
    except Exception as error:
        problems = (run.problems if run else []) + [f"{type(error).__name__}: {error}"]
        summary = "not played to its end"
        if not isinstance(error, (TimeoutError, RuntimeError)):
            traceback.print_exc()
    finally:
        if run:
            run.end()
    if run and run.void:
        # What a plain subscriber lacks too is the broker's affair.
        problems = []
    verdict = "FAILED" if problems else "void" if run and run.void else "ok"
    print(f"{number:4} {verdict:6} {time.monotonic() - began:5.1f}s {case} | {summary}")
    for problem in problems:
        print(f"       - {problem}")
    sys.stdout.flush()
    if not keep:
        shutil.rmtree(directory, ignore_errors=True)
    return not problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the rowmill to play with")
    parser.add_argument("--seed", type=int, help="random, and printed, if not given")
    parser.add_argument("--cases", type=int, default=30)
    parser.add_argument("--only", type=int, help="this case alone")
    parser.add_argument("--jobs", type=int, default=4, help="cases at once")
    parser.add_argument("--keep", help="keep dataflow, outputs and logs of each case in this directory")
    arguments = parser.parse_args()
    program = str(Path(arguments.program).resolve())
    seed = random.randrange(1_000_000) if arguments.seed is None else arguments.seed
    if arguments.only is not None:
        return 0 if play(program, seed, arguments.only, arguments.keep) else 1
    print(f"seed {seed}, {arguments.cases} cases", flush=True)

    def apart(number):
        """Each in a process of its own: its links and clients have a core to themselves."""
        command = [sys.executable, __file__, program, "--seed", str(seed), "--only", str(number)]
        command += ["--keep", arguments.keep] if arguments.keep else []
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=CASE_TIMEOUT)
        except subprocess.TimeoutExpired:
            print(f"{number:4} FAILED {Case.draw(seed, number)}", flush=True)
            print(f"       - not played within {CASE_TIMEOUT} s", flush=True)
            return False
        print(done.stdout + done.stderr, end="", flush=True)
        return done.returncode == 0

    with ThreadPoolExecutor(arguments.jobs) as pool:
        held = list(pool.map(apart, range(arguments.cases)))
    failed = [number for number, good in enumerate(held) if not good]
    print(f"seed {seed}: {len(held) - len(failed)} of {len(held)} cases held" + f"; not {failed}" * bool(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
