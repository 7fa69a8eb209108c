#!/usr/bin/env bash
# CPU seconds of a build from nothing, and of the build after a line more in a subtask.
#   scripts/build_time.sh [PROFILE]     release if not given; dev is the debug build, edit the one for work on the code
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${1:-release}
CARGO_TARGET_DIR=$(mktemp -d)
export CARGO_TARGET_DIR
subtask=src/subtasks/clip.rs
kept=$(mktemp)
cp -p "$subtask" "$kept"
trap 'cp -p "$kept" "$subtask"; rm -rf "$CARGO_TARGET_DIR" "$kept"' EXIT
TIMEFORMAT='%U s of CPU and %S s of the kernel, %R s'
echo -n "from nothing: "
time cargo build --quiet --profile "$profile"
# A number that is computed, so that code changes and not only a comment.
sed -i '0,/fn apply_column.*{$/s//&\n        std::hint::black_box(1);/' "$subtask"
cmp -s "$subtask" "$kept" && { echo "no line was added to $subtask"; exit 1; }
echo -n "a line more in $subtask: "
time cargo build --quiet --profile "$profile"
