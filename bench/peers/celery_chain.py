#!/usr/bin/env python3
"""The same chain over Celery and Redis: a chain of sixteen tasks a message.

    celery_chain.py DATAFLOW.toml WORKERS INPUT.ndjson BUCKET_SIZE ROWS SECONDS

Starts a redis-server without persistence and a Celery worker with a pool of WORKERS processes. Blocks go from task to
task pickled, Celery's serializer for Python objects; only the last task of a chain keeps its result. Four messages a
worker are in flight.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import tomllib

from celery import Celery, chain

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import chain as plain

URL = f"redis://127.0.0.1:{os.environ.get('ROWMILL_REDIS', '6379')}/0"
# Of a task that fails in the middle of a chain nothing else tells.
TIMEOUT = 300
app = Celery("celery_chain", broker=URL, backend=URL)
app.conf.update(
    task_serializer="pickle",
    result_serializer="pickle",
    accept_content=["pickle", "json"],
    worker_prefetch_multiplier=4,
    broker_connection_retry_on_startup=True,
)


@app.task(ignore_result=True)
def prepare(batch):
    return timed(0.0, plain.prepare, batch)


@app.task(ignore_result=True)
def method(state, step):
    block, took = state
    return timed(took, plain.apply, block, step)


@app.task
def result(state, rows):
    block, took = state
    return rows, timed(took, plain.result, block)[1]


def timed(before, work, *arguments):
    """What work gives, and the seconds spent on the message so far."""
    start = time.perf_counter()
    block = work(*arguments)
    return block, before + time.perf_counter() - start


def submit(steps, batch):
    tasks = [prepare.s(batch), *(method.s(step) for step in steps), result.s(len(batch))]
    return chain(*tasks).apply_async()


def main():
    dataflow, workers, *load = sys.argv[1:]
    workers, load = int(workers), plain.Load(*load)
    if "ROWMILL_REDIS" not in os.environ:
        # The worker reads this file anew: both must know the port before it is read.
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            os.environ["ROWMILL_REDIS"] = str(free.getsockname()[1])
        os.execv(sys.executable, [sys.executable, *sys.argv])
    steps = tomllib.load(open(dataflow, "rb"))["subtask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory() as directory:
        port = os.environ["ROWMILL_REDIS"]
        redis = subprocess.Popen(["redis-server", "--port", port, "--save", "", "--dir", directory], **quiet)
        celery = [sys.executable, "-m", "celery", "-A", "celery_chain", "worker", "-c", str(workers)]
        # Celery asks for a word before it unpickles as root.
        environment = {**os.environ, "C_FORCE_ROOT": "1"}
        here = os.path.dirname(os.path.abspath(__file__))
        worker = subprocess.Popen(celery, cwd=here, env=environment, **quiet)
        try:
            # The pool is started, and has its imports, before the clock runs.
            few = plain.Load(load.path, 20, 40 * workers, 60)
            [one.get(TIMEOUT) for one in [submit(steps, batch) for batch in few.messages()]]
            messages = load.messages()
            load.tell(list(plain.serve_with(workers, messages, lambda batch: submit(steps, batch), lambda one: one.get(TIMEOUT))))
        finally:
            for process in (worker, redis):
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
