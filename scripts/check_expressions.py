#!/usr/bin/env python3
"""Random expressions, generated from their grammar: `eval` and `query` beside pandas with engine="python".

    check_expressions.py ROWMILL [--cases N] [--seed S] [--self-test]

A case is one expression. Where only arithmetic that rounds once an operation is used, results are equal to the last bit;
a function such as `sin` may be off by a relative 1e-9. What pandas raises on is generated again. Exit code 1 if any case
differs.
"""

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pandas as pd

from comparison import judge
from dataflow import write

warnings.filterwarnings("ignore")

# Expressions of one dataflow, and dataflows of one `rowmill batch`.
LINES, BATCH = 10, 200
COMPARISONS = ["<", "<=", ">", ">=", "==", "!="]
ROUNDING = ["sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"]
ROUNDING += ["exp", "expm1", "log", "log1p", "log10"]
EXACT = ["abs", "sqrt", "floor", "ceil"]
WORDS = ["a", "b", "rain", "it's", "é", "B", ""]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, np.inf, -np.inf, np.nan, 1e300, 5e-324, 3.0, -2.5]


def frame_of(rng):
    rows = int(rng.choice([1, 2, 7, 40, 700]))
    columns = {}
    for name in ["c0", "c1", "c2", "c3", "c four", "c.5"]:
        kind = rng.integers(0, 5)
        x = [
            lambda: rng.normal(0, 3, rows),
            lambda: rng.integers(-3, 4, rows).astype(float),
            lambda: rng.choice(SPECIAL, rows),
            lambda: rng.normal(0, 1, rows) * 10.0 ** rng.integers(-8, 9),
            lambda: rng.random(rows),
        ][kind]()
        columns[name] = np.where(rng.random(rows) < 0.1, np.nan, x)
    for name in ["t0", "t one"]:
        texts = rng.choice(np.array([word for word in WORDS if word], dtype=object), rows)
        columns[name] = pd.Series(np.where(rng.random(rows) < 0.2, None, texts), dtype="str")
    return pd.DataFrame(columns)


class Grammar:
    """Makes expressions over the columns of a frame."""

    def __init__(self, rng):
        self.rng = rng
        self.numbers = ["c0", "c1", "c2", "c3", "`c four`", "`c.5`"]
        self.conditions = []

    def one(self, options):
        return options[int(self.rng.integers(0, len(options)))]

    def constant(self):
        return self.one(["0", "1", "2", "3", "7", "0.5", "1.", ".25", "1e3", "2.5e-2", "1_000", "0x1F", "0b101", "inf"])

    def atom(self, depth):
        kind = self.rng.integers(0, 10)
        if depth > 0 and kind < 3:
            return f"({self.exact(depth - 1)})"
        if depth > 0 and kind == 3:
            return f"{self.one(EXACT)}({self.exact(depth - 1)})"
        if depth > 0 and kind == 4 and self.rng.random() < 0.5:
            return f"(({self.condition(depth - 1)}) * {self.one(self.numbers)})"
        return self.one(self.numbers) if kind < 8 else self.constant()

    def factor(self, depth):
        kind = self.rng.integers(0, 12)
        if kind == 0:
            return f"-{self.factor(depth)}"
        if kind == 1:
            return f"+{self.factor(depth)}"
        if kind == 2:
            # NumPy's short cuts round once.
            return f"{self.atom(depth)} ** {self.one(['2', '0.5', '-1', '1', '0'])}"
        return self.atom(depth)

    def exact(self, depth):
        """A number of operations that each round once, of a column at least: what Python makes of constants alone, such as
        -2 of `not True`, is refused."""
        while True:
            parts = [self.factor(depth)]
            while self.rng.random() < 0.45 and len(parts) < 9:
                parts += [self.one(["+", "-", "*", "/", "//", "%"]), self.factor(depth)]
            text = " ".join(parts)
            if any(name in text for name in self.numbers):
                return text

    def rounded(self, depth):
        """A function that NumPy and the C library may round otherwise; nothing behind it cancels."""
        kind = self.rng.integers(0, 9)
        if kind < 5 or depth == 0:
            return f"{self.one(ROUNDING)}({self.exact(depth)})"
        if kind == 5:
            return f"{self.atom(depth)} ** {self.one(['', '-'])}{self.atom(depth)}"
        if kind == 6:
            return f"arctan2({self.exact(depth)}, {self.exact(depth)})"
        inner = f"({self.rounded(depth - 1)})"
        return self.one([f"{inner} * {self.atom(depth)}", f"{self.atom(depth)} / {inner}", f"-{inner}", f"abs{inner}", f"sqrt{inner}"])

    def text(self):
        return repr(self.one(WORDS)) if self.rng.random() < 0.4 else self.one(["t0", "`t one`"])

    def test(self, depth):
        kind = self.rng.integers(0, 12)
        if kind < 5:
            parts = [self.exact(depth)]
            while len(parts) == 1 or (self.rng.random() < 0.2 and len(parts) < 7):
                parts += [self.one(COMPARISONS), self.exact(depth)]
            return " ".join(parts)
        if kind < 7:
            return f"{self.one(['t0', '`t one`'])} {self.one(COMPARISONS)} {self.text()}"
        if kind == 7:
            words = [repr(self.one(WORDS)) for _ in range(int(self.rng.integers(0, 4)))]
            return f"{self.one(['t0', '`t one`'])} {self.one(['in', 'not in', '==', '!='])} [{', '.join(words)}]"
        if kind == 8:
            values = [self.one(["", "-"]) + self.constant() for _ in range(int(self.rng.integers(1, 4)))]
            left, right = self.one([("[", "]"), ("(", ",)")])
            return f"{self.exact(depth)} {self.one(['in', 'not in', '==', '!='])} {left}{', '.join(values)}{right}"
        if kind == 9 and self.conditions:
            return self.one(self.conditions)
        if depth > 0:
            inner = f"({self.condition(depth - 1)})"
            return self.one([inner, f"~{inner}", f"not {inner}", f"{inner} + {inner}", f"-{inner}"])
        return f"{self.one(self.numbers)} > {self.constant()}"

    def condition(self, depth):
        parts = [self.one(["", "", "", "not "]) + self.test(depth)]
        while self.rng.random() < 0.4 and len(parts) < 9:
            parts += [self.one(["and", "or", "&", "|"]), self.one(["", "", "not "]) + self.test(depth)]
        return " ".join(parts)


