# Sourced by the evaluations: builds the release, and sets `commit` to what is measured. What is published is of a clean
# commit: with changes it stops, or, with DIRTY=1, measures and publishes nothing.
commit=$(git rev-parse --short HEAD)
if [ -n "$(git status --porcelain --untracked-files=no)" ]; then
  [ "${DIRTY:-}" = 1 ] || { echo "the tree has changes: commit them, or set DIRTY=1 to measure without publishing" >&2; exit 1; }
  commit=dirty-$commit
fi
cargo build --release --quiet
