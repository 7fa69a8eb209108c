"""Two processes of one run on two hosts, with a round trip between them: rows/s and CPU a row.

    python3 bench/hosts.py [--rowmill target/release/rowmill] [--rows 100000] [--round-trips 0,1,20] [--repeats 5]

With root and `ip netns` each process has a network of its own; a relay between the two holds every byte back for half a
round trip, each way, because many kernels have no `netem`. Medians of the repeats, in shuffled order.
"""

import argparse
import asyncio
import json
import os
import pathlib
import random
import resource
import socket
import statistics
import subprocess
import tempfile
import threading

NETS = ["rowmill-a", "rowmill-b"]
ADDRESSES = ["10.213.0.1", "10.213.1.1"]
RELAYS = ["10.213.0.2", "10.213.1.2"]


def own_networks():
    """A network for each process, both with a link to this one; False where that is not possible."""
    if os.geteuid() != 0 or subprocess.run(["ip", "netns"], capture_output=True).returncode != 0:
        return False
    for place, net in enumerate(NETS):
        subprocess.run(["ip", "netns", "add", net], check=True)
        link = f"rowmill{place}"
        subprocess.run(["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", net], check=True)
        subprocess.run(["ip", "addr", "add", f"{RELAYS[place]}/24", "dev", link], check=True)
        subprocess.run(["ip", "link", "set", link, "up"], check=True)
        for command in [
            ["addr", "add", f"{ADDRESSES[place]}/24", "dev", "eth0"],
            ["link", "set", "eth0", "up"],
            ["link", "set", "lo", "up"],
        ]:
            subprocess.run(["ip", "-n", net, *command], check=True)
    return True


def drop_networks():
    for net in NETS:
        subprocess.run(["ip", "netns", "del", net], capture_output=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def carry(reader, writer, delay):
    """Passes bytes on, each `delay` seconds after it came; what came together goes together."""
    loop, waiting = asyncio.get_running_loop(), asyncio.Queue(1024)

    async def send():
        while (item := await waiting.get()) is not None:
            due, data = item
            if (left := due - loop.time()) > 0:
                await asyncio.sleep(left)
            writer.write(data)
            await writer.drain()
        # The other direction may go on.
        writer.write_eof()

    sender = asyncio.create_task(send())
    try:
        while data := await reader.read(1 << 16):
            await waiting.put((loop.time() + delay, data))
    except ConnectionError:
        pass
    await waiting.put(None)
    await asyncio.gather(sender, return_exceptions=True)


class Relay:
    """Listens in this network, and leads to a process."""

    def __init__(self, address, target, round_trip):
        self.address, self.target, self.delay = address, target, round_trip / 2
        self.loop = asyncio.new_event_loop()
        listening = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(listening,), daemon=True)
        self.thread.start()
        listening.wait()

    def run(self, listening):
        asyncio.set_event_loop(self.loop)

        async def accept(reader, writer):
            for _ in range(200):
                try:
                    there = await asyncio.open_connection(*self.target)
                    break
                except OSError:
                    await asyncio.sleep(0.05)
            else:
                return writer.close()
            for end in (writer, there[1]):
                end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.gather(carry(reader, there[1], self.delay), carry(there[0], writer, self.delay))

        async def serve():
            self.server = await asyncio.start_server(accept, *self.address)
            listening.set()

        self.loop.run_until_complete(serve())
        self.loop.run_forever()

    def end(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.server.close()


def measure(rowmill, rows, directory, bucket_size, round_trip, apart):
    """Rows a second and CPU microseconds a row of one run of two processes."""
    ports = [free_port() for _ in range(4)]
    own = [(ADDRESSES[place] if apart else "127.0.0.1", ports[place]) for place in range(2)]
    # Process 0 reaches process 1 by the relay of its own network, and the other way round.
    relayed = [(RELAYS[1 - place] if apart else "127.0.0.1", ports[2 + place]) for place in range(2)]
    relays = [Relay(relayed[place], own[place], round_trip / 1e3) for place in range(2)]
    report = directory / "report"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    children = []
    for place in range(2):
        hosts = [relayed[other] if other != place else own[other] for other in range(2)]
        file = directory / f"hosts-{place}"
        file.write_text("".join(f"{host}:{port}\n" for host, port in hosts))
        command = [rowmill, "run", "dataflows/weather.toml", "--source", rows, "--sink", "null", "--quiet"]
        command += ["-n", "2", "-w", "1", "-p", str(place), "--hostfile", file, "--bucket-size", str(bucket_size)]
        command += ["--report", report] if place == 0 else []
        prefix = ["ip", "netns", "exec", NETS[place]] if apart else []
        children.append(subprocess.Popen([*prefix, *map(str, command)], stderr=subprocess.PIPE))
    try:
        said = [child.communicate(timeout=300)[1].decode() for child in children]
        assert all(child.returncode == 0 for child in children), "\n".join(said)
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
        for relay in relays:
            relay.end()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = json.loads((report / "report.json").read_text())
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return told["rows_per_second"], cpu / told["rows_in"] * 1e6


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rowmill", default="target/release/rowmill")
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--round-trips", default="0,1,20", help="milliseconds")
    arguments.add_argument("--bucket-sizes", default="1,100,1000")
    arguments.add_argument("--repeats", type=int, default=5)
    given = arguments.parse_args()
    os.chdir(pathlib.Path(__file__).resolve().parent.parent)
    numbers = lambda text: [int(part) for part in text.split(",")]
    cases = [(size, trip) for size in numbers(given.bucket_sizes) for trip in numbers(given.round_trips)]
    found = {case: [] for case in cases}
    apart = own_networks()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            directory = pathlib.Path(scratch)
            rows = directory / "rows.ndjson"
            generate = [given.rowmill, "generate", "--rows", str(given.rows), "--seed", "1", "-o", str(rows)]
            subprocess.run(generate, check=True, stderr=subprocess.DEVNULL)
            order = cases * given.repeats
            random.Random(0).shuffle(order)
            for size, trip in order:
                found[size, trip].append(measure(given.rowmill, rows, directory, size, trip, apart))
    finally:
        if apart:
            drop_networks()
    print(f"{given.rows} rows, two processes{' in networks of their own' if apart else ''}")
    print(f"{'rows a message':>14}{'round trip, ms':>16}{'rows/s':>10}{'CPU, us a row':>15}")
    for size, trip in cases:
        rate, cpu = (statistics.median(values) for values in zip(*found[size, trip]))
        print(f"{size:>14}{trip:>16}{rate:>10.0f}{cpu:>15.2f}")


if __name__ == "__main__":
    main()
