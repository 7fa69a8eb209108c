#!/usr/bin/env python3
"""Kills over every combination of connections and quality of service, with rows that are all alike; each start has other
numbers of processes and workers.

    kills.py target/debug/rowmill [--kills N] [--rows N] [--qos Q...] [--seed S] [--only CELL] [--jobs J] [--keep DIR]
    kills.py target/release/rowmill --kills 200 --rows 1000000 --qos 1 2

Packet ids come again soon: the broker that is played here gives the lowest free id, or counts on and begins anew as
soon as both windows allow it. A part of the publishes is retained. At QoS 1 and 2 the file has each row once in the end; at
QoS 0 what was written stays. A broker that gives the lowest free id sends, once it has an acknowledgement, another row
under the same id; a run that is killed before it can know cannot tell which of the two comes again. Such rows are
counted, and no more than those may be missing.
"""

import argparse
import itertools
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mill import Mill
from mosquitto import wait_until
from output import FileOutput, csv_result
from play import COUNTED_AFTER, STALL_TIMEOUT
from played_broker import PlayedBroker

TOPICS = ["rows/a", "rows/b", "rows/c"]
# One connection, several that share the topics, and one for each topic.
CELLS = list(itertools.product((1, 2, 5, TOPICS), (0, 1, 2), ("lowest", "wrapping")))
# Processes and workers of each: more than there are connections, and fewer.
SCALES = list(itertools.product((1, 2, 3), (1, 2)))
SEVEN = b'{"n": 7}'
DATAFLOW = """name = "kills"
schema = {{ number = ["n"] }}
[source]
url = "mqtt://127.0.0.1:{port}/rows/#"
session = true
qos = {qos}
connections = {reads}
[buffer]
bucket_size = {bucket_size}
delay = "20ms"
[checkpoint]
every = "{every}"
[sink]
url = "out.csv"
"""
CELL_TIMEOUT = 1200
# What a cell that is run apart prints at its end.
TOTALS = "totals "
# How long an acknowledgement's way to the broker, the answer's way back and a commit may take on a busy machine.
CONFIRMATION_TIMEOUT = 0.5


