"""A case: its parameters, what the station publishes, and the faults, all drawn from a seed."""

import json
import random
from dataclasses import dataclass, field

from station import Publish

TOPICS = ["rows/a", "rows/b", "rows/c", "rows/d"]
WINDOWS = [1, 2, 7, 20, 100, 1000, 65535]
BUCKET_SIZES = [1, 3, 10, 64, 1000, 20000]
# Longer waits make a case last, nothing else.
DELAYS = ["5ms", "50ms", "300ms"]
# In milliseconds.
COMMITS = [10, 100, 400]
SEVEN = 7
# More than any window, so that publishes without rows fill it.
MOST_PUBLISHES = 5500


@dataclass
class Fault:
    # When, in seconds after the first publish.
    at: float
    # source, sink, dead: their links; source_broker, ...: their brokers; process: one of the run's.
    target: str
    kind: str
    seconds: float = 0.0
    choice: str = ""

    def __str__(self):
        parts = [f"{self.at:.1f}s", self.target, self.kind]
        parts += [f"{self.seconds:.1f}s"] if self.seconds else []
        return " ".join(parts + ([self.choice] if self.choice else []))


@dataclass
class Case:
    number: int
    random: random.Random
    publish_qos: list
    subscribe_qos: int
    connections: object
    processes: int
    workers: int
    window: int
    station_window: int
    bucket_size: int
    delay: str
    commit: int
    payloads: str
    arrays: str
    retain: float
    sink: str
    sink_qos: int
    sink_id: bool
    dead: str
    dead_qos: int
    seconds: float
    # Whether the run is told to end as soon as it has received all, and not when all is written.
    hasty: bool
    # Whether the sink's broker then is away until the run has ended.
    deserted: bool = False
    publishes: list = field(default_factory=list)
    faults: list = field(default_factory=list)

    @staticmethod
    def draw(seed, number):
        r = random.Random(f"{seed}/{number}")
        qos = r.choice([[0], [1], [1], [1], [2], [2], [0, 1, 2]])
        connections = r.choice([1, 1, 1, 2, 3, 4, "topics"])
        case = Case(
            number=number,
            random=r,
            publish_qos=qos,
            subscribe_qos=r.choice([0, 1, 1, 1, 2, 2]),
            connections=TOPICS if connections == "topics" else connections,
            processes=r.choice([1, 1, 2, 3]),
            workers=r.choice([1, 2]),
            window=r.choice(WINDOWS),
            station_window=r.choice([1, 20, 200]),
            bucket_size=r.choice(BUCKET_SIZES),
            delay=r.choice(DELAYS),
            commit=r.choice(COMMITS),
            payloads=r.choice(["numbered", "numbered", "equal", "mixed"]),
            arrays=r.choice(["none", "short", "short", "long", "empty"]),
            retain=r.choice([0, 0, 0, 0.05]),
            sink=r.choice(["csv", "ndjson", "mqtt", "mqtt"]),
            sink_qos=r.choice([0, 1, 1, 2, 2]),
            sink_id=r.random() < 0.5,
            dead=r.choice(["file", "mqtt", "mqtt"]),
            dead_qos=r.choice([1, 1, 2]),
            seconds=r.uniform(1.5, 5),
            hasty=r.random() < 0.25,
        )
        case.deserted = case.hasty and case.sink == "mqtt" and r.random() < 0.4
        if 2 in qos:
            # mosquitto 2.0.11 loses QoS 2 publishes of a client that has more under way than it allows.
            case.station_window = min(case.station_window, case.window, 20)
        case.publishes = case._publishes()
        case.faults = sorted(case._faults(), key=lambda fault: fault.at)
        return case

    def _publishes(self):
        r = self.random
        rows = {"none": 800, "short": 1500, "long": 4000, "empty": 600}[self.arrays]
        unusable = r.choice([0, 0.02, 0.2])
        publishes, number = [], 0
        while number < rows and len(publishes) < MOST_PUBLISHES:
            publish = Publish(r.choice(TOPICS), b"", r.choice(self.publish_qos), r.random() < self.retain)
            count = {
                "none": 1,
                "short": r.choice([1, 1, 1, 0, 2, 5]),
                "long": r.randint(0, 200),
                "empty": int(r.random() < 0.1),
            }[self.arrays]
            elements = []
            for _ in range(count):
                number += 1
                if r.random() < unusable:
                    elements.append(r.choice([f'{{"n": "bad {number}"}}', f'{{"n": [{number}]}}']))
                    publish.unusable.append(elements[-1])
                    continue
                equal = self.payloads == "equal" or (self.payloads == "mixed" and r.random() < 0.5)
                value = SEVEN if equal else 1000 + number
                elements.append(json.dumps({"n": value}))
                publish.numbers.append(value)
            text = elements[0] if count == 1 and r.random() < 0.7 else "[" + ",".join(elements) + "]"
            if r.random() < unusable / 2:
                number += 1
                text = r.choice(["", f'{{"n": {number}', f'[{{"n": {number}}},'])
                publish.numbers, publish.unusable = [], [text]
            if not text:
                publish.retain = False  # It would only delete what is retained.
            publish.payload = text.encode()
            publishes.append(publish)
        return publishes

    def _faults(self):
        r = self.random
        links = ["source"] + ["sink"] * (self.sink == "mqtt") + ["dead"] * (self.dead == "mqtt")
        faults = []
        for _ in range(r.choice([0, 1, 2, 3, 4, 6])):
            at = r.uniform(0.05, self.seconds)
            where = r.choice(["link", "link", "broker", "process"])
            if where == "link":
                kind = r.choice(["cut", "reset", "stall", "stall and cut", "swallow", "away"])
                seconds = r.uniform(0.05, 2) if kind not in ("cut", "reset") else 0.0
                choice = r.choice(["up", "down"]) if kind == "swallow" else ""
                fault = Fault(at, r.choice(links), kind, seconds, choice)
            elif where == "broker":
                kind = r.choice(["restart", "restart", "kill", "pause"])
                seconds = r.uniform(0.05, 2) if kind == "pause" else 0.0
                fault = Fault(at, r.choice(links) + "_broker", kind, seconds)
            else:
                kind = r.choice(["kill", "kill", "kill early", "terminate", "freeze"])
                fault = Fault(at, "process", kind, r.uniform(0.05, 3) if kind == "freeze" else 0.0)
            faults.append(fault)
        return faults

    @property
    def shape(self):
        """Processes and workers of the next start: any number goes on where another ended."""
        return self.random.choice([1, 2, 3, self.processes, self.processes]), self.random.choice([1, 2])

    @property
    def connection_count(self):
        return len(self.connections) if isinstance(self.connections, list) else self.connections

    def reached(self, publish):
        """The quality of service at which a publish comes."""
        return min(publish.qos, self.subscribe_qos)

    def struck(self, *targets):
        return any(fault.target in targets for fault in self.faults)

    def dataflow(self, ports):
        sink = {"csv": "out.csv", "ndjson": "out.ndjson"}.get(self.sink) or f"mqtt://127.0.0.1:{ports['sink']}/results"
        dead = "dead.ndjson" if self.dead == "file" else f"mqtt://127.0.0.1:{ports['dead']}/dead"
        lines = [
            'name = "case"',
            'schema = { number = ["n"] }',
            "[source]",
            f'url = "mqtt://127.0.0.1:{ports["source"]}/rows/#"',
            "session = true",
            f"qos = {self.subscribe_qos}",
            f"connections = {json.dumps(self.connections)}",
            "[buffer]",
            f"bucket_size = {self.bucket_size}",
            f'delay = "{self.delay}"',
            "[checkpoint]",
            f'every = "{self.commit}ms"',
            "[sink]",
            f'url = "{sink}"',
        ]
        if self.sink == "mqtt":
            lines += [f"qos = {self.sink_qos}"] + ['client_id = "case-sink"'] * self.sink_id
        lines += ["[dead_letter]", f'url = "{dead}"'] + [f"qos = {self.dead_qos}"] * (self.dead == "mqtt")
        return "\n".join(lines) + "\n"

    def __str__(self):
        connections = "topics" if isinstance(self.connections, list) else self.connections
        sink = f"mqtt:{self.sink_qos}{'+id' * self.sink_id}" if self.sink == "mqtt" else self.sink
        dead = f"mqtt:{self.dead_qos}" if self.dead == "mqtt" else self.dead
        return (
            f"qos {'/'.join(map(str, self.publish_qos))}>{self.subscribe_qos} connections {connections} "
            f"n {self.processes} w {self.workers} window {self.window} bucket {self.bucket_size} {self.delay} "
            f"commit {self.commit}ms {self.payloads} arrays {self.arrays}{' retained' * bool(self.retain)} sink {sink} "
            f"dead {dead}{' hasty' * self.hasty}{' deserted' * self.deserted}; "
            f"{len(self.publishes)} publishes in {self.seconds:.1f}s; "
            f"faults: {', '.join(map(str, self.faults)) or 'none'}"
        )
