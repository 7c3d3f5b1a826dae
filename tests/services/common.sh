# Helpers that the service scripts share. To be sourced; needs bash only.

# A port on loopback where nobody listens at the moment. The caller retries if somebody was faster.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

# wait_for SECONDS PID COMMAND…: until the command succeeds; fails where the time is over or the process has ended.
wait_for() {
  local end=$((SECONDS + $1)) pid=$2
  shift 2
  until "$@" 2>/dev/null; do
    kill -0 "$pid" 2>/dev/null || return 1
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}

# stop_process PID: ends one process that we started, gently, then for certain.
stop_process() {
  local pid=$1 tries=0
  kill "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -le 100 ] || { kill -9 "$pid" 2>/dev/null; break; }
    sleep 0.1
  done
  wait "$pid" 2>/dev/null || true
}

# as_root COMMAND…: as root where we are or may become it without a question.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
