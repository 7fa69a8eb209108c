"""The page under load: 50 projects, 4 of them at 10,000 rows/s together, while somebody watches.

Prints the median and the worst time of each address, and what the page's own process takes of a core.
Usage: python3 bench/page.py [target/release/rowmill]
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

PROJECTS, RUNNING, RATE, SECONDS = 50, 4, 2500, 20
ASKED = ["/", "/app.js", "/api/v1/projects", "/api/v1/projects/p00", "/api/v1/projects/p00/live", "/metrics"]


def main():
    binary = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/release/rowmill")
    with open("dataflows/weather.toml") as file:
        weather = file.read()
    with tempfile.TemporaryDirectory() as folder:
        source = f"generate:rows={RATE * 600},seed=1,rate={RATE}"
        toml = weather.replace("mqtt://127.0.0.1:1883/wetter", source).replace("out.ndjson", "null")
        for number in range(PROJECTS):
            with open(f"{folder}/p{number:02}.toml", "w") as file:
                file.write(toml.replace("bucket_size = 1000", "bucket_size = 100"))
        page = subprocess.Popen([binary, "serve", "--listen", "127.0.0.1:0", "--dir", folder], stderr=subprocess.PIPE, text=True)
        root = "http://" + page.stderr.readline().split("http://")[1].strip()
        try:
            measure(root, page.pid)
        finally:
            for number in range(RUNNING):
                run = json.load(open(f"{folder}/.rowmill/p{number:02}/run.json"))
                os.kill(run["pid"], signal.SIGKILL)
            page.send_signal(signal.SIGTERM)
            page.wait()


def measure(root, pid):
    for number in range(RUNNING):
        urllib.request.urlopen(urllib.request.Request(f"{root}/api/v1/projects/p{number:02}/start", method="POST"))
    time.sleep(8)
    for path in ["/api/v1/events", "/api/v1/projects/p00/events"]:
        threading.Thread(target=watch, args=(root + path,), daemon=True).start()
    # What it takes while it is only watched; asking comes after.
    began, cpu = time.monotonic(), cpu_seconds(pid)
    time.sleep(SECONDS)
    share = (cpu_seconds(pid) - cpu) / (time.monotonic() - began)
    taken = {path: [] for path in ASKED}
    for _ in range(100):
        for path in ASKED:
            asked = time.monotonic()
            urllib.request.urlopen(root + path).read()
            taken[path].append(1e3 * (time.monotonic() - asked))
    figures = [project["figures"] for project in json.load(urllib.request.urlopen(root + "/api/v1/projects"))]
    rows = sum(figure["rows_per_second"] for figure in figures if figure)
    print(f"{PROJECTS} projects, {RUNNING} running at {rows:.0f} rows/s together, 2 streams watched")
    for path, times in taken.items():
        print(f"  {path:<28} median {statistics.median(times):6.1f} ms, worst {max(times):6.1f} ms")
    print(f"  the page's own process: {100 * share:.1f} % of a core")


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
