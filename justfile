# What is repeated. `just` lists it.

python := env("ROWMILL_PYTHON", "python3")

_default:
    @just --list --unsorted

# What packages carry and what is measured.
build:
    cargo build --release

# Run a dataflow file: just run dataflows/weather.toml --source data/sample.csv --sink out.csv
run +arguments:
    cargo run --release --quiet -- run {{ arguments }}

# The page with a station of its own.
demo:
    cargo run --release --quiet -- demo

# What needs nothing but Rust.
test *filter:
    cargo test {{ filter }}

# All tests of one file, also those that need a broker or Python: just test-all tls
test-all file *filter:
    cargo test --test {{ file }} -- --include-ignored {{ filter }}

# Format and lint as CI does.
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# All that decides whether a change is taken; on Debian it installs what it needs.
ci:
    bash .ci/run

# Fitted models of random shapes beside scikit-learn.
models cases="500" seed="11":
    {{ python }} scripts/check_models.py target/release/rowmill --cases {{ cases }} --seed {{ seed }}

# Random cases beside pandas and scikit-learn.
parity cases="1500" seed="11":
    {{ python }} scripts/parity.py target/release/rowmill --cases {{ cases }} --seed {{ seed }}

# Criterion's benchmarks of the kernels and of the chain.
bench *filter:
    cargo bench {{ filter }}

# Instructions a number of each subtask; they repeat where times do not.
instructions: build
    {{ python }} bench/instructions.py

# CPU time of a build from nothing and of a line more in a subtask.
build-time profile="release":
    scripts/build_time.sh {{ profile }}

# The book, by mdBook.
docs:
    mdbook build docs

# The API's documentation.
api:
    cargo doc --no-deps --open

# The Debian package and the wheel, installed in clean roots and run there.
packages profile="dist":
    scripts/packages.sh {{ profile }}

# Inputs that nobody wrote, for a minute each.
fuzz:
    scripts/fuzz.sh "-max_total_time=60"
