"""The page under load, in two parts, each against its bars.

200 projects, 20 of them at 10,000 rows/s together, while somebody watches: the median and the worst time of each
address, and what the page's own process takes of a core. Then with 500 half-open and 500 idle connections and 200
streams of events beside it: the time of the list. Exits with 1 if a bar is missed.

Usage: python3 bench/page.py [target/release/rowmill] [--seconds N]
"""

import argparse
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

PROJECTS, RUNNING, RATE = 200, 20, 500
HALF_OPEN, IDLE, STREAMS = 500, 500, 200
LIST = "/api/v1/projects"
ASKED = ["/", "/app.js", LIST, "/api/v1/projects/p000", "/api/v1/projects/p000/live", "/metrics"]
# Milliseconds of the list, alone and under the load of connections; the share of a core.
BARS = {"list": 50, "list under load": 100, "share of a core": 0.05}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", nargs="?", default="target/release/rowmill")
    parser.add_argument("--seconds", type=float, default=20, help="how long it is only watched")
    given = parser.parse_args()
    binary = os.path.abspath(given.binary)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    with open("dataflows/weather.toml") as file:
        weather = file.read()
    with tempfile.TemporaryDirectory() as folder:
        source = f"generate:rows={RATE * 3600},seed=1,rate={RATE}"
        toml = weather.replace("mqtt://127.0.0.1:1883/wetter", source).replace("out.ndjson", "null")
        for number in range(PROJECTS):
            with open(f"{folder}/p{number:03}.toml", "w") as file:
                file.write(toml.replace("bucket_size = 1000", "bucket_size = 100"))
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--dir", folder]
        page = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        root = "http://" + page.stderr.readline().split("http://")[1].strip()
        threading.Thread(target=page.stderr.read, daemon=True).start()
        try:
            found = measure(root, page.pid, given.seconds)
        finally:
            for number in range(RUNNING):
                try:
                    os.kill(json.load(open(f"{folder}/.rowmill/p{number:03}/run.json"))["pid"], signal.SIGKILL)
                except OSError:
                    pass
            page.send_signal(signal.SIGTERM)
            page.wait()
    missed = [name for name, bar in BARS.items() if found[name] > bar]
    print("missed: " + ", ".join(missed) if missed else "all bars hold")
    raise SystemExit(1 if missed else 0)


def measure(root, pid, seconds):
    for number in range(RUNNING):
        urllib.request.urlopen(urllib.request.Request(f"{root}{LIST}/p{number:03}/start", method="POST"))
    time.sleep(8)
    for path in ["/api/v1/events", "/api/v1/projects/p000/events"]:
        threading.Thread(target=watch, args=(root + path,), daemon=True).start()
    # What it takes while it is only watched; asking comes after.
    began, cpu = time.monotonic(), cpu_seconds(pid)
    time.sleep(seconds)
    share = (cpu_seconds(pid) - cpu) / (time.monotonic() - began)
    taken = {path: [] for path in ASKED}
    for _ in range(50):
        for path in ASKED:
            taken[path].append(milliseconds(root + path))
    figures = [project["figures"] for project in json.load(urllib.request.urlopen(root + LIST))]
    rows = sum(figure["rows_per_second"] for figure in figures if figure)
    print(f"{PROJECTS} projects, {RUNNING} running at {rows:.0f} rows/s together, 2 streams watched")
    for path, times in taken.items():
        print(f"  {path:<28} median {statistics.median(times):6.1f} ms, worst {max(times):6.1f} ms")
    print(f"  the page's own process: {100 * share:.1f} % of a core")
    held = load(root)
    times = [milliseconds(root + LIST) for _ in range(50)]
    print(f"{HALF_OPEN} half-open and {IDLE} idle connections and {STREAMS} streams beside it")
    print(f"  {LIST:<28} median {statistics.median(times):6.1f} ms, worst {max(times):6.1f} ms")
    for connection in held:
        connection.close()
    under_load = statistics.median(times)
    return {"list": statistics.median(taken[LIST]), "list under load": under_load, "share of a core": share}


def milliseconds(url):
    asked = time.monotonic()
    urllib.request.urlopen(url).read()
    return 1e3 * (time.monotonic() - asked)


def load(root):
    """Connections that send half a request, none, or read a stream in a process of their own."""
    host, port = root.removeprefix("http://").split(":")
    connections = [socket.create_connection((host, int(port))) for _ in range(HALF_OPEN + IDLE)]
    for connection in connections[:HALF_OPEN]:
        connection.sendall(b"GET /api/v1/projects HTTP/1.1\r\nhost: loc")
    streams = []
    for number in range(STREAMS):
        path = "/api/v1/events" if number % 2 else f"{LIST}/p{number % RUNNING:03}/events"
        stream = socket.create_connection((host, int(port)))
        stream.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        streams.append(stream)
    # The reader must not wait for this process, whose times are measured.
    if os.fork() == 0:
        read_all(streams)
        os._exit(0)
    for stream in streams:
        stream.close()
    time.sleep(5)
    return connections


def read_all(streams):
    import selectors

    selector = selectors.DefaultSelector()
    for stream in streams:
        selector.register(stream, selectors.EVENT_READ)
    while selector.get_map():
        for key, _ in selector.select():
            if not key.fileobj.recv(1 << 20):
                selector.unregister(key.fileobj)


def watch(url):
    with urllib.request.urlopen(url) as stream:
        for _ in stream:
            pass


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
