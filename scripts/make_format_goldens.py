#!/usr/bin/env python3
"""Rows as the formats' own reference libraries write them, for the tests of `src/format/formats` and for the fuzzer:

    python3 -m pip install cbor2 kpn-senml msgpack && scripts/make_format_goldens.py

`tests/formats/rows.ndjson` has the rows as JSON; bytes are base64url there, as RFC 8949 advises.
"""

import base64, builtins, json, math
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import cbor2, msgpack

builtins.basestring = str  # kpn_senml has Python 2's name for it.
import kpn_senml

ROOT = Path(__file__).parent.parent
NESTED = {"uplink": {"decoded": {"temperature": 21.5, "values": [1, -2, 3.25]}}, "deep": [[[{"x": None}]]]}
ROWS = [
    {"a": 1, "b": -2.5, "dateTime": "2024-03-01 12:00:00"},
    {"a": 2**64 - 1, "b": -(2**63), "text": "é \"quoted\" \\ \n\t🍭", "long": "x" * 300},
    {"a": True, "b": None, "bytes": b"\x00\xff\x10", "empty": {}, "none": []},
    {"many": list(range(20)), "wide": {f"k{n}": n for n in range(20)}, **NESTED},
    {"a": 1e300, "b": 5e-324, "c": 0.1, "d": -0.0},
]
CBOR_ONLY = [
    {"big": 2**64, "bigger": -(2**100), "decimal": Decimal("273.15"), "time": datetime(2024, 3, 1, tzinfo=timezone.utc)},
    {"inf": math.inf, "nan": math.nan},
]
CBOR_JSON = [
    {"big": 2**64, "bigger": -(2**100), "decimal": 273.15, "time": "2024-03-01T00:00:00Z"},
    {"inf": "inf", "nan": None},
]
MSGPACK_ONLY = [{"time": msgpack.Timestamp(1_700_000_000, 250_000_000), "ext": msgpack.ExtType(5, b"\x01\x02")}]
MSGPACK_JSON = [{"time": 1700000000.25, "ext": "AQI"}]

SENML = [
    {"bn": "urn:dev:ow:1:", "time": 1700000000.0, "temp": 23.5, "temp_u": "Cel", "hum": 67, "hum_u": "%RH",
     "label": "Machine Room", "open": False, "blob": b"hi \n\xff", "energy_s": 44.0},
    {"bn": "urn:dev:ow:1:", "time": 1699999940.0, "temp": 23.25, "temp_u": "Cel"},
]


def pack():
    """The rows above as one pack in CBOR."""
    celsius, humidity = kpn_senml.SenmlUnits.SENML_UNIT_DEGREES_CELSIUS, kpn_senml.SenmlUnits.SENML_UNIT_RELATIVE_HUMIDITY
    pack = kpn_senml.SenmlPack("urn:dev:ow:1:")
    pack.base_time = 1700000000
    for name, fields in [
        ("temp", {"unit": celsius, "value": 23.5}), ("hum", {"unit": humidity, "value": 67}),
        ("label", {"value": "Machine Room"}), ("open", {"value": False}), ("blob", {"value": bytearray(b"hi \n\xff")}),
        ("energy", {"sum": 44.0, "value": 1.5, "update_time": 60}),
        ("temp", {"unit": celsius, "value": 23.25, "time": 1699999940}),
    ]:
        pack.add(kpn_senml.SenmlRecord(name, **fields))
    return bytes(pack.to_cbor())


def plain(value):
    if isinstance(value, bytes):
        return base64.urlsafe_b64encode(value).decode().rstrip("=")
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def lines(rows):
    return "".join(json.dumps(plain(row), ensure_ascii=False) + "\n" for row in rows)


def corpus(name, number, payload):
    (ROOT / "tests/fuzz/corpus/format" / name).write_bytes(bytes([number]) + payload)


formats = ROOT / "tests/formats"
formats.joinpath("rows.ndjson").write_text(lines(ROWS))
formats.joinpath("cbor_rows.ndjson").write_text(lines(ROWS + CBOR_JSON))
formats.joinpath("msgpack_rows.ndjson").write_text(lines(ROWS + MSGPACK_JSON))
# One array, and items one behind the other.
formats.joinpath("array.cbor").write_bytes(cbor2.dumps(ROWS))
formats.joinpath("sequence.cbor").write_bytes(b"".join(map(cbor2.dumps, ROWS + CBOR_ONLY)))
formats.joinpath("canonical.cbor").write_bytes(cbor2.dumps(ROWS, canonical=True))
formats.joinpath("array.msgpack").write_bytes(msgpack.packb(ROWS))
formats.joinpath("sequence.msgpack").write_bytes(b"".join(map(msgpack.packb, ROWS + MSGPACK_ONLY)))
# As old writers do: floats of 32 bits, and no type for bytes.
formats.joinpath("single.msgpack").write_bytes(msgpack.packb([{"a": 1.5, "b": 0.25}], use_single_float=True))
formats.joinpath("pack.senmlc").write_bytes(pack())
formats.joinpath("senml_rows.ndjson").write_text(lines(SENML))

corpus("value", 3, b"17.4")
corpus("form", 4, b"PASSKEY=0011&dateTime=2024-03-01+12:00:00&a=54.3&b=%36")
corpus("influx", 5, b'weather,station=da\\ vis a=54.3,b=80i,dateTime="x\\"y",c=t 1700000000000000000\n# no row\nm a=.5\n')
corpus("senml", 6, b'[{"bn":"urn:dev:ow:1:","bt":1700000000,"n":"a","u":"Cel","v":23.1},{"n":"b","t":-5,"v":67.0,"s":1}]')
corpus("senml_cbor", 6, pack())
corpus("cbor", 7, cbor2.dumps(ROWS))
corpus("cbor_sequence", 7, b"".join(map(cbor2.dumps, CBOR_ONLY)))
corpus("msgpack", 8, msgpack.packb(ROWS))
corpus("msgpack_sequence", 8, b"".join(map(msgpack.packb, MSGPACK_ONLY)))
