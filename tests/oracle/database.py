"""Debian's PostgreSQL, on a port of its own."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from mill import children
from mosquitto import free_port, wait_until


class Postgres:
    """A cluster of its own, run by the user of Debian's package where this is root. Without `sync` it survives kill -9, and
    not the end of the machine."""

    def __init__(self, directory, sync=False):
        self.sync = "on" if sync else "off"
        versions = sorted(Path("/usr/lib/postgresql").iterdir(), key=lambda path: int(path.name))
        self.programs, self.directory, self.port = versions[-1] / "bin", directory, free_port()
        directory.mkdir()
        root = os.getuid() == 0
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} if root else {}
        if root:
            shutil.chown(directory, "postgres", "postgres")
        self.data = directory / "data"
        make = [self.programs / "initdb", "-U", "owner", "--auth=trust", "--no-sync", "-D", self.data]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd=directory, **self.user)
        self.process = None
        self.start()

    def start(self):
        command = [self.programs / "postgres", "-D", self.data, "-p", str(self.port)]
        for setting in (f"fsync={self.sync}", "listen_addresses=127.0.0.1", "unix_socket_directories="):
            command += ["-c", setting]

        def answers():
            if self.process is None or self.process.poll() is not None:
                with open(self.directory / "log", "ab") as log:
                    self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.directory, **self.user)
            return self.ask("SELECT 1") == "1"

        wait_until("the database answers", answers, 120)

    def kill(self):
        """The server and all its processes."""
        pids = [self.process.pid, *children(self.process.pid)]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def ask(self, sql):
        command = ["psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "owner", "-d", "postgres", "-XAtqc", sql]
        answer = subprocess.run(command, capture_output=True, text=True)
        return answer.stdout.strip() if answer.returncode == 0 else None
