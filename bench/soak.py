"""An hour at half of the capacity: does memory grow, and does latency?

mosquitto keeps what a station publishes (quality of service 1, a row a publish); a run with a session takes it through
the sixteen subtasks into a file. The capacity is what the same set-up does when the station publishes as fast as it
can. All share the processors named by --cpus. Prints memory and the p99 latency of rows of the first and the last ten
minutes, and checks that every row came.
Usage: python3 bench/soak.py [--minutes 60] [--cpus 0,1] [--rate ROWS_A_SECOND] [--bucket-size 100] [-o DIR] [BINARY]
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import tempfile
import time

WINDOW, WARM_UP = 600, 900


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", nargs="?", default="target/release/rowmill")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--cpus", default="0-%d" % (os.cpu_count() - 1))
    parser.add_argument("--rate", type=float, help="half of the capacity if not given")
    parser.add_argument("--bucket-size", type=int, default=100)
    parser.add_argument("-o", "--output", help="keeps samples.csv here")
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    with tempfile.TemporaryDirectory() as directory:
        rate = options.rate or capacity(options, directory) / 2
        samples, published = soak(options, directory, rate, int(rate * options.minutes * 60))
    if options.output:
        keep(samples, pathlib.Path(options.output))
    tell(samples, published, rate)


def capacity(options, directory):
    """Rows a second when the station never rests."""
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        samples, _ = soak(options, folder, 1e9, 1_000_000)
    rows = samples[-1]["rows"] / samples[-1]["seconds"]
    print(f"capacity {rows:.0f} rows/s", flush=True)
    return rows


def soak(options, directory, rate, rows):
    port = free_port()
    broker = start_broker(options, directory, port)
    pinned = ["taskset", "-c", options.cpus, options.binary, "run"]
    url = f"mqtt://127.0.0.1:{port}/rows"
    live = pathlib.Path(directory, "live")
    output = f"{directory}/out.csv"
    mill = subprocess.Popen(
        [*pinned, dataflow(directory, "mill", chain()), "--source", url, "--sink", output, "--live", live, "-q"]
        + ["--set", "source.session=true", "--set", "source.qos=1", "--bucket-size", str(options.bucket_size)],
    )
    while not (live / "live.json").exists():
        time.sleep(0.1)
    source = f"generate:rows={rows},seed=1,rate={rate:.0f}"
    station = subprocess.Popen(
        [*pinned, dataflow(directory, "station", ""), "--source", source, "--sink", url, "--bucket-size", "1", "-q"],
    )
    samples, ended = [], None
    try:
        while ended is None or samples[-1]["done"] < rows and time.monotonic() < ended + 60:
            time.sleep(1)
            samples.append(sample(live, mill.pid))
            if ended is None and station.poll() is not None:
                assert station.returncode == 0, "the station failed"
                ended = time.monotonic()
        mill.send_signal(signal.SIGTERM)
        assert mill.wait() == 0, "the run failed"
    finally:
        for process in (station, mill, broker):
            process.kill()
            process.wait()
    report = json.loads((live / "live.json").read_text())
    assert report["rows_in"] == rows, f"{rows} rows were published, {report['rows_in']} came"
    return samples, rows


def sample(live, pid):
    now = json.loads((live / "live.json").read_text())
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
    moment = now["now"]
    return {
        "seconds": now["seconds"],
        "rows": now["rows_done"],
        "done": now["rows_done"] + now["dead_letters"],
        "resident_mib": resident,
        "p50_ms": moment["row_p50"] / 1e6,
        "p99_ms": moment["row_p99"] / 1e6,
        "rho": moment["rho"],
    }


def tell(samples, published, rate):
    end = samples[-1]["seconds"]
    first = [s for s in samples if s["seconds"] <= WINDOW]
    last = [s for s in samples if s["seconds"] > end - WINDOW]
    warm = [s for s in samples if s["seconds"] > WARM_UP] or samples
    hours = [s["seconds"] / 3600 for s in warm]
    fit = statistics.linear_regression(hours, [s["resident_mib"] for s in warm])
    print(f"{published} rows at {rate:.0f} rows/s in {end / 60:.1f} minutes, all came")
    print(f"memory {samples[0]['resident_mib']:.1f} MiB, then {warm[0]['resident_mib']:.1f}, at the end "
          f"{samples[-1]['resident_mib']:.1f}; slope {fit.slope:+.2f} MiB/h behind the first {WARM_UP / 60:.0f} minutes")
    for name, part in [("first", first), ("last", last)]:
        p99 = [s["p99_ms"] for s in part]
        print(f"p99 of rows, second by second, {name} ten minutes: median {statistics.median(p99):.2f} ms, "
              f"mean {statistics.mean(p99):.2f}, worst {max(p99):.2f}; p50 {statistics.median(s['p50_ms'] for s in part):.2f}")
    ratio = statistics.median(s["p99_ms"] for s in last) / statistics.median(s["p99_ms"] for s in first)
    print(f"p99 last / first: {ratio:.2f}")


def keep(samples, folder):
    folder.mkdir(parents=True, exist_ok=True)
    lines = [",".join(samples[0])] + [",".join(f"{value:.3f}" for value in s.values()) for s in samples]
    (folder / "samples.csv").write_text("\n".join(lines) + "\n")


def chain():
    """The subtasks of dataflows/weather.toml."""
    text = pathlib.Path("dataflows/weather.toml").read_text()
    return text[text.index("[[subtask]]"):text.index("[sink]")]


def dataflow(directory, name, subtasks):
    path = f"{directory}/{name}.toml"
    pathlib.Path(path).write_text(
        f'name = "{name}"\nschema = "davis"\n[source]\nurl = "-"\n[buffer]\nbucket_size = 1\ndelay = "1s"\n'
        f'{subtasks}\n[sink]\nurl = "null"\n'
    )
    return path


def start_broker(options, directory, port):
    config = pathlib.Path(directory, "mosquitto.conf")
    config.write_text(f"listener {port} 127.0.0.1\nuser root\nallow_anonymous true\npersistence true\n"
                      f"persistence_location {directory}/\nmax_queued_messages 0\nlog_type error\n")
    broker = subprocess.Popen(["taskset", "-c", options.cpus, "/usr/sbin/mosquitto", "-c", config])
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return broker
        except ConnectionRefusedError:
            time.sleep(0.05)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


if __name__ == "__main__":
    main()
