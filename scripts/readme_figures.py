#!/usr/bin/env python3
"""Writes the evaluation's figures into docs/src/speed.md, between their markers, from bench/evaluation/raw.csv and peers.csv.

    readme_figures.py           # rewrites the section
    readme_figures.py --check   # exit code 1 if that page says something else, or a figure stands elsewhere too
"""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parent.parent
EVALUATION = ROOT / "bench/evaluation"
PAGE = ROOT / "docs/src/speed.md"
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


def figures():
    raw, peers = pd.read_csv(EVALUATION / "raw.csv"), pd.read_csv(EVALUATION / "peers.csv")
    found = rates(raw, peers)
    commits = ", ".join(sorted(raw.commit.fillna("unknown").unique()))
    dates = ", ".join(sorted(raw.date.dropna().unique())) if "date" in raw else "date unknown"
    lines = [
        f"Commit {commits}, {dates}; {raw.cpu.iloc[0]}, {raw.cores.iloc[0]} cores that others share. Rows a second: the"
        f" median of {raw.groupby(['over', 'placement', 'processes', 'workers', 'bucket_size']).size().min()} repeats, in"
        " brackets the least and the greatest. Rowmill's runs write a report, and so are not fused.",
        "",
        "| rows/s | " + " | ".join(f"{size:,} a message" for size in SIZES) + " |",
        "|---|" + "---|" * len(SIZES),
    ]
    at_their_best = "Python loop, as usually written" in set(peers.peer)
    for name in (PEERS if at_their_best else []) + [name for name, *_ in OURS] + PARTS:
        if any(len(found[name, size]) for size in SIZES):
            shown = f"**rowmill {name}**" if name.startswith("-") else name
            lines.append(f"| {shown} | " + " | ".join(spread(found[name, size]) for size in SIZES) + " |")
    if not at_their_best:
        return lines + ["", "Without the peers, which were slowed by their frames in this evaluation."]
    lines += ["", "| times as fast | " + " | ".join(f"{size:,} a message" for size in SIZES) + " |"]
    lines.append("|---|" + "---|" * len(SIZES))
    for ours, theirs in FACTORS:
        cells = [factor(found[ours, size], found[theirs, size]) for size in SIZES]
        shown = [f"{cell[1]:,.0f} ({cell[0]:,.0f} to {cell[2]:,.0f})" if cell else "ranges overlap" for cell in cells]
        lines.append(f"| `{ours}` as {theirs} | " + " | ".join(shown) + " |")
    return lines


def parts(text):
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert end, f"{PAGE} lacks {BEGIN.strip()} or {END.strip()}"
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


def elsewhere(section):
    """Figures of the section that stand in another document, too."""
    found = []
    for document in documents():
        if not document.startswith("bench/evaluation/") and document != "CHANGELOG.md":
            found += unseen(document, (ROOT / document).read_text().replace(section, ""))
    for figure in set(re.findall(r"\d{1,3}(?:,\d{3})+", section)) - {f"{size:,}" for size in SIZES}:
        for document in documents():
            text = (ROOT / document).read_text().replace(section, "")
            if re.search(rf"(?<![\d,]){figure}(?![\d,])", text):
                found.append(f"{document}: {figure}")
    return found


def main():
    page = PAGE
    before, after = parts(page.read_text())
    section = "\n".join(figures()) + "\n"
    written = before + BEGIN + section + END + after
    if "--check" not in sys.argv:
        page.write_text(written)
        return
    wrong = elsewhere(section)
    if page.read_text() != written:
        wrong.append(f"{PAGE}: the figures are not those of bench/evaluation: run scripts/readme_figures.py")
    print("\n".join(wrong), file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
