#!/usr/bin/env bash
# Fuzzes what reads bytes of others: scripts/fuzz.sh [FLAGS of libFuzzer, in one word] [TARGET...], such as
# scripts/fuzz.sh "-max_total_time=600" payload. What breaks is kept in tests/fuzz/artifacts; move it into
# tests/fuzz/corpus/TARGET when it is mended, and `cargo test` takes it for ever.
set -euo pipefail
cd "$(dirname "$0")/../tests/fuzz"

flags=${1:--max_total_time=60}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(payload nested format sparkplug packed topics file dataflow params states message checkpoint)
# The passes that cargo fuzz asks a nightly compiler for; this program has no sanitizer's worth of unsafe code.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares"
host=$(rustc -vV | sed -n 's/^host: //p')
cargo build --quiet --release --target "$host" "${targets[@]/#/--bin=}"
mkdir -p artifacts
run() {
  # redb takes a little more than a gigabyte over some damaged checkpoints before it refuses them.
  memory=$([ "$1" = checkpoint ] && echo 2048 || echo 1024)
  # What is found on the way is kept out of the corpus that is committed.
  grown=$(mktemp -d)
  # shellcheck disable=SC2086 # the flags are words
  "target/$host/release/$1" "$grown" "corpus/$1" $flags -max_len=4096 -timeout=10 -rss_limit_mb="$memory" \
    -artifact_prefix="artifacts/$1-" 2>"$grown.log" || { tail -40 "$grown.log"; return 1; }
  echo "$1: $(grep -o '^Done.*' "$grown.log")"
  rm -r "$grown" "$grown.log"
}
export -f run; export flags host
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'run {}'
