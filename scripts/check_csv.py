#!/usr/bin/env python3
"""Reads random CSV dialects with Rowmill and with pandas.read_csv, and compares every cell.

    check_csv.py ROWMILL [--cases N] [--seed S]     N random files, each in a dialect of its own
    check_csv.py --self-test                        plants errors, each of which must be found

A dialect is a separator, a decimal mark, thousands that stand apart, lines before the header, a line of units, comments,
an encoding, surplus empty cells, line ends, quoted cells. Half of the files say it (`csv = {..}`), half leave it to be found; half have a schema,
half infer it. Exit code 0 if nothing differs, 1 otherwise; a case that differs is shown whole.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas

NAMES = ["temp", "hum", "Wind Speed", "Bar", "Temp Out", "rain rate", "Außen", "dew_point", "UV", "Hi"]
TEXTS = ["station", "event", "note", "Straße"]
WORDS = ["boot", "davis", "garden gate", "Süd", "a \"b\" c", "north-east", "x;y", "p,q", "v|w", "two\nlines", "5\" pipe"]
MISSING = ["", "---", "NaN", "NA", "null"]
PREAMBLE = ["Example Hill", "Logger 7", "Sensors: barometer, ISS", "exported", "Site of the station"]
COMMENTS = ["# logger 7, depth 2 m", "# battery changed", "#", "# a; b; c"]
UNITS = ["°C", "%", "km/h", "hPa"]
# A process takes longer to begin than to read a file of some lines.
CASES_A_PROCESS = 100


class Case:
    """A file, how a dataflow describes it, and the table that pandas reads from it."""

    def __init__(self, seed):
        draw = random.Random(seed)
        self.seed = seed
        self.said, self.infer = draw.random() < 0.5, draw.random() < 0.5
        self.separator = draw.choice(",;\t|")
        self.decimal = draw.choice(".,") if self.separator != "," else "."
        # Apostrophes are found; the mark that is not the decimal one is said in the schema.
        other = "" if self.infer else ",."[self.decimal == ","]
        self.thousands = draw.choice(["", "", "", "'", other])
        self.ending = draw.choice(["\n", "\r\n"])
        self.encoding = draw.choice(["utf-8", "utf-8-sig", "utf-16", "windows-1252" if self.said else "utf-8"])
        numbers = [draw.choice(NAMES) for _ in range(draw.randint(1, 4))]
        if draw.random() < 0.7:
            numbers = list(dict.fromkeys(numbers))
        texts = draw.sample(TEXTS, draw.randint(0 if len(numbers) > 1 else 1, 2))
        self.columns = [(name, True) for name in numbers] + [(name, False) for name in texts]
        draw.shuffle(self.columns)
        self.surplus = draw.choice([0, 0, 0, 1, 3])
        comments = draw.random() < 0.4
        self.comment = "%" if comments and self.said and draw.random() < 0.5 else "#" if comments else None
        lines, rows = [], [self.row(draw) for _ in range(draw.randint(1, 12))]
        skip = draw.choice([0, 0, 1, 2, 3])
        # What is found is a header above rows as wide as it; a line of two words between
        # commas could be that, too: nobody can tell it from a header above a row of words.
        alike = self.separator == "," and not self.said and self.infer
        before = draw.sample([line for line in PREAMBLE if not (alike and "," in line)], skip)
        self.skip = skip
        lines += before
        if comments:
            lines += [self.remark(draw) for _ in range(draw.randint(1, 2))]
        if draw.random() < 0.3:
            lines.append("")
        lines.append(self.line(draw, [self.quoted(draw, name) for name, _ in self.columns]))
        self.units = draw.random() < 0.3
        if self.units:
            lines.append(self.separator.join(draw.choice(UNITS) if number else "" for _, number in self.columns))
        for row in rows:
            if comments and draw.random() < 0.2:
                lines.append(self.remark(draw))
            if draw.random() < 0.1:
                lines.append("")
            lines.append(self.line(draw, row))
        self.text = self.ending.join(lines) + draw.choice(["", self.ending])
        self.header_line = next(at for at, line in enumerate(lines) if at >= skip and line and not self.is_remark(line))

    def remark(self, draw):
        return draw.choice(COMMENTS).replace("#", self.comment)

    def is_remark(self, line):
        return self.comment is not None and line.startswith(self.comment)

    def row(self, draw):
        cells = []
        for _, number in self.columns:
            if number:
                cells.append(draw.choice(MISSING) if draw.random() < 0.15 else self.number(draw))
            else:
                # Behind lines that are no header, a row that spans lines says nothing of the header's width.
                alone = self.infer and not self.said
                words = [word for word in WORDS if not (alone and "\n" in word)]
                cells.append(self.quoted(draw, draw.choice(words) if draw.random() < 0.9 else ""))
        # A line without any cell is no row to either.
        at = next((at for at, (_, number) in enumerate(self.columns) if number))
        cells[at] = cells[at] or self.number(draw)
        return cells

    def number(self, draw):
        numbers = [str(draw.randint(-50, 1100)), f"{draw.uniform(-30, 45):.{draw.randint(1, 6)}f}"]
        # With `thousands`, pandas reads 17 digits to the last but one.
        numbers += [] if self.thousands else [repr(draw.uniform(-1, 1) * 1e-7)]
        number = draw.choice(numbers)
        if self.thousands and draw.random() < 0.4:
            number = f"{draw.uniform(-5e6, 5e6):,.{draw.randint(0, 4)}f}"
        number = number.translate({ord(","): self.thousands, ord("."): self.decimal})
        return f'"{number}"' if self.separator in number or draw.random() < 0.1 else number

    def quoted(self, draw, cell):
        # A quote within a cell that does not begin with one is a character, to both.
        needed = any(mark in cell for mark in (self.separator, "\n")) or cell.startswith('"')
        if not needed and (not cell or draw.random() < 0.8):
            return cell
        return '"' + cell.replace('"', '""') + '"'

    def line(self, draw, cells):
        return self.separator.join(cells) + self.separator * self.surplus

    def dataflow(self, folder):
        lines = ['name = "case"']
        if self.infer:
            lines.append('schema = "infer"')
        else:
            names = list(self.frame().columns)
            of = lambda kind: [name for name, (_, number) in zip(names, self.columns) if number == kind]
            lines += ["[schema]", f"number = {json.dumps(of(True))}", f"text = {json.dumps(of(False))}"]
            if self.thousands in (",", "."):
                lines.append(f"thousands = {json.dumps(self.thousands)}")
        lines += ["[source]", f'url = "{folder}/input.csv"']
        if self.said:
            said = {"separator": self.separator, "decimal": self.decimal, "skip": self.skip}
            said["skip_after_header"] = int(self.units)
            if self.comment:
                said["comment"] = self.comment
            if self.encoding == "windows-1252":
                said["encoding"] = self.encoding
            lines.append("csv = { " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in said.items()) + " }")
        lines += ["[buffer]", "bucket_size = 5", "[sink]", f'url = "{folder}/out.ndjson"']
        lines += ["[dead_letter]", f'url = "{folder}/dead.ndjson"']
        return "\n".join(lines) + "\n"

    def frame(self):
        """What pandas reads."""
        skip = list(range(self.header_line)) + ([self.header_line + 1] if self.units else [])
        path = Path(self.folder, "input.csv")
        read = pandas.read_csv(
            path, sep=self.separator, decimal=self.decimal, thousands=self.thousands or None, skiprows=skip,
            comment=self.comment, encoding=self.encoding, na_values=["---"], index_col=False, skipinitialspace=False)
        named = [name for name in read.columns if not name.startswith("Unnamed: ")]
        return read[named]

    def write(self, folder):
        self.folder = folder
        Path(folder, "input.csv").write_bytes(self.text.encode(self.encoding))
        Path(folder, "case.toml").write_text(self.dataflow(folder))


def rows_of_pandas(case):
    frame = case.frame()
    kinds = [number for _, number in case.columns]
    rows = []
    for values in frame.itertuples(index=False, name=None):
        cells = []
        for value, number in zip(values, kinds):
            missing = value is None or value is pandas.NA or (isinstance(value, float) and math.isnan(value))
            cells.append(None if missing else float(value) if number else str(value))
        rows.append(dict(zip(frame.columns, cells)))
    return rows


def rows_of_rowmill(case, said):
    """`said` is what the process has told of all its cases."""
    told = [line for line in said.splitlines() if f"{case.folder}/case.toml" in line]
    out, dead = (Path(case.folder, name) for name in ("out.ndjson", "dead.ndjson"))
    if told or not out.exists():
        return f"it has failed: {told or said}"
    if dead.exists() and dead.stat().st_size > 0:
        return f"dead letters: {dead.read_text()}"
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in ("message", "row")} for row in rows]


def difference(case, theirs, ours):
    """What differs, in words; None if nothing does."""
    if isinstance(ours, str):
        return ours
    if len(theirs) != len(ours):
        return f"{len(theirs)} rows in pandas, {len(ours)} in Rowmill"
    for at, (their, our) in enumerate(zip(theirs, ours)):
        if set(their) != set(our):
            return f"row {at}: columns {sorted(their)} in pandas, {sorted(our)} in Rowmill"
        for name, value in their.items():
            found = our[name]
            same = found == value and isinstance(found, str) == isinstance(value, str)
            if not same:
                return f"row {at}, {name}: {value!r} in pandas, {found!r} in Rowmill"
    return None


def run(rowmill, seeds):
    """The cases of some seeds in one process: what differs, in words."""
    with tempfile.TemporaryDirectory(prefix="csv-") as folder:
        cases = []
        for seed in seeds:
            case = Case(seed)
            Path(folder, str(seed)).mkdir()
            case.write(f"{folder}/{seed}")
            cases.append(case)
        files = [f"{case.folder}/case.toml" for case in cases]
        said = subprocess.run([rowmill, "batch", *files], capture_output=True, text=True).stderr
        differing = []
        for case in cases:
            found = difference(case, rows_of_pandas(case), rows_of_rowmill(case, said))
            if found is not None:
                differing.append(f"seed {case.seed}: {found}\n{case.dataflow(case.folder)}{case.encoding}: {case.text!r}")
        return differing


def self_test():
    """Each planted error is found, and nothing where there is none."""
    planted = {
        "a row is lost": lambda rows: rows[1:],
        "a number is wrong in its last digit": lambda rows: [changed(rows[0], math.nextafter)] + rows[1:],
        "a missing value is 0": lambda rows: [filled(row) for row in rows],
        "a name is wrong": lambda rows: [{f"{name}.": value for name, value in row.items()} for row in rows],
        "numbers are texts": lambda rows: [{name: str(value) for name, value in row.items()} for row in rows],
        "a column is lost": lambda rows: [dict(list(row.items())[1:]) for row in rows],
    }

    def changed(row, step):
        name = next(name for name, value in row.items() if isinstance(value, float))
        return {**row, name: step(row[name], math.inf)}

    def filled(row):
        return {name: 0.0 if value is None else value for name, value in row.items()}

    count, seeds = {what: 0 for what in planted}, range(200)
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="csv-") as folder:
            case = Case(seed)
            case.write(folder)
            rows = rows_of_pandas(case)
            assert difference(case, rows, rows) is None, seed
            for what, plant in planted.items():
                try:
                    wrong = plant(rows)
                except StopIteration:
                    continue  # No number in the first row.
                if wrong != rows:
                    assert difference(case, rows, wrong) is not None, (seed, what)
                    count[what] += 1
    assert all(count.values()), count
    print(f"{sum(count.values())} planted errors in {len(seeds)} dialects, each found")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rowmill", nargs="?")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--self-test", action="store_true")
    given = parser.parse_args()
    if given.self_test:
        return self_test()
    first, end = given.seed * 1_000_000, given.seed * 1_000_000 + given.cases
    together = [range(at, min(at + CASES_A_PROCESS, end)) for at in range(first, end, CASES_A_PROCESS)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        differing = [shown for each in pool.map(lambda seeds: run(given.rowmill, seeds), together) for shown in each]
    for shown in differing[:5]:
        print(shown)
    print(f"{given.cases} dialects, {len(differing)} differ from pandas")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
