#!/usr/bin/env bash
# The console in a real Chromium, over what `engine demo --open` leaves running.
#   tests/console/run.sh ENGINE CHROMIUM [PICTURES]
# ENGINE is the engine's binary. What drives the browser is installed once, in the versions of package-lock.json, below
# CARGO_TARGET_DIR; that is the only time at which the network is needed. A picture of each page, light, dark and as
# wide as a phone, goes into PICTURES, a folder.
# Exit 0: everything is as it should be, 1: it is not.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
engine=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
tools=$(mkdir -p "${CARGO_TARGET_DIR:-$root/target}/console" && cd "${CARGO_TARGET_DIR:-$root/target}/console" && pwd)
pictures=${3:-$tools/pictures}

if ! cmp -s "$here/package-lock.json" "$tools/installed"; then
  rm -rf "$tools/node_modules"
  cp "$here/package.json" "$here/package-lock.json" "$tools"
  (cd "$tools" && npm ci --no-audit --no-fund --loglevel=error)
  cp "$here/package-lock.json" "$tools/installed"
fi
cd "$tools"
timeout 900 node "$here/console.mjs" "$engine" "$2" "$pictures"
printf 'pictures of its pages are in %s\n' "$pictures"
