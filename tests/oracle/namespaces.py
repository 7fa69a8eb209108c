#!/usr/bin/env python3
"""A backlog over a bad link: broker and run in network namespaces of their own, over IPv6, with delay and loss.

    namespaces.py target/debug/rowmill [--rows N] [--delay MS] [--loss PERCENT] [--seed S] [--keep DIR]

Needs root, `ip` and /dev/net/tun. Everything but the link is as in `oracle.py`. While the backlog comes, the link goes down and
processes are killed and told to stop. In the end the file has each row once, and no process has held more than 50 MiB
beyond what a run without rows holds.
"""

import argparse
import collections
import ctypes
import fcntl
import multiprocessing
import os
import random
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mill import Mill
from mosquitto import Mosquitto, wait_until
from output import FileOutput, csv_result
from station import Publish, Station

BACKLOG_MIB = 50
ROWS_A_PUBLISH = 200
FAULT_INTERVAL = 4
RUN_TIMEOUT = 1800
CLONE_NEWNET, TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x40000000, 0x400454CA, 0x0001, 0x1000
PACKETS_MAX = 10_000
HERE, THERE = "fd42:726f:7764::1", "fd42:726f:7764::2"
DATAFLOW = """name = "namespaces"
schema = {{ number = ["n"] }}
[source]
url = "mqtt://[{address}]:{port}/rows"
session = true
qos = 1
[buffer]
bucket_size = 1000
delay = "100ms"
[sink]
url = "out.csv"
"""


def sh(*command):
    subprocess.run(command, check=True)


def enter(namespace):
    with open(f"/run/netns/{namespace}") as file:
        # `os.setns` is of Python 3.12.
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def open_tunnel(namespace, address):
    enter(namespace)
    tunnel = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tunnel, TUNSETIFF, struct.pack("16sH", b"tun0", IFF_TUN | IFF_NO_PI))
    sh("ip", "address", "add", f"{address}/64", "dev", "tun0", "nodad")
    sh("ip", "link", "set", "tun0", "up")
    sh("ip", "link", "set", "lo", "up")
    return tunnel


def relay(tunnels, delay, loss, is_cut, seed):
    """Hands each packet to the other side later, or not at all. Not every kernel has netem."""
    chance, due = random.Random(seed), collections.deque()
    other = {tunnels[0]: tunnels[1], tunnels[1]: tunnels[0]}
    while True:
        wait = max(0, due[0][0] - time.monotonic()) if due else 1
        for tunnel in select.select(tunnels, [], [], wait)[0]:
            packet = os.read(tunnel, 65536)
            if not is_cut.is_set() and chance.random() >= loss and len(due) < PACKETS_MAX:
                due.append((time.monotonic() + delay, other[tunnel], packet))
        while due and due[0][0] <= time.monotonic():
            _, tunnel, packet = due.popleft()
            try:
                os.write(tunnel, packet)
            except BlockingIOError:
                pass


class Link:
    """Two namespaces, and a link between them; this process is in the first one from then on."""

    def __init__(self, delay, loss, seed):
        self.here, self.there = f"rm{os.getpid()}a", f"rm{os.getpid()}b"
        for name in (self.here, self.there):
            sh("ip", "netns", "add", name)
        tunnels = [open_tunnel(self.there, THERE), open_tunnel(self.here, HERE)]
        self.is_cut = multiprocessing.Event()
        arguments = (tunnels, delay / 1000, loss / 100, self.is_cut, seed)
        self.relay = multiprocessing.Process(target=relay, args=arguments, daemon=True)
        self.relay.start()

    def cut(self, seconds):
        self.is_cut.set()
        time.sleep(seconds)
        self.is_cut.clear()

    def end(self):
        self.relay.kill()
        for name in (self.here, self.there):
            subprocess.run(("ip", "netns", "del", name))


class Peaks:
    """The most that a process of each start has held, in bytes."""

    def __init__(self):
        self.most = 0

    def look(self, mill):
        for pid in mill.pids():
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            for line in status.splitlines():
                if line.startswith("VmHWM:"):
                    self.most = max(self.most, int(line.split()[1]) * 1024)


