# A real Apache Kafka broker for the tests: one node, KRaft, loopback. To be sourced after common.sh.
#
# kafka_start CACHE WORK: uses KAFKA_BROKERS where it is set; else fetches the jars into CACHE (once) and starts a
#   broker with its data in WORK. Sets KAFKA_BROKERS; returns 1 and sets KAFKA_WHY_NOT where there can be none.
#   Where it started one, KAFKA_JARS says where the jars are, for tests that need a broker of their own.
# kafka_run CACHE WORK: starts the broker whose data is in WORK, on the ports that it had; sets KAFKA_PID, returns 1
#   where it does not come up.
# kafka_stop: ends the broker that kafka_start started, and no other.

KAFKA_PID=
KAFKA_WHY_NOT=

kafka_jars() { # CACHE
  local cache=$1 pom
  [ -e "$cache/complete" ] && compgen -G "$cache/lib/kafka_*.jar" >/dev/null && return 0
  command -v mvn >/dev/null || { KAFKA_WHY_NOT="its jars are fetched with Maven (mvn), which is not here"; return 1; }
  pom="$(dirname "${BASH_SOURCE[0]}")/kafka/pom.xml"
  mkdir -p "$cache"
  local try
  for try in 1 2 3; do
    if mvn -q -B -f "$pom" dependency:copy-dependencies -DoutputDirectory="$cache/lib" </dev/null >"$cache/maven.log" 2>&1; then
      touch "$cache/complete"
      return 0
    fi
  done
  tail -n 5 "$cache/maven.log" >&2
  KAFKA_WHY_NOT="Maven could not fetch its jars, in $try tries (see $cache/maven.log)"
  return 1
}

kafka_run() { # CACHE WORK
  local here
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$1/lib/*:$here/kafka" kafka.Kafka \
    "$2/kafka/server.properties" >"$2/kafka/broker.log" 2>&1 </dev/null &
  KAFKA_PID=$!
  wait_for 60 "$KAFKA_PID" grep -q 'Kafka Server started' "$2/kafka/broker.log"
}

kafka_start() { # CACHE WORK
  local cache work here version try port controller classes id
  if [ -n "${KAFKA_BROKERS:-}" ]; then
    # Tests that kill their broker need the jars all the same.
    [ -n "${KAFKA_JARS:-}" ] || ! command -v java >/dev/null || ! { mkdir -p "$1" && kafka_jars "$(cd "$1" && pwd)"; } ||
      export KAFKA_JARS="$(cd "$1" && pwd)"
    return 0
  fi
  command -v java >/dev/null || { KAFKA_WHY_NOT="it needs Java 17 or later, which is not here"; return 1; }
  version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  [ "${version:-0}" -ge 17 ] || { KAFKA_WHY_NOT="it needs Java 17 or later; this is ${version:-unknown}"; return 1; }
  # Absolute: Maven takes a relative folder from where its pom is, not from here.
  mkdir -p "$1" && cache=$(cd "$1" && pwd) || return 1
  kafka_jars "$cache" || return 1
  mkdir -p "$2" && work=$(cd "$2" && pwd)
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  classes="$cache/lib/*:$here/kafka"
  for try in 1 2 3; do
    port=$(free_port) controller=$(free_port)
    rm -rf "$work/kafka"
    mkdir -p "$work/kafka"
    cat >"$work/kafka/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:$controller
log.dirs=$work/kafka/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
PROPERTIES
    if ! { id=$(java -cp "$classes" kafka.tools.StorageTool random-uuid 2>/dev/null) &&
      java -cp "$classes" kafka.tools.StorageTool format --standalone -t "$id" \
        -c "$work/kafka/server.properties" >"$work/kafka/format.log" 2>&1 </dev/null; }; then
      KAFKA_WHY_NOT="its data folder could not be made (see $work/kafka/format.log)"
      return 1
    fi
    if kafka_run "$cache" "$work"; then
      export KAFKA_BROKERS="127.0.0.1:$port" KAFKA_JARS="$cache"
      return 0
    fi
    kafka_stop
  done
  tail -n 20 "$work/kafka/broker.log" >&2
  KAFKA_WHY_NOT="the broker did not start, in $try tries (see $work/kafka/broker.log)"
  return 1
}

kafka_stop() {
  [ -z "$KAFKA_PID" ] || stop_process "$KAFKA_PID"
  KAFKA_PID=
}
