#!/usr/bin/env bash
# Builds for aarch64 and runs the kernels' unit tests and parity cases there, under qemu:
# scripts/aarch64.sh [CASES [SEED]]. Needs Debian's gcc-aarch64-linux-gnu and qemu-user, rustup, and ROWMILL_PYTHON with
# scripts/requirements.txt.
set -euo pipefail
cd "$(dirname "$0")/.."

target=aarch64-unknown-linux-gnu
rustup target add "$target"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
cargo test --target "$target" --lib -- kernels:: subtasks:: data::
cargo build --target "$target"
program=$(mktemp)
trap 'rm "$program"' EXIT
directory=${CARGO_TARGET_DIR:-target}
printf '#!/bin/sh\nexec %s %s/%s/debug/rowmill "$@"\n' \
  "$CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER" "$(realpath "$directory")" "$target" >"$program"
chmod +x "$program"
"${ROWMILL_PYTHON:-python3}" scripts/parity.py "$program" --cases "${1:-300}" --seed "${2:-11}"