def start(mill):
    mill.start(1, 2)
    wait_until("a subscription", lambda: "subscribed to" in mill.said() or mill.ended(), 60)
    if mill.ended():
        raise RuntimeError(f"the run has ended: {mill.last_words()}")


def play(program, arguments, directory, link):
    chance = random.Random(arguments.seed)
    broker = Mosquitto(directory / "broker", 200, ("127.0.0.1", HERE))
    (directory / "namespaces.toml").write_text(DATAFLOW.format(address=HERE, port=broker.port))
    mill = Mill(program, directory, "namespaces.toml", ("ip", "netns", "exec", link.there))
    problems, base, peaks = [], Peaks(), Peaks()
    try:
        start(mill)
        base.look(mill)
        if mill.terminate() != 0:
            problems.append(f"SIGTERM without rows: {mill.last_words()}")
        rows = range(arguments.rows)
        chunks = [rows[at : at + ROWS_A_PUBLISH] for at in range(0, len(rows), ROWS_A_PUBLISH)]
        payload = lambda chunk: ("[" + ",".join(f'{{"n":{n}}}' for n in chunk) + "]").encode()
        station = Station(broker.port, [Publish("rows", payload(chunk), 1, False) for chunk in chunks], 0, 100)
        station.start()
        station.done.wait()
        station.settle()
        began, faults = time.monotonic(), []
        output = directory / "out.csv"
        lines = lambda: int(subprocess.check_output(("wc", "-l", output)).split()[0])
        start(mill)
        due, next_faults = time.monotonic() + FAULT_INTERVAL, []
        while lines() < arguments.rows + 1:
            if time.monotonic() - began > RUN_TIMEOUT:
                raise TimeoutError(f"{lines()} lines in {RUN_TIMEOUT} s")
            peaks.look(mill)
            if mill.ended():
                problems.append(f"the run has ended: {mill.last_words()}")
                start(mill)
            if time.monotonic() > due:
                next_faults = next_faults or chance.sample(("kill", "cut", "kill", "cut", "stop"), 5)
                fault = next_faults.pop()
                faults.append(fault)
                if fault == "cut":
                    link.cut(chance.uniform(1, 6))
                elif fault == "kill":
                    mill.kill(chance)
                    start(mill)
                else:
                    if mill.terminate() != 0:
                        problems.append(f"SIGTERM: {mill.last_words()}")
                    start(mill)
                due = time.monotonic() + FAULT_INTERVAL
            time.sleep(0.5)
        seconds = time.monotonic() - began
        peaks.look(mill)
        if mill.terminate() != 0:
            problems.append(f"SIGTERM at the end: {mill.last_words()}")
        numbers = [result.n for result in FileOutput(output, csv_result, b"message,row,n").records()]
        missing, twice = len(rows) - len(set(numbers)), len(numbers) - len(set(numbers))
        if missing or twice or set(numbers) - set(rows):
            problems.append(f"{missing} rows are missing, {twice} stand twice")
        held = (peaks.most - base.most) / 2**20
        if held > BACKLOG_MIB:
            problems.append(f"{held:.0f} MiB beyond the {base.most / 2**20:.0f} MiB of a run without rows")
        print(f"{len(numbers)} rows in {seconds:.0f} s over {', '.join(faults) or 'no fault'}; {held:.1f} MiB held")
    finally:
        mill.end()
        broker.end()
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--delay", type=float, default=50, help="of each way, in milliseconds")
    parser.add_argument("--loss", type=float, default=2, help="of each way, in percent")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    directory = arguments.keep or Path(tempfile.mkdtemp(prefix="namespaces-"))
    directory.mkdir(parents=True, exist_ok=True)
    link = Link(arguments.delay, arguments.loss, arguments.seed)
    try:
        problems = play(arguments.program.resolve(), arguments, directory, link)
    finally:
        link.end()
        if not arguments.keep:
            shutil.rmtree(directory, ignore_errors=True)
    for problem in problems:
        print(f"- {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