class Cell:
    def __init__(self, program, seed, number, kills, rows, directory):
        reads, self.qos, self.choice = CELLS[number]
        self.reads = json.dumps(reads)
        self.connections = len(reads) if isinstance(reads, list) else reads
        self.random = random.Random(f"{seed}/{number}")
        self.kills, self.rows = kills, rows
        self.scales = self.random.sample(SCALES, len(SCALES))
        # Thousands of ids come round in windows that are not too small.
        window = self.random.choice([10, 100, 1000] if self.choice == "lowest" else [100, 1000])
        self.bucket_size = self.random.choice([1, 16, 500])
        every = self.random.choice([10, 100, 300])
        self.every = f"{every}ms"
        confirmed = CONFIRMATION_TIMEOUT + every / 1000
        self.broker = PlayedBroker(window, self.choice, self.random.choice([1, 7, 100]), confirmed)
        text = DATAFLOW.format(port=self.broker.port, **vars(self))
        (directory / "kills.toml").write_text(text)
        self.mill = Mill(program, directory, "kills.toml")
        self.output = FileOutput(directory / "out.csv", csv_result, b"message,row,n")
        self.sent = Counter()
        self.problems = []
        self.cut = self.missing = self.twice = 0

    def start(self):
        """Goes through all numbers of processes and workers, each as often as the others."""
        processes, workers = self.scales[self.mill.starts % len(self.scales)]
        self.mill.start(processes, workers)

    def round(self):
        """How many rows are published before a kill."""
        return self.rows // self.kills if self.rows else self.random.randint(50, 600)

    def publish(self, count):
        """Rows that are all alike, but for some that are numbered, and some that are retained."""
        for _ in range(count):
            number = 7
            if self.random.random() < 0.1:
                number = 1000 + sum(self.sent.values())
            payload = SEVEN if number == 7 else b'{"n": %d}' % number
            self.broker.publish(self.random.choice(TOPICS), payload, self.qos, self.random.random() < 0.02)
            self.sent[number] += 1
            if self.random.random() < 0.05:
                time.sleep(0.002)

    def run(self):
        self.start()
        wait_until("the run subscribes", lambda: self.broker.subscribed() >= self.connections, 60)
        if self.choice == "wrapping" and self.qos:
            self.publish_all_ids()
        for _ in range(self.kills):
            station = threading.Thread(target=self.publish, args=(self.round(),))
            station.start()
            samples = self.sample(self.random.uniform(0, 1.2))
            if not self.mill.kill(self.random):
                self.problems.append("after kill -9 of one process the others stay for 20 s")
            died, written = time.monotonic(), self.output.lines()
            station.join()
            self.start()
            self.wait_until_there()
            now = self.output.lines()
            if self.qos == 0:
                counted = max((count for at, count in samples if at < died - COUNTED_AFTER), default=0)
                stays = next((at for at, line in enumerate(written) if now[at : at + 1] != [line]), len(written))
                if stays < counted:
                    self.problems.append(f"of {counted} rows that were written and counted {stays} are left")
                self.cut += len(written) - stays
        if self.qos:
            self.wait_for_all()
        wait_until("the run is ready", lambda: "subscribed to" in self.mill.said() or self.mill.ended(), 60)
        if (code := self.mill.terminate()) != 0:
            self.problems.append(f"SIGTERM: exit code {code}: {self.mill.last_words()}")
        self.judge()

    def publish_all_ids(self):
        """Until ids have come round on all connections."""
        ids = max(map(self.broker.ids, self.broker.sessions.values()))
        self.publish(self.connections * ids)
        wait_until("all ids have been used", lambda: not self.broker.owed(), 120)

    def sample(self, seconds):
        """Looks at the file for so long, and at QoS 0 now and then for longer, so that rows have time to be counted."""
        samples, until = [], time.monotonic() + seconds
        if self.qos == 0 and self.random.random() < 0.5:
            until += COUNTED_AFTER
        while time.monotonic() < until:
            samples.append((time.monotonic(), len(self.output.lines())))
            time.sleep(0.05)
        return samples

    def wait_until_there(self):
        """At QoS 0 what is published while nobody is there is lost: the run is waited for. Else only now and then."""
        if self.qos == 0 or self.random.random() < 0.5:
            wait_until("the run is there again", lambda: "subscribed to" in self.mill.said() or self.mill.ended(), 60)
        else:
            time.sleep(self.random.uniform(0, 0.3))

    def wait_for_all(self):
        moved, seen = time.monotonic(), None
        while len(self.output.lines()) < sum(self.sent.values()) or self.broker.owed():
            if self.mill.ended():
                self.problems.append(f"the run ended by itself: {self.mill.last_words()}")
                return
            now = (len(self.output.lines()), self.broker.acknowledged)
            if now != seen:
                moved, seen = time.monotonic(), now
            if time.monotonic() - moved > STALL_TIMEOUT / 3:
                if self.broker.owed():
                    self.problems.append(f"nothing moves for 10 s; {self.broker.owed()} publishes are not acknowledged")
                return
            time.sleep(0.05)

    def judge(self):
        records = self.output.records()
        counts = Counter(record.n for record in records)
        self.missing = sum((self.sent - counts).values()) if self.qos else 0
        self.twice = sum((counts - self.sent).values())
        lost = self.missing > (self.broker.alike if self.choice == "lowest" else 0)
        if lost or self.twice:
            self.problems.append(f"of {sum(self.sent.values())} rows {self.missing} missing, {self.twice} twice")
        if len({record.row for record in records}) < len(records):
            self.problems.append("row numbers stand twice in the file")

    def __str__(self):
        return (
            f"connections {self.reads} qos {self.qos} ids {self.choice} "
            f"window {self.broker.window} spare {self.broker.spare} bucket {self.bucket_size} commit {self.every}: "
            f"-n -w {' '.join(f'{n} {w},' for n, w in self.scales[: self.mill.starts])} "
            f"{self.kills} kills, {sum(self.sent.values())} rows in, {len(self.output.lines())} out"
            + f", {self.broker.alike} alike" * bool(self.broker.alike)
            + f", {self.cut} cut that were written" * bool(self.cut)
        )