def evaluated(frame, text):
    """What pandas makes of an assignment or a condition; None if it raises, or gives what is no column of ours."""
    with contextlib.redirect_stderr(io.StringIO()), np.errstate(all="ignore"):
        try:
            result = frame.eval(text, engine="python")
        except (ArithmeticError, AttributeError, KeyError, NotImplementedError, TypeError, ValueError, SyntaxError):
            return None
    kinds = result.dtypes if isinstance(result, pd.DataFrame) else [getattr(result, "dtype", object)]
    fits = all(kind == bool or kind == "str" or (kind != np.float16 and np.dtype(kind).kind in "fi") for kind in kinds)
    return result if fits else None


def case(seed):
    """A frame, the lines of an eval or one query, and what pandas makes of it: a frame, and a bound for each column."""
    rng = np.random.default_rng(seed)
    frame, grammar = frame_of(rng), Grammar(rng)
    depth = lambda: int(rng.choice([0, 1, 2, 3], p=[0.3, 0.4, 0.2, 0.1]))
    if rng.random() < 0.3:
        while True:
            text = grammar.condition(depth())
            keep = evaluated(frame, text)
            if isinstance(keep, pd.Series) and keep.dtype == bool:
                return frame, "query", [text], frame.query(text, engine="python"), {}
    lines, result, bounds = [], frame, {}
    while len(lines) < LINES:
        name = f"r{len(lines)}" if rng.random() < 0.8 or not lines else grammar.one(["c0", "c1", "t0"])
        kind = rng.integers(0, 10)
        addends = [grammar.exact(depth())]
        if kind < 3:
            addends = [grammar.condition(depth())]
        elif kind < 6:
            name = f"r{len(lines)}"
            addends = [grammar.rounded(depth()) for _ in range(int(rng.integers(1, 4)))]
        elif kind == 6:
            addends = [grammar.text()]
        if kind == 6:
            name = grammar.one([f"r{len(lines)}", "t0"])
        elif name == "t0" or (kind < 3 and name[0] == "c"):
            name = f"r{len(lines)}"
        line = f"{name} = {' + '.join(addends)}"
        taken = evaluated(result, line)
        if taken is None:
            continue
        if 3 <= kind < 6:
            parts = [evaluated(result, f"part = {addend}") for addend in addends]
            if any(part is None for part in parts):
                continue
            with np.errstate(all="ignore"):
                sizes = np.abs(np.array([part["part"].to_numpy(float) for part in parts]))
                bounds[name] = 1e-9 * np.where(np.isfinite(sizes), sizes, 0.0).max(axis=0) + 1e-300
        elif kind < 3:
            grammar.conditions.append(name)
        elif kind > 6 and name[0] == "r":
            grammar.numbers.append(name)
        result = taken
        lines.append(line)
    return frame, "eval", lines, result, bounds


