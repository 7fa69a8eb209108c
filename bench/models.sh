#!/usr/bin/env bash
# The evaluation for machine-learning: the sixteen subtasks and one model behind them, 1 to 10,000 rows a message, beside
# the same chain and model in Python. Five models: a forest of 100 trees, boosted trees, logistic regression, an
# isolation forest, and one that learns over the stream. Leaves runs/models-COMMIT, puts figures into
# bench/evaluation/models and docs/src/models.md. Started again, it goes on where it was.
#   bench/peers/environment.sh .venv; ROWMILL_PYTHON=.venv/bin/python bench/models.sh [ROWS [SECONDS]]
set -euo pipefail
cd "$(dirname "$0")/.."
python=${ROWMILL_PYTHON:?names the Python of bench/peers/environment.sh}
rows=${1:-750000} seconds=${2:-10}
. bench/release.sh
out=runs/models-$commit
mkdir -p "$out"
if [ ! -e "$out/fitted" ]; then
  target/release/rowmill generate --rows 25000 -o "$out/rows.ndjson"
  "$python" bench/peers/models.py fit dataflows/weather.toml "$out/rows.ndjson" "$out"
  # What is measured is the same computation on both sides.
  "$python" bench/peers/models.py check "$out" "$out/rows.ndjson" | tee "$out/fitted.new"
  mv "$out/fitted.new" "$out/fitted"
fi
for dataflow in "$out"/*.toml; do
  model=$(basename "$dataflow" .toml)
  peers=(--peer "Python loop=$python bench/peers/chain.py loop $dataflow 1")
  # A model that learns is one: processes that share none would each learn another.
  [ "$model" = sgd_regressor ] || peers+=(
    --peer "process pool, 2=$python bench/peers/chain.py processes $dataflow 2"
    --peer "Celery and Redis, 2=$python bench/peers/celery_chain.py $dataflow 2")
  target/release/rowmill bench sweep "$dataflow" --rows "$rows" -w 1,2 --time "${seconds}s" \
    --peer-time "$((seconds / 4))s" "${peers[@]}" -o "$out/$model"
  target/release/rowmill bench planner "$dataflow" --rounds 3 | tee "$out/$model/planner.txt"
done
if [[ $commit = dirty-* ]]; then
  echo "$out: of a tree with changes, not published"
  exit
fi
for dataflow in "$out"/*.toml; do
  model=$(basename "$dataflow" .toml)
  kept=bench/evaluation/models/$model
  mkdir -p "$kept"
  cp "$out/$model"/{raw.csv,peers.csv,planner.txt,peers.svg} "$kept/"
done
"$python" scripts/readme_figures.py
echo "bench/evaluation/models and docs/src/models.md are changed: look, and commit"
