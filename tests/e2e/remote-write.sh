#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# remote-write.sh BUILD: weft-monitor write, once to a Prometheus and once to a VictoriaMetrics. Both writers and the Prometheus are killed with
# SIGKILL under load, WEFT_REMOTE_KILLS times: afterwards every series has every sample, with its own time, once, and ends with a marker when
# its host falls silent. A receiver that refuses, asks for patience and wants credentials gets what the protocol says, and what it does not
# take is named by status.
# shellcheck disable=SC2034,SC2015 # for lib.sh; fail ends the test
BUILD=$1
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$HERE/lib.sh"

KILLS=${WEFT_REMOTE_KILLS:-2}
RATE=${WEFT_REMOTE_RATE:-400}
command -v prometheus >/dev/null || echo "no prometheus here: it is not asked" >&2
command -v victoria-metrics >/dev/null || echo "no victoria-metrics here: it is not asked" >&2
command -v prometheus >/dev/null || command -v victoria-metrics >/dev/null || skip "no receiver here: see cmake/install-deps.sh test"

seen() { python3 -B "$HERE/remote_write.py" "$@"; }
ready() { python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=10)' "$1"; }
start_prometheus() {
    start_program prometheus prometheus --config.file="$WORK/prometheus.yml" --storage.tsdb.path="$WORK/tsdb" \
        --web.listen-address="127.0.0.1:$prometheus" --web.enable-remote-write-receiver --log.level=warn
}
start_victoria() {
    start_program victoria victoria-metrics -storageDataPath="$WORK/vm" -httpListenAddr="127.0.0.1:$victoria" -loggerLevel=ERROR -dedup.minScrapeInterval=1ms
}
start_writer() { # NAME URL [ARGUMENT...]
    to=$1 url=$2
    shift 2
    start_program "write-$to" "$MONITOR" write --dir "$WORK/watch" --remote "$url" --remote-state "$WORK/$to.db" --every 1 --product 'servers/meter' "$@"
}
of() { # NAME KEY: a value of what status says of that writer
    { "$MONITOR" status --db "$WORK/$1.db" --alerts "$WORK/none" --remote-state "$WORK/$1.db" -o json || true; } |
        sed "s/.*\"remote\":{//;s/.*\"$2\":\([^,}]*\).*/\1/"
}

make_mesh servers
(cd "$WORK" && "$WEFT" product new meter --kind metric >/dev/null)
sed -i 's/domain: monitoring/domain: servers/;s/^freshness: .*/freshness: 1s/' "$WORK/meter.yaml"
cat >"$WORK/meter.proto" <<'EOF2'
syntax = "proto3";
package meter.v1;
import "weft/v1/options.proto";
message Record {
  string id = 1 [(weft.v1.role) = ROLE_LABEL];
  string origin = 2 [(weft.v1.role) = ROLE_LABEL];
  double value = 3 [(weft.v1.role) = ROLE_GAUGE, (weft.v1.unit) = "By"];
  uint64 hits = 4 [(weft.v1.role) = ROLE_COUNTER];
  int64 at = 5 [(weft.v1.role) = ROLE_TIMESTAMP];
}
EOF2
"$WEFT" product build "$WORK/meter.yaml" >/dev/null
weft_at servers-node product apply "$WORK/meter.yaml" >/dev/null
make_reader servers-node watch service

prometheus=$(free_port)
printf 'global: {scrape_interval: 1h}\n' >"$WORK/prometheus.yml"
victoria=$(free_port)
if command -v prometheus >/dev/null; then start_prometheus; fi
if command -v victoria-metrics >/dev/null; then start_victoria; fi
receivers=""
if command -v prometheus >/dev/null; then
    until_ok ready "http://127.0.0.1:$prometheus/-/ready"
    start_writer prometheus "http://127.0.0.1:$prometheus/api/v1/write"
    receivers="prometheus"
fi
if command -v victoria-metrics >/dev/null; then
    until_ok ready "http://127.0.0.1:$victoria/health"
    start_writer victoria "http://127.0.0.1:$victoria/api/v1/write"
    receivers="$receivers victoria"
fi

echo "kill -9 of writers and server under load, $KILLS times"
base=$(($(date +%s) * 1000 - 120000))
python3 -B "$HERE/remote_write.py" say "$base" "$RATE" "$WORK/end" >"$WORK/said" 2>/dev/null &
echo $! >"$WORK/say.pid"
tail -c +1 -f --pid="$(cat "$WORK/say.pid")" "$WORK/said" | weft_at servers-node publish meter --wait -q >"$WORK/publish.log" 2>&1 &
publish=$!
taken() { for r in $receivers; do [ "$(of "$r" sent)" -gt "$1" ] || return 1; done; }
until_ok taken 10
for ((k = 1; k <= KILLS; k++)); do
    sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
    for r in $receivers; do
        stop "write-$r" KILL
        port=$prometheus
        [ "$r" = prometheus ] || port=$victoria
        start_writer "$r" "http://127.0.0.1:$port/api/v1/write"
    done
    sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
    case "$receivers" in prometheus*)
        stop prometheus KILL
        start_prometheus
        until_ok ready "http://127.0.0.1:$prometheus/-/ready"
        ;;
    esac
