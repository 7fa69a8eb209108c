"""Debian's broker with persistence, on a port of its own."""

import os
import shutil
import signal
import socket
import subprocess
import time

BROKER_TIMEOUT = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what, done, timeout=BROKER_TIMEOUT):
    deadline = time.monotonic() + timeout
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout} s")
        time.sleep(0.02)


class Mosquitto:
    def __init__(self, directory, max_inflight, addresses=("127.0.0.1",)):
        self.directory = directory
        self.port = free_port()
        (directory / "store").mkdir(parents=True)
        lines = [f"listener {self.port} {address}" for address in addresses]
        lines += [
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {directory}/store/",
            "max_queued_messages 0",
            f"max_inflight_messages {max_inflight}",
            "log_timestamp false",
            "log_dest stderr",
        ]
        lines += [f"log_type {kind}" for kind in ("error", "warning", "notice", "information", "subscribe")]
        if os.getuid() == 0:
            lines.append("user root")
        (directory / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self.start()

    def start(self):
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        with open(self.log, "ab") as log:
            command = [program, "-c", str(self.directory / "mosquitto.conf")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until("the broker listens", self.listens)

    @property
    def log(self):
        return self.directory / "mosquitto.log"

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def subscriptions(self, word):
        """How many subscriptions to topics with this word the broker has seen."""
        lines = self.log.read_text(errors="replace").splitlines()
        parts = (line.split(" ") for line in lines)
        return sum(1 for part in parts if len(part) == 3 and part[1] in "012" and word in part[2])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(BROKER_TIMEOUT)

    def restart(self):
        """In good order: it saves what it has."""
        self.stop()
        self.start()

    def save_and_kill(self):
        """mosquitto 2.0.11 acknowledges before it saves: what is to be kept is saved before the kill."""
        database = self.directory / "store" / "mosquitto.db"
        before = database.stat().st_mtime_ns if database.exists() else 0
        self.process.send_signal(signal.SIGUSR1)
        wait_until("the broker saves", lambda: database.exists() and database.stat().st_mtime_ns != before)
        self.process.kill()
        self.process.wait()
        self.start()

    def pause(self, seconds):
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        self.process.kill()
        self.process.wait()
