#!/usr/bin/env bash
# Throughput against workers: threads and processes, in both placements; leaves runs/DATE-HOST/report.html.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet
target/release/rowmill bench sweep dataflows/weather.toml --bucket-sizes 100,1000 -w 1,2 -n 1,2 --placement message,subtask "$@"