def difference(ours, theirs, bounds):
    """What differs first, or None."""
    ours = ours.drop(columns=["message", "row"], errors="ignore")
    if len(ours) == 0 and len(theirs) == 0:
        return None
    if list(ours.columns) != list(theirs.columns):
        return f"columns {list(ours.columns)}, not {list(theirs.columns)}"
    if len(ours) != len(theirs):
        return f"{len(ours)} rows, not {len(theirs)}"
    for name in theirs.columns:
        if theirs[name].dtype == "str":
            a, b = (of[name].astype(object).where(of[name].notna(), "").to_numpy() for of in (ours, theirs))
            # An empty text and a missing one are the same cell of a CSV file.
            wrong = np.flatnonzero(a != b)
            if len(wrong):
                return f"row {wrong[0]}, {name}: {a[wrong[0]]!r}, not {b[wrong[0]]!r}"
            continue
        a, b = ours[name].to_numpy(float), theirs[name].to_numpy(float)
        verdict = judge(a, b, lambda: np.minimum(bounds.get(name, 0.0), np.finfo(float).max))
        if isinstance(verdict, int):
            return f"row {verdict}, {name}: {a[verdict]!r}, not {b[verdict]!r}"
    return None


def read(base):
    path = base + ".ours.csv"
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        return pd.DataFrame()
    texts = {"t0": str, "t one": str}
    return pd.read_csv(path, float_precision="round_trip", dtype=texts, keep_default_na=True)


# Wrong readings of the grammar; each must be found.
MISREADINGS = [(" // ", " / "), (" % ", " * "), (" and ", " or "), (" & ", " | "), ("not ", ""), (" < ", " <= "), (" != ", " == ")]
MISREADINGS += [(" ** ", " * "), ("floor(", "ceil("), ("sin(", "cos("), ("-", ""), (" == ", " >= "), (" in ", " not in "), ("log1p(", "log(")]


def self_test():
    """Plants errors in results, and finds each."""
    cases = [case(seed) for seed in range(70)]
    for frame, _, lines, theirs, bounds in cases:
        assert difference(theirs.copy(), theirs, bounds) is None, lines
    for wrong, right in MISREADINGS:
        found = 0
        for frame, use, lines, theirs, bounds in cases:
            text = "\n".join(lines)
            misread = evaluated(frame, text.replace(wrong, right)) if wrong in text else None
            if misread is None:
                continue
            ours = frame[misread.to_numpy(bool)] if use == "query" else misread
            found += difference(ours, theirs, bounds) is not None
        assert found, f"{wrong!r} read as {right!r} is not found"
    planted = 0
    for frame, _, _, theirs, bounds in cases:
        for name in theirs.columns:
            rows = np.flatnonzero(theirs[name].notna())
            if len(rows) == 0:
                continue
            ours = theirs.astype({name: object}) if theirs[name].dtype == "str" else theirs.astype({name: float})
            value = ours.iloc[rows[0], ours.columns.get_loc(name)]
            other = value + "x" if isinstance(value, str) else np.nextafter(value, 0) if value and name not in bounds else value + 1e-6 * max(1, abs(value))
            if other == value:
                continue
            ours.iloc[rows[0], ours.columns.get_loc(name)] = other
            assert difference(ours, theirs, bounds) is not None or name in bounds, (name, value, other)
            ours.iloc[rows[0], ours.columns.get_loc(name)] = None if isinstance(value, str) else np.nan
            if value != "":
                assert difference(ours, theirs, bounds) is not None, (name, value)
                planted += 1
        if len(theirs) > 1:
            assert difference(theirs.iloc[1:], theirs, bounds) and difference(theirs.iloc[:, 1:], theirs, bounds)
    print(f"{len(MISREADINGS)} misreadings and {planted} planted errors found")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rowmill", nargs="?", default="target/debug/rowmill")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--self-test", action="store_true", help="plant errors in results, and find each")
    options = parser.parse_args()
    if options.self_test:
        self_test()
        return
    done, wrong, seed = 0, 0, options.seed * 1_000_003
    while done < options.cases:
        with tempfile.TemporaryDirectory() as directory:
            cases, files = {}, []
            while done < options.cases and len(cases) < BATCH:
                cases[seed] = case(seed)
                frame, use, lines = cases[seed][:3]
                step = {"use": use, "expr": "\n".join(lines)}
                files.append(write(directory, str(seed), frame, step, 1 + seed % 997) + ".toml")
                done += len(cases[seed][2])
                seed += 1
            ran = subprocess.run([options.rowmill, "batch", "--fresh", *files], stderr=subprocess.PIPE, text=True)
            for seed_of, (_, use, lines, theirs, bounds) in cases.items():
                reason = difference(read(os.path.join(directory, str(seed_of))), theirs, bounds)
                if reason:
                    wrong += 1
                    print(f"seed {seed_of}, {use}: {reason}", *lines, sep="\n    ", flush=True)
            if ran.returncode:
                print(ran.stderr[-2000:])
                wrong += 1
    print(f"seed {options.seed}: {done} expressions, {wrong} differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
