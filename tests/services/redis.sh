# A real Redis for the tests, on loopback, keeping nothing. To be sourced after common.sh.
#
# redis_start WORK: uses REDIS_URL where it is set; else a redis-server on the path, else Debian's package.
#   Sets REDIS_URL; returns 1 and sets REDIS_WHY_NOT where there can be none. REDIS_SERVER says how tests start one of
#   their own, where there is a redis-server on the path.
# redis_stop: ends the server that redis_start started, and no other.

REDIS_PID=
REDIS_WHY_NOT=

redis_package() {
  command -v apt-get >/dev/null || { REDIS_WHY_NOT="there is no redis-server on the path, and no apt-get"; return 1; }
  local log="$1/redis-package.log"
  # The package would start a service of its own: policy-rc.d is Debian's way to say no; where one stands, it stays.
  local policy=/usr/sbin/policy-rc.d made=
  if [ "$(id -u)" = 0 ] && [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=1
  fi
  as_root apt-get update >"$log" 2>&1 </dev/null || true
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends redis-server \
    >>"$log" 2>&1 </dev/null || true
  [ -z "$made" ] || rm -f "$policy"
  command -v redis-server >/dev/null && return 0
  tail -n 5 "$log" >&2
  REDIS_WHY_NOT="there is no redis-server on the path, and Debian's package could not be installed (see $log)"
  return 1
}

redis_answers() { # PORT
  local answer
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf 'PING\r\n' >&3
  read -r -t 1 answer <&3 || answer=
  exec 3>&-
  [ "${answer%$'\r'}" = "+PONG" ]
}

redis_start() { # WORK
  if [ -n "${REDIS_URL:-}" ]; then
    command -v redis-server >/dev/null && export REDIS_SERVER=redis-server
    return 0
  fi
  local work port try
  mkdir -p "$1" && work=$(cd "$1" && pwd)
  command -v redis-server >/dev/null || redis_package "$work" || return 1
  for try in 1 2 3; do
    port=$(free_port)
    redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --daemonize no --dir "$work" \
      >"$work/redis.log" 2>&1 </dev/null &
    REDIS_PID=$!
    if wait_for 20 "$REDIS_PID" redis_answers "$port"; then
      export REDIS_URL="redis://127.0.0.1:$port" REDIS_SERVER=redis-server
      return 0
    fi
    redis_stop
  done
  tail -n 20 "$work/redis.log" >&2
  REDIS_WHY_NOT="redis-server did not start, in $try tries (see $work/redis.log)"
  return 1
}

redis_stop() {
  [ -z "$REDIS_PID" ] || stop_process "$REDIS_PID"
  REDIS_PID=
}
