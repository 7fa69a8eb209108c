#!/usr/bin/env python3
"""Messages of Sparkplug B as an edge node sends them, and the rows that they mean, for the tests of `tests/mqtt.rs` and
the fuzzer. The encoder is pysparkplug:

    python3 -m pip install pysparkplug && scripts/make_sparkplug_goldens.py

`data/payloads/sparkplug.ndjson` has a message a line, its payload as base64.
"""

import base64, gzip, json, zlib
from datetime import datetime, timezone
from pathlib import Path

from pysparkplug import DBirth, DData, DDeath, DataType, Metric, NBirth, NData, NDeath
from pysparkplug._protobuf import Payload

ROOT = Path(__file__).parent.parent
TIME = 1_709_294_400_000
messages, rows = [], []
COLUMNS = ["node", "device", "timestamp", "temperature", "pressure", "status", "count", "online", "inside", "offset"]


def send(kind, message, node, device=None, row=None, **options):
    level = f"/{device}" if device else ""
    payload = base64.b64encode(message.encode(**options)).decode()
    messages.append({"topic": f"spBv1.0/roof/{kind}/{node}{level}", "payload": payload})
    if row is not None:
        place = {"node": node, "device": device, "timestamp": message.timestamp}
        rows.append({column: (place | row).get(column) for column in COLUMNS})


def metric(name, datatype, value, alias=None, at=None, **more):
    return Metric(timestamp=at or TIME, name=name, datatype=datatype, value=value, alias=alias, **more)


OUTSIDE = [
    ("Outside/Temperature", DataType.FLOAT, 21.5, 1),
    ("Outside/Pressure", DataType.DOUBLE, 1013.25, 2),
    ("Status", DataType.STRING, "dry", 3),
    ("Rain/Count", DataType.UINT32, 0, 4),
    ("Online", DataType.BOOLEAN, True, 5),
    ("Offset", DataType.INT16, 0, 6),
]


def node_birth(node, session, at):
    birth = NBirth(timestamp=at, seq=0, metrics=(
        metric("bdSeq", DataType.INT64, session),
        metric("Node Control/Rebirth", DataType.BOOLEAN, False),
        metric("Inside/Temperature", DataType.INT8, 20, 100),
    ))
    send("NBIRTH", birth, node)


def device_birth(node, seq, at):
    birth = DBirth(timestamp=at, seq=seq, metrics=tuple(metric(*metric_of) for metric_of in OUTSIDE))
    send("DBIRTH", birth, node, "station")


def by_alias(*metrics, at=None, nulls=()):
    types = {alias: datatype for _, datatype, _, alias in OUTSIDE} | {100: DataType.INT8}
    return tuple(metric(None, types[alias], value, alias, at, is_null=value is None) for alias, value in metrics)


for node in ("north", "south"):
    node_birth(node, 7, TIME)
    device_birth(node, 1, TIME + 1)
send("DDATA", DData(timestamp=TIME + 1000, seq=2, metrics=by_alias((1, 22.25), (2, 1013.5), (3, "wet"), (4, 4_000_000_000), (5, False), (6, -300))),
     "north", "station",
     {"temperature": 22.25, "pressure": 1013.5, "status": "wet", "count": 4_000_000_000, "online": 0, "offset": -300})
send("NDATA", NData(timestamp=TIME + 2000, seq=3, metrics=by_alias((100, -5))), "north", None, {"inside": -5})
# Only what has changed.
send("DDATA", DData(timestamp=TIME + 3000, seq=2, metrics=by_alias((2, 1014.0))), "south", "station", {"pressure": 1014.0})
send("DDATA", DData(timestamp=TIME + 4000, seq=4, metrics=by_alias((1, None), (2, 1012.0))), "north", "station", {"pressure": 1012.0})
# By name, with types.
named = (metric("Outside/Temperature", DataType.FLOAT, -0.5), metric("Status", DataType.STRING, "frost"))
send("DDATA", DData(timestamp=TIME + 5000, seq=3, metrics=named), "south", "station", {"temperature": -0.5, "status": "frost"})
# Kept while there was no connection: a metric comes more than once.
late = by_alias((1, 18.0), at=TIME + 5100) + by_alias((1, 18.5), (2, 1011.0), at=TIME + 5200)
send("DDATA", DData(timestamp=TIME + 6000, seq=5, metrics=late), "north", "station")
for at, row in [(5100, {"temperature": 18.0}), (5200, {"temperature": 18.5, "pressure": 1011.0})]:
    row = {"node": "north", "device": "station", "timestamp": TIME + at} | row
    rows.append({column: row.get(column) for column in COLUMNS})
