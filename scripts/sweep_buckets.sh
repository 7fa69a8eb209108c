#!/usr/bin/env bash
# Service time and throughput against bucket size, for one and two workers; leaves runs/DATE-HOST/report.html.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet
target/release/rowmill bench sweep dataflows/weather.toml --bucket-sizes 1,10,100,1000,10000 -w 1,2 "$@"
