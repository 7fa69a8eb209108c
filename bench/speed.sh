#!/usr/bin/env bash
# NDJSON to null, beside the same chain in Python, side by side on the same rows; medians of three. Rows a second.
#   ROWMILL_PYTHON=.venv/bin/python bench/speed.sh
set -euo pipefail
cd "$(dirname "$0")/.."
python=${ROWMILL_PYTHON:?names the Python with pandas and scikit-learn}
rowmill=target/release/rowmill
rows=$(mktemp -d)/rows.ndjson
$rowmill generate --rows 200000 --seed 1 -o "$rows"
median() { sort -n | sed -n 2p; }
ours() {
  for _ in 1 2 3; do
    $rowmill run dataflows/weather.toml --source "$rows" --sink null --bucket-size "$1" -w "$2" 2>&1 |
      sed -n 's/^ *\([0-9]*\) rows\/s over.*/\1/p'
  done | median
}
theirs() {
  for _ in 1 2 3; do $python bench/peers/chain.py "$1" dataflows/weather.toml "$rows" "$2" "$3" 2 2>/dev/null; done | median
}
echo "| rows a message | Python loop | 2 threads | process pool, 2 | rowmill -w 1 | rowmill -w 2 | -w 1 / loop | -w 2 / pool |"
echo "|---|---|---|---|---|---|---|---|"
for case in "1 150" "100 3000" "1000 20000" "10000 60000"; do
  read -r size count <<<"$case"
  loop=$(theirs loop "$size" "$count") threads=$(theirs threads "$size" "$count")
  pool=$(theirs processes "$size" "$count") one=$(ours "$size" 1) two=$(ours "$size" 2)
  echo "| $size | $loop | $threads | $pool | $one | $two | $((one / loop)) | $((two / pool)) |"
done