done
touch "$WORK/end"
wait $publish || fail "not all was published: $(cat "$WORK/publish.log")"
rm -f "$WORK/say.pid"
count=$(wc -l <"$WORK/said")

echo "$count records: every sample once, with its time; then the series end"
for r in $receivers; do
    port=$prometheus
    [ "$r" = prometheus ] || port=$victoria
    until_ok seen equal "$r" "http://127.0.0.1:$port" "$WORK/said"
    until_ok seen ended "$r" "http://127.0.0.1:$port" "$WORK/said"
    seen equal "$r" "http://127.0.0.1:$port" "$WORK/said" || fail "$r: not the same once the series ended"
    echo "$r: $(of "$r" already) samples were there already"
    [ "$(of "$r" dropped)" = 0 ] || fail "$r: drops: $("$MONITOR" sql --db "$WORK/$r.db" 'SELECT * FROM _drop')"
done
echo '{"id":"s0","origin":"x","value":-1,"hits":0,"at":"'$((base + count + 10))'"}' | weft_at servers-node publish meter --wait -q
for r in $receivers; do
    port=$prometheus
    [ "$r" = prometheus ] || port=$victoria
    until_ok seen again "$r" "http://127.0.0.1:$port" $((base + count + 10))
    stop "write-$r"
done

echo "a receiver that asks for patience, refuses one series, and then us"
receiver=$(free_port)
(umask 077 && echo 'basic weft:secret' >"$WORK/auth")
start_program receiver python3 -B "$HERE/remote_write.py" receiver "$receiver" "$WORK/receiver"
until_ok ready "http://127.0.0.1:$receiver/"
chmod 644 "$WORK/auth"
got=0
"$MONITOR" write --dir "$WORK/watch" --remote "http://127.0.0.1:$receiver/" --remote-auth "$WORK/auth" --remote-state "$WORK/no.db" >"$WORK/out" 2>&1 || got=$?
[ $got -ne 0 ] && grep -q 'nobody else may read' "$WORK/out" || fail "credentials that others may read were taken: $got $(cat "$WORK/out")"
chmod 600 "$WORK/auth"
got=0
"$MONITOR" write --dir "$WORK/watch" --remote "http://192.0.2.1/" --remote-auth "$WORK/auth" --remote-state "$WORK/no.db" >"$WORK/out" 2>&1 || got=$?
[ $got = 64 ] || fail "credentials would go in the clear: $got $(cat "$WORK/out")"
start_writer receiver "http://127.0.0.1:$receiver/" --from earliest --remote-auth "$WORK/auth"
drops() { [ "$(of receiver dropped)" -ge 1 ]; }
until_ok drops
"$MONITOR" status --db "$WORK/receiver.db" --alerts "$WORK/none" --remote-state "$WORK/receiver.db" >"$WORK/out" 2>&1 || true
grep -q 'dropped .* samples of servers/meter, records .*: HTTP 400: no s3 here' "$WORK/out" || fail "the drop is not named: $(cat "$WORK/out")"
all_there() { [ $(($(of receiver sent) + $(of receiver dropped))) -ge $((2 * (count + 1))) ]; }
until_ok all_there
seen received "$WORK/receiver" "$WORK/said" || fail "the receiver did not get the rest"
echo "$(of receiver sent) samples taken, $(of receiver dropped) refused and named"
touch "$WORK/receiver.deny"
echo '{"id":"s1","origin":"x","value":-1,"hits":0,"at":"'$((base + count + 20))'"}' | weft_at servers-node publish meter --wait -q
over() { ! kill -0 "$(cat "$WORK/write-receiver.pid")" 2>/dev/null; }
until_ok over
got=0
wait "$(cat "$WORK/write-receiver.pid")" || got=$?
rm -f "$WORK/write-receiver.pid"
[ $got = 77 ] || fail "the writer ends with $got when it is refused: $(tail -n 3 "$WORK/write-receiver.log")"
rm "$WORK/receiver.deny"
before=$(of receiver sent)
start_writer receiver "http://127.0.0.1:$receiver/" --from earliest --remote-auth "$WORK/auth"
later() { [ "$(of receiver sent)" -gt "$before" ]; }
until_ok later