# The device goes and comes again; the node does, with a new session, and the end of the old one comes late.
send("DDEATH", DDeath(timestamp=TIME + 7000, seq=6), "north", "station")
device_birth("north", 7, TIME + 7100)
send("DDATA", DData(timestamp=TIME + 7200, seq=8, metrics=by_alias((1, 19.0))), "north", "station", {"temperature": 19.0})
node_birth("south", 8, TIME + 8000)
send("NDEATH", NDeath(timestamp=TIME + 8001, bd_seq_metric=metric("bdSeq", DataType.INT64, 7)), "south")
device_birth("south", 1, TIME + 8100)
send("DDATA", DData(timestamp=TIME + 8200, seq=2, metrics=by_alias((1, 17.0), (6, 12))), "south", "station", {"temperature": 17.0, "offset": 12})


def lines(values):
    return "".join(json.dumps(value) + "\n" for value in values)


payloads = ROOT / "data/payloads"
payloads.joinpath("sparkplug.ndjson").write_text(lines(messages))
payloads.joinpath("sparkplug.rows.ndjson").write_text(lines(rows))
corpus = ROOT / "tests/fuzz/corpus/sparkplug"
corpus.mkdir(parents=True, exist_ok=True)
# Each message behind its length and the number of its type: NBIRTH, DBIRTH, NDATA, DDATA, NDEATH, DDEATH.
TYPES = ["NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH"]
whole = b""
for message in messages:
    payload = base64.b64decode(message["payload"])
    kind = TYPES.index(message["topic"].split("/")[2])
    whole += bytes([kind]) + len(payload).to_bytes(2, "little") + payload
corpus.joinpath("messages").write_bytes(whole)


# Packed payloads, as Eclipse Tahu's CompressionUtil writes them, and metrics that are templates and data sets:
# `tests/formats/sparkplug.ndjson` has a message a line, with the row that it means.
def packed(payload, algorithm, named=True):
    body = payload.SerializeToString()
    outer = Payload(uuid="SPBV1.0_COMPRESSED", seq=payload.seq)
    outer.body = gzip.compress(body, mtime=0) if algorithm == "GZIP" else zlib.compress(body)
    if named:
        outer.metrics.add(name="algorithm", datatype=DataType.STRING, string_value=algorithm)
    return outer


def pump(metric, datatypes, **values):
    metric.name = "Pump"
    metric.template_value.template_ref = "Pump"
    for name, (datatype, key) in {"rpm": (DataType.INT16, "int_value"), "hot": (DataType.BOOLEAN, "boolean_value")}.items():
        inner = metric.template_value.metrics.add(name=name, **{key: values[name]})
        if datatypes:
            inner.datatype = datatype
    if datatypes:
        metric.datatype = DataType.TEMPLATE


def table(metric, *rows):
    metric.name, metric.datatype = "Log", DataType.DATASET
    metric.dataset_value.num_of_columns = 2
    metric.dataset_value.columns.extend(["t", "n"])
    metric.dataset_value.types.extend([DataType.DOUBLE, DataType.INT8])
    for t, n in rows:
        row = metric.dataset_value.rows.add()
        row.elements.add(double_value=t)
        row.elements.add(int_value=n % 2**32)


kept = []
birth = Payload(timestamp=TIME, seq=0)
birth.metrics.add(name="bdSeq", datatype=DataType.INT64, long_value=1)
birth.metrics.add(name="temp", alias=1, datatype=DataType.INT16, int_value=20)
pump(birth.metrics.add(), True, rpm=0, hot=False)
table(birth.metrics.add())
kept.append(("NBIRTH", birth, None))
for seq, (algorithm, named) in enumerate([("GZIP", True), ("DEFLATE", True), ("DEFLATE", False)], 1):
    data = Payload(timestamp=TIME + seq, seq=seq)
    data.metrics.add(alias=1, int_value=(-5 * seq) % 2**32)
    kept.append(("NDATA", packed(data, algorithm, named), {"timestamp": TIME + seq, "temp": -5 * seq}))
data = Payload(timestamp=TIME + 4, seq=4)
pump(data.metrics.add(), False, rpm=(-300) % 2**32, hot=True)
table(data.metrics.add(), (1.5, -1), (2.5, 2))
kept.append(("NDATA", data, {"timestamp": TIME + 4, "Pump": {"rpm": -300, "hot": True},
                              "Log": [{"t": 1.5, "n": -1}, {"t": 2.5, "n": 2}]}))
with open(ROOT / "tests/formats/sparkplug.ndjson", "w") as file:
    for kind, payload, row in kept:
        payload = base64.b64encode(payload.SerializeToString()).decode()
        print(json.dumps({"topic": f"spBv1.0/roof/{kind}/packed", "payload": payload, "row": row}), file=file)
