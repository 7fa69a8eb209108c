"""Several MQTT connections: what an idle one costs the others, and what a second one with its own process costs.

    python3 bench/connections.py [--rowmill target/release/rowmill] [--rows 60000] [--rate 2000] [--repeats 5]

Stations publish generated rows at a rate each, a row a publish, at quality of service 1 to mosquitto; a run with sessions
takes them through the subtasks of dataflows/weather.toml to null. First the p99 latency of a row with four connections of
which all are busy, beside the same with one idle. Then CPU a row of one connection with one process, beside two
connections with two. In turn; medians, in brackets the least and the greatest.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time

from soak import chain, free_port, start_broker


def dataflow(directory, port, connections, bucket_size):
    topics = ", ".join(f'"rows/{place}"' for place in range(connections))
    path = pathlib.Path(directory, "mill.toml")
    path.write_text(
        f'name = "connections"\nschema = "davis"\n[source]\nurl = "mqtt://127.0.0.1:{port}/rows/#"\nconnections = [{topics}]\n'
        f'session = true\nqos = 1\n[buffer]\nbucket_size = {bucket_size}\ndelay = "1s"\n{chain()}\n[sink]\nurl = "null"\n'
    )
    station = pathlib.Path(directory, "station.toml")
    station.write_text('name = "station"\nschema = "davis"\n[source]\nurl = "-"\n[buffer]\nbucket_size = 1\n[sink]\nurl = "null"\n')
    return path, station


def run(options, connections, busy, processes, bucket_size, rate):
    """The p99 latency of a row in milliseconds, and CPU in microseconds a row."""
    with tempfile.TemporaryDirectory() as directory:
        port, live = free_port(), pathlib.Path(directory, "live")
        options.cpus = f"0-{os.cpu_count() - 1}"
        broker = start_broker(options, directory, port)
        flow, station = dataflow(directory, port, connections, bucket_size)
        mill = subprocess.Popen(
            [options.rowmill, "run", flow, "--live", live, "-n", str(processes), "-w", "1", "-q"],
        )
        started = [broker]
        try:
            wait(lambda: status(live).get("broker") == {"link": "up"}, "the run subscribes", mill)
            # A connection that is there does not say that all are.
            time.sleep(1)
            rows = options.rows // busy
            for place in range(busy):
                source = f"generate:rows={rows},seed={place + 1},rate={rate}"
                sink = f"mqtt://127.0.0.1:{port}/rows/{place}"
                started.append(subprocess.Popen([options.rowmill, "run", station, "--source", source, "--sink", sink, "-q"]))
            wait(lambda: status(live).get("rows_done", 0) >= rows * busy, "all rows came", mill)
            mill.send_signal(signal.SIGTERM)
            _, code, used = os.wait4(mill.pid, 0)
            assert code == 0, f"the run ended with {code}"
            report = json.loads((live / "report/report.json").read_text())
            assert report["rows_in"] == rows * busy, report["rows_in"]
            cpu = (used.ru_utime + used.ru_stime) / (rows * busy) * 1e6
            return report["latency_ns"]["row"]["p99"] / 1e6, cpu
        finally:
            for process in started:
                process.kill()
                process.wait()
            mill.poll() is None and mill.kill()


def status(live):
    try:
        return json.loads((live / "live.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def wait(there, what, mill, seconds=120):
    until = time.monotonic() + seconds
    while not there():
        assert mill.poll() is None, f"the run ended before {what}"
        assert time.monotonic() < until, f"{what}: not in {seconds} s"
        time.sleep(0.05)


def in_turn(options, settings):
    """The measurements of each setting, taken in turn."""
    taken = {name: [] for name in settings}
    for repeat in range(options.repeats):
        for name in list(settings)[:: 1 if repeat % 2 else -1]:
            taken[name].append(run(options, *settings[name]))
    return taken


def shown(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rowmill", default="target/release/rowmill")
    parser.add_argument("--rows", type=int, default=60_000, help="over all connections")
    parser.add_argument("--rate", type=int, default=2_000, help="rows/s of each busy connection")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    options.rowmill = os.path.abspath(options.rowmill)
    for processes in (1, 2):
        busy = in_turn(options, {n: (4, n, processes, 1, options.rate) for n in (4, 3)})
        for n, taken in busy.items():
            print(f"-n {processes}, {n} of 4 connections busy: p99 of a row {shown([p99 for p99, _ in taken])} ms", flush=True)
    for bucket_size in (1, 100):
        # The same rows a second over one connection and over two.
        settings = {1: (1, 1, 1, bucket_size, 2 * options.rate), 2: (2, 2, 2, bucket_size, options.rate)}
        taken = {n: [cpu for _, cpu in runs] for n, runs in in_turn(options, settings).items()}
        ratios = [two / one for one, two in zip(taken[1], taken[2])]
        print(f"{bucket_size} rows a message, CPU us a row: one connection, one process {shown(taken[1])}; "
              f"two and two {shown(taken[2])}; ratio {shown(ratios)}", flush=True)


if __name__ == "__main__":
    main()
