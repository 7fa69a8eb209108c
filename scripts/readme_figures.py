#!/usr/bin/env python3
"""Writes the evaluation's figures into docs/src/speed.md and docs/src/models.md, between their markers, from bench/evaluation.

    readme_figures.py           # rewrites the sections
    readme_figures.py --check   # exit code 1 if a page says something else, or a figure stands elsewhere too
"""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parent.parent
EVALUATION = ROOT / "bench/evaluation"
MODELS = EVALUATION / "models"
BEGIN, END = "<!-- figures: scripts/readme_figures.py -->\n", "<!-- end of figures -->\n"
SIZES = [1, 10, 100, 1000, 10000]
PEERS = [
    "Python loop",
    "Python loop, as usually written",
    "Python, 2 threads",
    "process pool, 2",
    "Celery and Redis, 2",
    "Bytewax, 2",
    "Pathway, 2",
    "Polars",
]
OURS = [("-w 1", "file", 1, 1), ("-w 2", "file", 1, 2), ("-n 2", "file", 2, 1)]
OURS += [("-w 1, over MQTT", "mqtt", 1, 1), ("-w 2, over MQTT", "mqtt", 1, 2)]
PARTS = ["Rust loop, 1 thread", "parsing alone, 1 thread", "broker and client alone"]
# Messages of one row are few in the time that a peer has: one digit says what is known of them.
FACTORS = [("-w 1", "Python loop"), ("-w 2", "process pool, 2"), ("-w 2", "Celery and Redis, 2")]


def spread(rates):
    digits = lambda x: f"{x:,.1f}" if x < 10 else f"{x:,.0f}"
    return f"{digits(rates.median())} ({digits(rates.min())} to {digits(rates.max())})" if len(rates) else ""


def rates(raw, peers):
    """Rows a second of the repeats, by row of the table and rows a message."""
    found = {}
    for size in SIZES:
        for name, over, processes, workers in OURS:
            of = raw[(raw.over == over) & (raw.processes == processes) & (raw.workers == workers)]
            of = of[(of.placement == "message") & (of.bucket_size == size)]
            found[name, size] = of.rows_per_second
        for name in PEERS + PARTS:
            found[name, size] = peers[(peers.peer == name) & (peers.bucket_size == size)].rows_per_second
    return found


def factor(ours, theirs):
    """How many times as fast, from the least that the repeats allow to the most; None where they overlap."""
    if not len(ours) or not len(theirs) or ours.min() <= theirs.max():
        return None
    return ours.min() / theirs.max(), ours.median() / theirs.median(), ours.max() / theirs.min()


def where(raw):
    """Commit, date and machine of an evaluation, and how its figures are to be read."""
    commits = ", ".join(sorted(raw.commit.fillna("unknown").unique()))
    dates = ", ".join(sorted(raw.date.dropna().unique())) if "date" in raw else "date unknown"
    repeats = raw.groupby(["over", "placement", "processes", "workers", "bucket_size"]).size().min()
    return (
        f"Commit {commits}, {dates}; {raw.cpu.iloc[0]}, {raw.cores.iloc[0]} cores that others share. Rows a second: the"
        f" median of {repeats} repeats, in brackets the least and the greatest. Rowmill's runs write a report, and so are"
        " not fused."
    )


def head(first):
    return ["| " + first + " | " + " | ".join(f"{size:,} a message" for size in SIZES) + " |", "|---|" + "---|" * len(SIZES)]


def figures():
    raw, peers = pd.read_csv(EVALUATION / "raw.csv", dtype={"commit": str}), pd.read_csv(EVALUATION / "peers.csv")
    found = rates(raw, peers)
    lines = [where(raw), "", *head("rows/s")]
    at_their_best = "Python loop, as usually written" in set(peers.peer)
    for name in (PEERS if at_their_best else []) + [name for name, *_ in OURS] + PARTS:
        if any(len(found[name, size]) for size in SIZES):
            shown = f"**rowmill {name}**" if name.startswith("-") else name
            lines.append(f"| {shown} | " + " | ".join(spread(found[name, size]) for size in SIZES) + " |")
    if not at_their_best:
        return lines + ["", "Without the peers, which were slowed by their frames in this evaluation."]
    lines += ["", *head("times as fast")]
    lines += [factors(found, ours, theirs) for ours, theirs in FACTORS]
    return lines


def factors(found, ours, theirs):
    cells = [factor(found[ours, size], found[theirs, size]) for size in SIZES]
    digits = lambda x: f"{x:,.1f}" if x < 10 else f"{x:,.0f}"
    shown = [f"{digits(cell[1])} ({digits(cell[0])} to {digits(cell[2])})" if cell else "ranges overlap" for cell in cells]
    return f"| `{ours}` as {theirs} | " + " | ".join(shown) + " |"


