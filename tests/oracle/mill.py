"""A run of Rowmill with its processes, known by its command line alone."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

DRAIN_TIMEOUT = 40
# What `--drain-timeout` says where a drain cannot come to its end.
SHORT_DRAIN = "3s"
END_TIMEOUT = 20


def children(pid):
    """The processes that `pid` has started."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
        except OSError:
            pass
    return found


class Mill:
    """Every start is an incarnation; reports and what it said are kept apart by their number."""

    def __init__(self, program, directory, dataflow, within=()):
        # What runs a program somewhere else, such as in another network namespace.
        self.within = list(within)
        self.program, self.directory, self.dataflow = program, directory, dataflow
        self.starts = 0
        self.process = None
        self.flags = []

    def bound_drain(self):
        """Bounds the drain, where the program takes that."""
        said = subprocess.run([self.program, "run", "--help"], capture_output=True, text=True).stdout
        if "--drain-timeout" in said:
            self.flags = ["--drain-timeout", SHORT_DRAIN]

    def start(self, processes, workers):
        self.starts += 1
        command = [*self.within, self.program, "run", self.dataflow, "-n", str(processes), "-w", str(workers), *self.flags]
        command += ["--report", f"report-{self.starts}"]
        with open(self.said_in(self.starts), "wb") as said:
            environment = os.environ | {"RUST_BACKTRACE": "1"}
            self.process = subprocess.Popen(
                command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env=environment,
            )

    def said_in(self, start):
        return self.directory / f"stderr-{start}"

    def said(self):
        return self.said_in(self.starts).read_text(errors="replace")

    def last_words(self):
        lines = [line for line in self.said().splitlines() if line.strip()]
        return " / ".join(lines[-2:])[-300:]

    def report(self):
        path = self.directory / f"report-{self.starts}" / "report.json"
        return json.loads(path.read_text()) if path.exists() else None

    def pids(self):
        return [self.process.pid, *children(self.process.pid)]

    def ended(self):
        return self.process.poll() is not None

    def kill(self, random):
        """Kills one of the processes; the others must follow."""
        pids = self.pids()
        os.kill(random.choice(pids), signal.SIGKILL)
        return self._gone(pids, END_TIMEOUT)

    def terminate(self, random=None):
        """SIGTERM to one of the processes drains all: the exit code, or None if it does not end."""
        pids = self.pids()
        os.kill(random.choice(pids) if random else self.process.pid, signal.SIGTERM)
        return self.process.returncode if self._gone(pids, DRAIN_TIMEOUT) else None

    def freeze(self, random, seconds):
        pid = random.choice(self.pids())
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def _gone(self, pids, timeout):
        """Whether all have ended in time; what has not is killed."""
        deadline = time.monotonic() + timeout
        alive = pids
        while time.monotonic() < deadline:
            self.process.poll()
            alive = [pid for pid in alive if _lives(pid)]
            if not alive:
                self.process.wait()
                return True
            time.sleep(0.02)
        self.end(alive)
        return False

    def end(self, pids=None):
        for pid in pids or (self.pids() if self.process else []):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process:
            self.process.wait()


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False
