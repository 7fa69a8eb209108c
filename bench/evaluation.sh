#!/usr/bin/env bash
# The published evaluation, redone: 750,000 rows, 1 to 10,000 rows a message, threads, processes and both placements,
# beside the Python originals and other peers on the same rows. Leaves runs/evaluation/report.html, puts figures and
# summary into bench/evaluation and docs/src/speed.md. Three quarters of an hour on 2 cores; started again, it goes on where it was.
#   bench/peers/environment.sh .venv; ROWMILL_PYTHON=.venv/bin/python bench/evaluation.sh [ROWS [SECONDS]]
# Of a clean commit, or with DIRTY=1 without publishing.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${ROWMILL_PYTHON:?names the Python of bench/peers/environment.sh}
rows=${1:-750000} seconds=${2:-20}
. bench/release.sh
weather=dataflows/weather.toml out=runs/evaluation-$commit
sweep() { target/release/rowmill bench sweep $weather --rows "$rows" -w 1,2 -o "$out" "$@"; }
# Peers would take hours for all rows: the report says how many each has had.
sweep -n 1,2 --placement message,subtask --time "${seconds}s" --baselines --peer-time "$((seconds / 4))s" \
  --peer "Python loop=$python bench/peers/chain.py loop $weather 1" \
  --peer "Python loop, as usually written=$python bench/peers/chain.py frames $weather 1" \
  --peer "Python, 2 threads=$python bench/peers/chain.py threads $weather 2" \
  --peer "process pool, 2=$python bench/peers/chain.py processes $weather 2" \
  --peer "Celery and Redis, 2=$python bench/peers/celery_chain.py $weather 2" \
  --peer "Bytewax, 2=$python bench/peers/bytewax_chain.py $weather 2" \
  --peer "Pathway, 2=$python bench/peers/pathway_chain.py $weather 2" \
  --peer "Polars=$python bench/peers/polars_chain.py"
sweep --over mqtt --time "$((seconds / 4))s"
for workers in 1 2; do
  target/release/rowmill bench latency $weather --bucket-size 100 --burst 100 -w $workers --p99 5ms -o "$out"
done
if [[ $commit = dirty-* ]]; then
  echo "$out/report.html: of a tree with changes, not published"
  exit
fi
cp "$out"/*.csv "$out"/*.svg "$out"/summary.md bench/evaluation/
"$python" scripts/readme_figures.py
echo "$out/report.html; bench/evaluation and docs/src/speed.md are changed: look, and commit"
