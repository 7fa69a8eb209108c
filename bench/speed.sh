#!/usr/bin/env bash
# NDJSON to null, beside the same chain in Python, side by side on the same rows; medians of three. Rows a second.
#   .venv/bin/pip install -r bench/peers/requirements.txt; apt-get install redis-server
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
theirs() { for _ in 1 2 3; do $python bench/peers/"$@" 2>/dev/null; done | median; }
weather=dataflows/weather.toml
echo "| rows a message | Python loop | 2 threads | process pool, 2 | Celery and Redis, 2 | Bytewax, 2 | Polars | rowmill -w 1 | rowmill -w 2 | -w 1 / loop | -w 2 / pool | -w 2 / Celery | -w 2 / Polars |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
for case in "1 150" "100 3000" "1000 20000" "10000 60000"; do
  read -r size count <<<"$case"
  loop=$(theirs chain.py loop $weather "$rows" "$size" "$count")
  threads=$(theirs chain.py threads $weather "$rows" "$size" "$count" 2)
  pool=$(theirs chain.py processes $weather "$rows" "$size" "$count" 2)
  celery=$(theirs celery_chain.py $weather "$rows" "$size" "$count" 2)
  bytewax=$(theirs bytewax_chain.py $weather "$rows" "$size" "$count" 2)
  polars=$(theirs polars_chain.py "$rows" "$size" "$count")
  one=$(ours "$size" 1) two=$(ours "$size" 2)
  echo "| $size | $loop | $threads | $pool | $celery | $bytewax | $polars | $one | $two | $((one / loop)) | $((two / pool)) |" \
    "$((two / celery)) | $((two / polars)) |"
done
