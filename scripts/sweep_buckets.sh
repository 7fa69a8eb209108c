#!/usr/bin/env bash
# Service time and throughput against bucket size, for one and two workers, beside parts of a run alone, and latency
# against load; leaves runs/DATE-HOST/report.html.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet
out="runs/$(date +%FT%H%M%S)-$(hostname)"
target/release/rowmill bench sweep dataflows/weather.toml -w 1,2 --baselines --peer-time 1s -o "$out" "$@"
for workers in 1 2; do
  target/release/rowmill bench latency --bucket-size 100 --burst 100 -w $workers --duration 1s -o "$out"
done