def play(program, seed, number, kills, rows, keep):
    directory = Path(keep) / f"kills-{seed}-{number}" if keep else Path(tempfile.mkdtemp(prefix=f"kills-{number}-"))
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    cell = Cell(program, seed, number, kills, rows, directory)
    try:
        cell.run()
    except TimeoutError as error:
        cell.problems.append(f"{error}: {cell.mill.last_words()}")
    finally:
        cell.mill.end()
        cell.broker.end()
    print(f"{number:4} {'FAILED' if cell.problems else 'ok':6} {cell}")
    for problem, times in Counter(cell.problems).items():
        print(f"       - {problem}" + f" ({times} times)" * (times > 1))
    alike = cell.broker.alike if cell.choice == "lowest" else 0
    print(TOTALS + json.dumps([kills, sum(cell.sent.values()), cell.missing, cell.twice, alike]))
    sys.stdout.flush()
    if not keep:
        shutil.rmtree(directory, ignore_errors=True)
    return not cell.problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the rowmill to kill")
    parser.add_argument("--kills", type=int, default=432, help="over all combinations")
    parser.add_argument("--rows", type=int, help="over all combinations; a few hundred a kill if not given")
    parser.add_argument("--qos", type=int, nargs="+", choices=(0, 1, 2), default=[0, 1, 2], help="these alone")
    parser.add_argument("--seed", type=int, help="random, and printed, if not given")
    parser.add_argument("--only", type=int, help="this combination alone")
    parser.add_argument("--jobs", type=int, default=3, help="combinations at once")
    parser.add_argument("--keep", help="keep dataflow, output and what the runs said in this directory")
    arguments = parser.parse_args()
    program = str(Path(arguments.program).resolve())
    seed = random.randrange(1_000_000) if arguments.seed is None else arguments.seed
    cells = [number for number, (_, qos, _) in enumerate(CELLS) if qos in arguments.qos]
    kills = max(1, -(-arguments.kills // len(cells)))
    rows = arguments.rows and -(-arguments.rows // len(cells) // kills) * kills
    if arguments.only is not None:
        return 0 if play(program, seed, arguments.only, kills, rows, arguments.keep) else 1
    print(f"seed {seed}, {kills} kills of each of {len(cells)} combinations", flush=True)
    totals = []

    def apart(number):
        command = [sys.executable, __file__, program, "--seed", str(seed), "--only", str(number)]
        command += ["--kills", str(arguments.kills), "--qos", *map(str, arguments.qos)]
        command += ["--rows", str(arguments.rows)] if arguments.rows else []
        command += ["--keep", arguments.keep] if arguments.keep else []
        done = subprocess.run(command, capture_output=True, text=True, timeout=CELL_TIMEOUT)
        told = done.stdout.splitlines()
        totals.extend(json.loads(line.removeprefix(TOTALS)) for line in told if line.startswith(TOTALS))
        told = [line for line in told if not line.startswith(TOTALS)]
        print("\n".join([*told, *done.stderr.splitlines()]), flush=True)
        return done.returncode == 0

    with ThreadPoolExecutor(arguments.jobs) as pool:
        held = list(pool.map(apart, cells))
    failed = [number for number, good in zip(cells, held) if not good]
    print(f"seed {seed}: {len(held) - len(failed)} of {len(held)} combinations held" + f"; not {failed}" * bool(failed))
    killed, sent, missing, twice, alike = map(sum, zip(*totals)) if totals else [0] * 5
    print(f"{killed} kills, {sent} rows, {missing} missing, {twice} twice; {alike} came under ids that tell nothing")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
