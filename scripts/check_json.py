#!/usr/bin/env python3
"""Nested JSON beside Python's json: random objects in random layouts of a file, read by random paths.

    scripts/check_json.py PROGRAM [--cases N] [--seed S] [--self-test]

Each case is one object. Columns are read from paths into the objects, and compared with what the same steps lead to in
`json.loads`: numbers as floats, texts with the bytes that a number has in the file.
"""

import argparse
import json
import math
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

KEYS = ["a", "b", "temp", "a.b", "x y", "é", "", "0x5", "d[0]", 'q"', "\\u", "k"]
TEXTS = ["on", "}{", "[1]", 'x"y', "a\\b", "\n", "ü€𝄞", "P1", "P2", ",", "NaN x", '{"a": 1.50, "k": [0.5, {"b": "x"}]}', ' [7, "8"]', "{", "[1] x"]
# Keys that can be read as a path, too: the key itself wins where it is there.
AS_PATHS = {"a.b": ("a", "b"), "d[0]": ("d", 0)}
ABSENT = object()
ROWS = 100


class Raw(str):
    """A number as the file writes it."""


class Object(list):
    """Members, of which a key may come twice."""


def number(rng):
    return Raw(rng.choice([
        str(rng.randint(-99, 99)), str(rng.randint(-10**20, 10**20)), repr(rng.gauss(0, 1e3)),
        f"{rng.gauss(20, 5):.2f}", f"{rng.random():.1e}", "1.10", "-0.0", "1E5", "89490200001234567890", "0.50",
        f"{rng.randint(0, 9)}.{rng.getrandbits(90)}", "1e-400", "-12.5e+03",
    ]))


def value(rng, depth):
    kind = rng.random()
    if depth and kind < 0.35:
        return document(rng, depth - 1)
    if depth and kind < 0.5:
        if rng.random() < 0.5:
            return [value(rng, depth - 1) for _ in range(rng.randint(0, 3))]
        names = rng.sample(["P1", "P2", "on", Raw("7")], rng.randint(1, 3))
        pairs = [[("k", name), ("v", scalar(rng))] for name in names]
        return [Object(rng.sample(pair, 2)) for pair in pairs]
    return scalar(rng)


def scalar(rng):
    kind = rng.random()
    if kind < 0.6:
        return number(rng)
    if kind < 0.75:
        return rng.choice([None, True, False])
    if kind < 0.8:
        return float(rng.choice(["nan", "inf", "-inf"]))
    return rng.choice(TEXTS) if rng.random() < 0.6 else str(rng.randint(0, 999) / 10)


def document(rng, depth):
    keys = [rng.choice(KEYS) for _ in range(rng.randint(0, 5))]
    return Object((key, value(rng, depth)) for key in keys)


def write(x, rng, indent, ascii_only):
    """The text of a value; with `indent`, over several lines."""
    def members(parts, brackets):
        if not parts:
            return brackets
        if indent is None:
            return brackets[0] + rng.choice([",", ", "]).join(parts) + brackets[1]
        inner = ",\n".join(parts).replace("\n", "\n" + indent)
        return f"{brackets[0]}\n{indent}{inner}\n{brackets[1]}"

    if isinstance(x, Raw):
        return str(x)
    if isinstance(x, Object):
        colon = rng.choice([":", ": "])
        return members([json.dumps(k, ensure_ascii=ascii_only) + colon + write(v, rng, indent, ascii_only) for k, v in x], "{}")
    if isinstance(x, list):
        return members([write(v, rng, indent, ascii_only) for v in x], "[]")
    return json.dumps(x, ensure_ascii=ascii_only)