def of_models():
    """A table a model, and what the planner said of each."""
    lines, planned = [], []
    for directory in sorted(MODELS.glob("*")):
        raw, peers = pd.read_csv(directory / "raw.csv", dtype={"commit": str}), pd.read_csv(directory / "peers.csv")
        found = rates(raw, peers)
        lines += ["", f"### {directory.name}", "", where(raw), "", *head("rows/s")]
        for name in [name for name in PEERS + [name for name, *_ in OURS] if len(found[name, 1])]:
            shown = f"**rowmill {name}**" if name.startswith("-") else name
            lines.append(f"| {shown} | " + " | ".join(spread(found[name, size]) for size in SIZES) + " |")
        lines += ["", *head("`-w 1`")]
        for name, column, unit in [("service time a message, us", "service_message_mean", 1e3), ("service time a row, us", "service_row_mean", 1e3), ("rho", "rho", 1)]:
            of = [raw[(raw.workers == 1) & (raw.bucket_size == size)][column].median() / unit for size in SIZES]
            lines.append(f"| {name} | " + " | ".join(f"{x:,.2f}" for x in of) + " |")
        lines += ["", *head("times as fast")]
        lines += [factors(found, ours, theirs) for ours, theirs in FACTORS if len(found[theirs, 1])]
        table = [line for line in (directory / "planner.txt").read_text().splitlines() if line.startswith("|")]
        planned += [f"| model {line}" for line in table[:1]] * (not planned) + [f"|---{table[1]}"] * (not planned)
        planned += [f"| {directory.name} {line}" for line in table[2:]]
    return [*lines, "", "### What `rowmill plan` predicts, beside what was measured", "", where(raw), "", *planned] if lines else []


SECTIONS = {"docs/src/speed.md": figures, "docs/src/models.md": of_models}


def parts(page):
    before, _, rest = (ROOT / page).read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    assert end, f"{page} lacks {BEGIN.strip()} or {END.strip()}"
    return before, after


# What only a measurement says, in text and in the head of a table; milliseconds and MiB are settings and bounds, too.
MEASURED = re.compile(r"\d[\d,.]*\s?(?:rows/s|rows a second|messages/s|publishes/s|us\b|µs|times as|times (?:faster|slower))")
SPENT = re.compile(r"\d[\d,.]*\s?(?:ms|MiB|GiB|MB|GB)\b")
HEAD = re.compile(r"^\|.*\b(?:rows/s|rows a second|us|ms|MiB|instructions|times as fast)\b")
COMMIT = re.compile(r"commit [0-9a-f]{7}")
# Documents that say how fast it is; others name settings.
ABOUT_SPEED = ["README.md", "bench/README.md", "docs/src/speed.md"]


def unseen(document, text):
    """Figures that no measurement has written: every one names its commit in the lines above it, or is generated."""
    found, lines = [], text.splitlines()
    for at, line in enumerate(lines):
        is_head = at + 1 < len(lines) and lines[at + 1].startswith("|--")
        figures = MEASURED.findall(line) or (is_head and HEAD.findall(line)) or (document in ABOUT_SPEED and SPENT.findall(line))
        if figures and not COMMIT.search(" ".join(lines[max(0, at - 4) : at + 1])):
            found.append(f"{document}:{at + 1}: a figure without its command and commit: {line[:100]}")
    return found


def documents():
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return listed.split()


def elsewhere(sections):
    """Figures of the sections that stand in another document, too."""
    texts = {document: (ROOT / document).read_text() for document in documents()}
    for document, text in texts.items():
        for section in sections.values():
            texts[document] = texts[document].replace(section, "")
    found = []
    for document, text in texts.items():
        if not document.startswith("bench/evaluation/") and document != "CHANGELOG.md":
            found += unseen(document, text)
    # Of four digits another figure may be the same by chance.
    figures = set(re.findall(r"\d{2,3},\d{3}|\d{1,3}(?:,\d{3}){2,}", "".join(sections.values()))) - {f"{size:,}" for size in SIZES}
    for figure in sorted(figures):
        found += [f"{document}: {figure}" for document, text in texts.items() if re.search(rf"(?<![\d,]){figure}(?![\d,])", text)]
    return found


def main():
    sections = {page: "\n".join(made()) + "\n" for page, made in SECTIONS.items()}
    written = {page: BEGIN.join([parts(page)[0], section]) + END + parts(page)[1] for page, section in sections.items()}
    if "--check" not in sys.argv:
        for page, text in written.items():
            (ROOT / page).write_text(text)
        return
    wrong = elsewhere(sections)
    for page, text in written.items():
        if (ROOT / page).read_text() != text:
            wrong.append(f"{page}: the figures are not those of bench/evaluation: run scripts/readme_figures.py")
    print("\n".join(wrong), file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
