#!/usr/bin/env bash
# Makes the Python that the peers run on, with pinned versions: bench/peers/environment.sh [DIRECTORY]. Debian's
# redis-server is needed, too.
set -euo pipefail
cd "$(dirname "$0")"
directory=${1:-../../.venv}
python3 -m venv "$directory"
"$directory/bin/pip" install --quiet -r requirements.txt
command -v redis-server >/dev/null || echo "redis-server is missing: apt-get install redis-server" >&2