def layout(documents, rng):
    ascii_only = rng.random() < 0.5
    indent = rng.choice([None, None, "  ", "\t", ""])
    texts = [write(x, rng, indent, ascii_only) for x in documents]
    kind = rng.randint(0, 3)
    mark = "\ufeff" if rng.random() < 0.2 else ""
    if kind == 0:
        return mark + "\n".join(texts) + rng.choice(["", "\n", "\n\0"]), texts
    if kind == 1 and indent is None:
        return mark + "".join(texts), texts
    between = rng.choice([",", ", ", ",\n", "\n,\n"])
    return mark + "[" + rng.choice(["", "\n"]) + between.join(texts) + rng.choice(["", "\n"]) + "]", texts


def step_text(step):
    if isinstance(step, int):
        return f"[{step}]"
    if isinstance(step, tuple):
        return f"[{step[0]}={step[1]}]"
    return f".{step}" if re.fullmatch(r'[^.\[\]"]+', step) else f"[{json.dumps(step)}]"


def path_text(steps):
    if len(steps) == 1 and isinstance(steps[0], str) and steps[0]:
        return steps[0]
    return "".join(map(step_text, steps)).removeprefix(".")


def some_path(x, rng):
    """Steps that lead somewhere in a value, or a little beside."""
    steps = []
    while True:
        if isinstance(x, Object) and x:
            key, x = rng.choice(x)
            steps.append(key)
        elif isinstance(x, list) and x:
            at = rng.randrange(len(x))
            own = dict(x[at]).get("k") if isinstance(x[at], Object) else None
            if isinstance(own, str) and own and "]" not in own and '"' not in own and rng.random() < 0.8:
                steps.append(("k", str(own)))
            else:
                steps.append(at)
            x = x[at]
        else:
            break
        if isinstance(x, str) and not isinstance(unpacked(x), str):
            x = json.loads(x, object_pairs_hook=Object)
        if rng.random() < 0.15:
            break
    if rng.random() < 0.1:
        steps.append(rng.choice(KEYS))
    return tuple(steps) or ("a",)


def unpacked(x):
    """An object or an array that a text holds as JSON once more."""
    if isinstance(x, str) and x.lstrip().startswith(("{", "[")):
        try:
            return json.loads(x, parse_int=Raw, parse_float=Raw)
        except ValueError:
            pass
    return x


def lookup(x, steps):
    for step in steps:
        x = unpacked(x)
        if isinstance(step, str) and isinstance(x, dict) and step in x:
            x = x[step]
        elif isinstance(step, int) and isinstance(x, list) and step < len(x):
            x = x[step]
        elif isinstance(step, tuple) and isinstance(x, list):
            named = [e for e in x if isinstance(e, dict) and isinstance(e.get(step[0]), str) and e[step[0]] == step[1]]
            if not named:
                return ABSENT
            x = named[-1]
        else:
            return ABSENT
    return x


class BadCell(Exception):
    pass


def leads_on(cell, at, columns):
    """Whether columns are read from inside of a value."""
    inside = [steps[len(at)] for _, _, steps in columns if len(steps) > len(at) and steps[: len(at)] == at]
    return (isinstance(cell, dict) and any(isinstance(step, str) for step in inside)) or (
        isinstance(cell, list) and any(not isinstance(step, str) for step in inside))


def is_foreign(objects, columns):
    """Whether no key of these leads to a column: such a row is no row of these columns."""
    known = {path_text(steps) for *_, steps in columns} | {steps[0] for *_, steps in columns}
    return not any(isinstance(x, dict) and key in known for x in objects for key in x)


def cells(x, columns):
    """What the columns have of an object, those aside that it has nothing for."""
    found = {}
    for name, kind, steps in columns:
        key = path_text(steps)
        ways = [((key,), x[key])] if isinstance(x, dict) and key in x else []
        ways.append((steps, lookup(x, steps)))
        # Of a key with other columns inside of it, this column has nothing.
        cell = next((cell for at, cell in ways if cell is not ABSENT and not leads_on(cell, at, columns)), ABSENT)
        if cell is ABSENT:
            continue
        if isinstance(cell, (dict, list)):
            raise BadCell(name)
        found[name] = of_kind(cell, kind, name)
    return found


