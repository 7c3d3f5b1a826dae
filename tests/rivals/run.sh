#!/usr/bin/env bash
# The jobs of `engine bench` on this engine and on Restate, in turns on this machine; prints both side by side.
#   tests/rivals/run.sh [SECONDS]     how long each job may measure; 30 where nothing is said
# What it needs beside what the engine needs:
#   Restate's server   RESTATE_SERVER (the path of a binary), else npm's package `@restatedev/restate-server`
#   its Rust SDK       from crates.io, by cargo
#   this engine        ENGINE (the path of a release binary), else it is built
# Everything listens on loopback and is stopped at the end; what is installed stays in target/rivals.
# Exit 0: measured, 1: something broke off, 2: Restate's server cannot be had.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec </dev/null
seconds=${1:-30}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
kept=$target/rivals
# Ports of loopback; RIVALS_PORT moves all of them.
port=${RIVALS_PORT:-21100}
ingress=$port admin=$((port + 1)) node=$((port + 2)) jobs=$((port + 3)) service=$((port + 4))
npm_package=@restatedev/restate-server@1.7.12

work=$(mktemp -d "${TMPDIR:-/tmp}/engine-rivals.XXXXXX")
started=()
leave() {
  local code=$? pid
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
  if [ "$code" = 0 ]; then rm -rf "$work"; else printf 'logs are kept in %s\n' "$work" >&2; fi
}
trap leave EXIT

server() { # prints the path of Restate's server
  if [ -n "${RESTATE_SERVER:-}" ]; then
    [ -x "$RESTATE_SERVER" ] || { printf 'RESTATE_SERVER names %s, which cannot be run\n' "$RESTATE_SERVER" >&2; return 1; }
    printf '%s\n' "$RESTATE_SERVER"
    return
  fi
  command -v npm >/dev/null || { echo 'there is no npm; set RESTATE_SERVER to the path of a binary' >&2; return 1; }
  # Its install script only reports to its makers.
  npm install --silent --no-save --ignore-scripts --prefix "$kept/npm" "$npm_package" >&2 || return 1
  local found=("$kept"/npm/node_modules/@restatedev/restate-server-*/bin/restate-server)
  [ -x "${found[0]}" ] || { echo 'the npm package has no binary for this machine; set RESTATE_SERVER' >&2; return 1; }
  printf '%s\n' "${found[0]}"
}

until_it_answers() { # URL
  local _
  for _ in $(seq 600); do
    curl --silent --fail --output /dev/null --max-time 1 "$1" && return
    sleep 0.1
  done
  printf '%s does not answer\n' "$1" >&2
  return 1
}

restate=$(server) || { echo "Restate's server cannot be had here: nothing was measured" >&2; exit 2; }
engine=${ENGINE:-}
if [ -z "$engine" ]; then
  cargo build --release
  engine=$target/release/engine
fi
CARGO_TARGET_DIR=$kept/cargo cargo build --release --manifest-path tests/rivals/restate/Cargo.toml

# As its documentation tunes a single node: as many partitions as cores; every write is synced, as it is by default.
RESTATE_DEFAULT_NUM_PARTITIONS=$(nproc) RESTATE_DISABLE_TELEMETRY=true \
  RESTATE_INGRESS__BIND_PORT=$ingress RESTATE_ADMIN__BIND_PORT=$admin \
  "$restate" --bind-ip 127.0.0.1 --bind-port "$node" --listen-mode tcp --base-dir "$work/restate" --no-logo \
  >"$work/restate.log" 2>&1 &
started+=($!)
ADDRESS=127.0.0.1:$jobs SERVICE=http://127.0.0.1:$service \
  "$kept/cargo/release/restate-jobs" >"$work/jobs.log" 2>&1 &
started+=($!)
until_it_answers "http://127.0.0.1:$admin/health"
until_it_answers "http://127.0.0.1:$ingress/restate/health"
curl --silent --show-error --fail --output "$work/registered.json" --json "{\"uri\": \"http://127.0.0.1:$jobs\"}" \
  "http://127.0.0.1:$admin/deployments"

printf 'rival: %s\n' "$("$restate" --version | head -1)"
uptime
"$engine" bench ack steps --seconds "$seconds" --service "127.0.0.1:$service" \
  --rival-ack "http://127.0.0.1:$ingress/Jobs/ack/send" --rival-steps "http://127.0.0.1:$ingress/Jobs/steps/send"
resident=$(awk '/^VmHWM:/ { print int($2 / 1024) }' "/proc/${started[0]}/status")
printf '\nmost memory of the rival: %s MB, without its service\n' "$resident"
uptime
