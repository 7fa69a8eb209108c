"""What came out: rows of a file or of a receiver, and dead letters."""

import base64
import json
from dataclasses import dataclass


@dataclass
class Result:
    row: int
    message: int
    n: int


@dataclass
class DeadLetter:
    row: int
    topic: str
    position: int
    raw: str


def complete_lines(path):
    """The lines of a file that have their end, and what is behind them."""
    data = path.read_bytes() if path.exists() else b""
    whole, _, rest = data.rpartition(b"\n")
    return (whole.split(b"\n") if whole else []), rest


def csv_result(line):
    message, row, n = line.decode().split(",")
    return Result(int(row), int(message), int(float(n)))


def json_result(line):
    fields = json.loads(line)
    return Result(fields["row"], fields["message"], int(fields["n"]))


def dead_letter(line):
    fields = json.loads(line)
    raw = fields["raw"] if "raw" in fields else base64.b64decode(fields["raw_base64"]).decode()
    return DeadLetter(fields["row"], fields["topic"], fields["position"], raw)


class FileOutput:
    """Lines of a file; the first one of a CSV file is its header."""

    def __init__(self, path, parse, header=None):
        self.path, self.parse, self.header = path, parse, header

    def lines(self):
        lines, _ = complete_lines(self.path)
        return lines[1:] if self.header and lines[:1] == [self.header] else lines

    def records(self):
        return [self.parse(line) for line in self.lines()]

    def rest(self):
        return complete_lines(self.path)[1]


class ReceivedOutput:
    def __init__(self, receiver, parse):
        self.receiver, self.parse = receiver, parse

    def lines(self):
        return self.receiver.lines()

    def records(self):
        return [self.parse(line) for line in self.lines()]

    def rest(self):
        return b""
