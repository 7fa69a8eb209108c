#!/usr/bin/env bash
# One worker, NDJSON to null, beside the plain Python loop, side by side on the same rows; medians of three.
#   ROWMILL_PYTHON=.venv/bin/python bench/speed.sh
set -euo pipefail
cd "$(dirname "$0")/.."
python=${ROWMILL_PYTHON:?names the Python with pandas and scikit-learn}
rowmill=target/release/rowmill
rows=$(mktemp -d)/rows.ndjson
$rowmill generate --rows 200000 --seed 1 -o "$rows"
median() { sort -n | sed -n 2p; }
ours() {
  $rowmill run dataflows/weather.toml --source "$rows" --sink null --bucket-size "$1" 2>&1 | sed -n 's/^ *\([0-9]*\) rows\/s over.*/\1/p'
}
echo "rows a message | Python loop, rows/s | rowmill -w 1, rows/s | ratio"
for case in "1 150" "100 3000" "1000 20000" "10000 60000"; do
  read -r size count <<<"$case"
  theirs=$(for _ in 1 2 3; do $python bench/plain_loop.py dataflows/weather.toml "$rows" "$size" "$count" 2>/dev/null; done | median)
  mine=$(for _ in 1 2 3; do ours "$size"; done | median)
  echo "$size | $theirs | $mine | $((mine / theirs))"
done