def of_kind(cell, kind, name):
    if isinstance(cell, float):
        cell = None if math.isnan(cell) else ("inf" if cell > 0 else "-inf")
    if cell is None:
        return None
    if kind == "text":
        cell = str(cell).lower() if isinstance(cell, bool) else str(cell)
        return cell.strip() or None
    if isinstance(cell, str):
        if not cell.strip():
            return None
        try:
            return float(cell)
        except ValueError:
            raise BadCell(name) from None
    return float(cell)


def same(want, got):
    if isinstance(got, str) and isinstance(want, float):
        got = float(got)
    return want == got


def rows_inside(holds, rng):
    """What holds the rows: an array of them, an object of arrays, or an object of them."""
    if holds == "elements":
        return [document(rng, 2) for _ in range(rng.randint(0, 2))]
    keys = rng.sample(KEYS, rng.randint(0, 4))
    if holds == "members":
        return Object((key, document(rng, 2)) for key in keys)
    count = rng.randint(0, 3)
    columns = [(key, [value(rng, 1) for _ in range(count)]) for key in keys]
    columns += [("z", rng.choice([number(rng), document(rng, 1)]))] if rng.random() < 0.5 else []
    # Of an array of another length no row has an element.
    columns += [("other", [0] * (count + 1))] if len(keys) > 1 and rng.random() < 0.3 else []
    return Object(rng.sample(columns, len(columns)))


def split(container, holds):
    """The rows of what holds them, and what is left of it; `None` if it holds none."""
    if holds == "elements":
        return (container, []) if isinstance(container, list) else None
    if not isinstance(container, dict):
        return None
    if holds == "members":
        return [row | {"dev": key} for key, row in container.items()], {}
    lengths = [len(column) for column in container.values() if isinstance(column, list)]
    if not lengths:
        # A lone row, where others have an array of them.
        return ([container], {}) if container else None
    length = max(lengths, key=lambda length: (lengths.count(length), length))
    columns = {key: column for key, column in container.items() if isinstance(column, list) and len(column) == length}
    left = {key: other for key, other in container.items() if key not in columns}
    return [{key: column[row] for key, column in columns.items()} for row in range(length)], left


def run(program, rng, folder):
    """One run over some objects; how many there were, and what is wrong."""
    documents = [document(rng, 3) for _ in range(ROWS)]
    inner = rng.choice([None, None, ("r",), ("r", "s")])
    holds = rng.choice(["elements", "columns", "members"])
    if inner:
        for x in documents:
            elements = rows_inside(holds, rng)
            for key in reversed(inner):
                elements = Object([(key, elements), *([("z", number(rng))] if rng.random() < 0.5 else [])])
            x.extend(elements)
    steps_of = [some_path(rng.choice(documents), rng) for _ in range(8)]
    paths = list({(text := path_text(steps)): AS_PATHS.get(text, steps) for steps in steps_of}.items())
    if inner:
        rows_path = path_text(inner)
        paths = [(text, steps) for text, steps in paths if steps[: len(inner)] != inner] + [("temp", ("temp",))]
        paths = list(dict(paths).items())
        if holds == "members":
            rows_path += ".{dev}"
    columns = [("dev", "text", ("dev",))] if inner and holds == "members" else []
    for at, (text, steps) in enumerate(paths):
        own = rng.random() < 0.5 and text not in ("row", "message")
        columns.append((text if own else f"c{at}", rng.choice(["number", "number", "text"]), steps))
    listed = {"number": [], "text": ['"dev"'] if columns and columns[0][0] == "dev" else []}
    for (name, kind, steps), (text, _) in zip(columns[-len(paths):], paths):
        listed[kind].append(json.dumps(name) if name == text else f"{{ name = {json.dumps(name)}, from = {json.dumps(text)} }}")
    text, texts = layout(documents, rng)
    file, out, dead = (folder / name for name in ("rows.json", "out.ndjson", "dead.ndjson"))
    file.write_bytes(text.encode())
    lines = [f"number = [{', '.join(listed['number'])}]", f"text = [{', '.join(listed['text'])}]"]
    dataflow = ["[schema]", *lines, "[source]", f"url = {json.dumps(str(file))}",
                *([f"rows = {json.dumps(rows_path)}"] if inner else []),
                "[buffer]", f"bucket_size = {rng.choice([1, 7, 1000])}",
                "[sink]", f"url = {json.dumps(str(out))}", 'infinity = "text"',
                "[dead_letter]", f"url = {json.dumps(str(dead))}"]
    (folder / "case.toml").write_text("\n".join(dataflow) + "\n")
    done = subprocess.run([program, "run", folder / "case.toml", "--fresh", "--quiet"], capture_output=True, text=True)
    if done.returncode:
        return ROWS, [f"exit {done.returncode}: {done.stderr}"]
    expected, count = {}, 0
    for text in texts:
        whole = json.loads(text, parse_int=Raw, parse_float=Raw)
        found = split(lookup(whole, inner), holds) if inner else ([whole], None)
        if found is None:
            count += 1
            continue
        elements, left = found
        around = whole
        if inner:
            last = lookup(whole, inner[:-1])
            last[inner[-1]] = left
        for element in elements:
            row, count = count, count + 1
            if is_foreign([element, around], columns):
                continue
            try:
                found = cells(around, columns) if inner else {}
                expected[row] = {name: None for name, *_ in columns} | found | cells(element, columns)
            except BadCell:
                pass
    return ROWS, compare(expected, count, out, dead, columns)


