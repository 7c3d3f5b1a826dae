#!/usr/bin/env bash
# HubSpot's official clients for Node and Python, unchanged but for the address, against the HubSpot twin.
#   tests/clients/run.sh ENGINE [--write]
# ENGINE is the engine's binary. The clients are installed once, in the versions of package-lock.json and
# requirements.txt, below CARGO_TARGET_DIR; that is the only time at which the network is needed.
# --write puts the table of calls and verdicts into connectors/sandbox/README.md; without it another table is a failure.
# Exit 0: everything is as it should be, 1: it is not.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
ENGINE=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
export ENGINE
clients=$(mkdir -p "${CARGO_TARGET_DIR:-$root/target}/clients" && cd "${CARGO_TARGET_DIR:-$root/target}/clients" && pwd)

installed() { # FOLDER FILE…: whether FOLDER was filled from these very files
  cat "${@:2}" | cmp -s - "$1/installed"
}

# The client asks for a newer Node than it needs; npm says so and goes on.
if ! installed "$clients/node" "$here/package-lock.json"; then
  rm -rf "$clients/node" && mkdir "$clients/node"
  cp "$here/package.json" "$here/package-lock.json" "$clients/node"
  (cd "$clients/node" && npm ci --no-audit --no-fund --loglevel=error)
  cp "$here/package-lock.json" "$clients/node/installed"
fi
if ! installed "$clients/python" "$here/requirements.txt"; then
  rm -rf "$clients/python"
  python3 -m venv "$clients/python"
  "$clients/python/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$clients/python/installed"
fi

# All at once: each has a twin of its own, and Node's own pauses are most of the time.
cd "$clients/node"
rm -f "$clients"/*.json
node "$here/client.mjs" "$here/calls.txt" "$clients/node.json" &
node=$!
node "$here/client.mjs" "$here/calls.txt" "$clients/dated.json" --dated &
dated=$!
"$clients/python/bin/python" "$here/client.py" "$here/calls.txt" "$clients/python.json" &
python=$!
ended=0
wait "$node" || ended=1
wait "$dated" || ended=1
wait "$python" || ended=1
[ "$ended" = 0 ] || { echo "a client did not come to its end"; exit 1; }
python3 "$here/table.py" "$clients/node.json" "$clients/python.json" "$clients/dated.json" "$root/connectors/sandbox/README.md" "${2:-}"
