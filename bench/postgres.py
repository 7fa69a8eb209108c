"""The sixteen subtasks from MQTT into PostgreSQL, beside into a file; and PostgreSQL's own COPY of the same results.

Rows of a station wait at Debian's mosquitto, a row a publish at quality of service 1, for a run with a session. It takes
them into a file, or into a table of Debian's PostgreSQL, in turn; each time from its start until its results grow no more,
and all rows were taken. All share this machine's processors.
Usage: python3 bench/postgres.py [--rows 200000] [--rounds 5] [--bucket-size 1000] [BINARY]
"""

import argparse
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/oracle"))
from database import Postgres  # noqa: E402
from mosquitto import Mosquitto, wait_until  # noqa: E402

TIMEOUT = 300
# So long results have not grown when all are there.
STABLE = 3.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", nargs="?", default="target/release/rowmill")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bucket-size", type=int, default=1000)
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        measure(options, pathlib.Path(directory))


def measure(options, directory):
    rows = directory / "rows.ndjson"
    subprocess.run([options.binary, "generate", "--rows", str(options.rows), "--seed", "1", "-o", rows], check=True)
    database = Postgres(directory / "database", sync=True)
    results = {"file": [], "PostgreSQL": []}
    ratios, copies = [], []
    try:
        for turn in range(options.rounds):
            # Which comes first changes from round to round.
            names = ["file", "PostgreSQL"][:: 1 if turn % 2 == 0 else -1]
            rates = {name: rate(options, directory / f"{turn}-{name}", rows, name, database) for name in names}
            for name, value in rates.items():
                results[name].append(value)
            ratios.append(rates["PostgreSQL"] / rates["file"])
            copies.append(copied(database, directory / f"{turn}-file" / "out.csv"))
            print(f"round {turn + 1}: {rates}, ratio {ratios[-1]:.2f}", flush=True)
    finally:
        database.kill()
    for name, rates in {**results, "psql's COPY of the results": copies}.items():
        print(f"{name}: {spread(rates, '.0f')} rows/s")
    print(f"PostgreSQL / file: {spread(ratios, '.2f')}")


def spread(values, form):
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def rate(options, directory, rows, name, database):
    """Rows a second from the start of a run until the results of all rows are there."""
    directory.mkdir()
    (directory / "broker").mkdir()
    broker = Mosquitto(directory / "broker", 1000)
    sink = 'url = "out.csv"'
    if name == "PostgreSQL":
        # A run whose checkpoint is gone does not go on with the progress of another one.
        database.ask("DROP TABLE IF EXISTS results, rowmill_progress")
        sink = f'url = "postgresql://owner@127.0.0.1:{database.port}/postgres"\ntable = "results"'
    text = f"""schema = "davis"
[source]
url = "mqtt://127.0.0.1:{broker.port}/rows"
session = true
qos = 1
[buffer]
bucket_size = {options.bucket_size}
delay = "100ms"
{chain()}
[sink]
{sink}
"""
    (directory / "weather.toml").write_text(text)
    command = [options.binary, "run", "weather.toml"]
    first = run = None
    try:
        # The session begins before the rows come.
        with open(directory / "said", "w") as said:
            first = subprocess.Popen(command, cwd=directory, stderr=said)
            wait_until("the session", lambda: subscribed(first, directory / "said"), TIMEOUT)
            first.send_signal(signal.SIGTERM)
            first.wait()
        publish = [options.binary, "replay", rows, "--to", f"mqtt://127.0.0.1:{broker.port}/rows"]
        subprocess.run(publish, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        began = time.monotonic()
        with open(directory / "said", "w") as said:
            run = subprocess.Popen(command, cwd=directory, stderr=said)
            ended = grown(lambda: size(directory, name, database), run)
            run.send_signal(signal.SIGTERM)
            run.wait(TIMEOUT)
        said = (directory / "said").read_text()
        assert run.returncode == 0 and f"rows in {options.rows}," in said, said
        return options.rows / (ended - began)
    finally:
        for process in (first, run):
            if process is not None and process.poll() is None:
                process.kill()
        broker.process.kill()
        broker.process.wait()


def subscribed(run, said):
    text = said.read_text()
    assert run.poll() is None, text
    return "subscribed" in text


def grown(size, run):
    """When the results last grew, once they are there."""
    last, at, deadline = 0, time.monotonic(), time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        assert run.poll() is None, "the run has ended"
        now = size()
        if now != last:
            last, at = now, time.monotonic()
        elif last > 0 and time.monotonic() - at > STABLE:
            return at
        time.sleep(0.05)
    raise TimeoutError(f"results grow still, or never came, after {TIMEOUT} s")


def size(directory, name, database):
    if name == "file":
        path = directory / "out.csv"
        return path.stat().st_size if path.exists() else 0
    return int(asked(database, "SELECT pg_relation_size(to_regclass('results'))") or 0)


def asked(database, sql):
    """One connection asks all: a process for each question would take what is measured."""
    if getattr(database, "session", None) is None:
        command = ["psql", "-h", "127.0.0.1", "-p", str(database.port), "-U", "owner", "-d", "postgres", "-XAtq"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        database.session = subprocess.Popen(command, bufsize=1, **pipes)
    database.session.stdin.write(sql + ";\n\\echo .\n")
    database.session.stdin.flush()
    answer = []
    while (line := database.session.stdout.readline()) != ".\n":
        assert line, "psql has ended"
        answer.append(line.rstrip("\n"))
    return "".join(answer)


def copied(database, path):
    """Rows a second of psql's COPY of a run's results into a table like that of the run."""
    database.ask("DROP TABLE IF EXISTS copied")
    database.ask("CREATE TABLE copied (LIKE results)")
    with open(path) as file:
        columns = ", ".join(f'"{name}"' for name in file.readline().strip().split(",") if name not in ("message", "row"))
    rows = path.with_suffix(".copied")
    # A table has no columns of the places of rows.
    subprocess.run(f"cut -d, -f3- {path} > {rows}", shell=True, check=True)
    began = time.monotonic()
    database.ask(f"\\copy copied ({columns}) FROM '{rows}' CSV HEADER")
    seconds = time.monotonic() - began
    return int(database.ask("SELECT count(*) FROM copied")) / seconds


def chain():
    """The subtasks of dataflows/weather.toml."""
    text = (ROOT / "dataflows/weather.toml").read_text()
    return "\n".join(re.findall(r"(?ms)^\[\[subtask\]\].*?(?=^\[(?!\[subtask)|\Z)", text))


if __name__ == "__main__":
    main()