def compare(expected, count, out, dead, columns):
    faults = []
    rows = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    letters = len(dead.read_text().splitlines()) if dead.exists() else 0
    if letters != count - len(expected):
        faults.append(f"{letters} dead letters, not {count - len(expected)}")
    if [row["row"] for row in rows] != sorted(expected):
        faults.append(f"rows {[row['row'] for row in rows]}, not {sorted(expected)}")
        return faults
    for row in rows:
        for name, *_ in columns:
            want, got = expected[row["row"]][name], row.get(name)
            if not same(want, got):
                faults.append(f"row {row['row']}, {name}: {got!r}, not {want!r}")
    return faults


def self_test():
    """A wrong number, text, row or dead letter is found."""
    columns = [("n", "number", ("n",)), ("t", "text", ("t",))]
    good = {0: {"n": 1.5, "t": "1.10"}, 1: {"n": None, "t": None}}
    with tempfile.TemporaryDirectory() as folder:
        out, dead = Path(folder, "out"), Path(folder, "dead")

        def faults(rows, letters):
            out.write_text("\n".join(map(json.dumps, rows)))
            dead.write_text("{}\n" * letters)
            return compare(good, 3, out, dead, columns)

        rows = [{"row": row, **cells} for row, cells in good.items()]
        assert not faults(rows, 1)
        assert faults(rows, 0) and faults(rows[:1], 1) and faults(rows[::-1], 1)
        for name, wrong in [("n", 1.25), ("n", None), ("t", "1.1"), ("t", None)]:
            assert faults([rows[0] | {name: wrong}, rows[1]], 1), (name, wrong)
        assert faults([rows[0], rows[1] | {"n": 0.0}], 1)
    print("every planted error is found")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rowmill", type=Path, nargs="?")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    cases = failed = 0
    seed = arguments.seed
    while cases < arguments.cases:
        with tempfile.TemporaryDirectory() as folder:
            count, faults = run(arguments.rowmill.resolve(), random.Random(seed), Path(folder))
            cases += count
            if faults:
                failed += 1
                print(f"seed {seed}: " + "\n    ".join(faults[:5]), flush=True)
        seed += 1
    print(f"{cases} objects, {failed} runs of {seed - arguments.seed} differ")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
