#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# steady.sh BUILD: a writer at a steady pace and a monitor that begins behind a backlog. By the monitor's own counters at least 99 % of what came
# after it began arrived as frames, the backlog is counted apart, and the four ways add up to what the writer knows it wrote.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

SECONDS_STEADY=${STEADY_SECONDS:-10}
BACKLOG=700
last_of() { tail -n 1 "$WORK/ledger" 2>/dev/null || true; }
stored() { monitor_value watch "SELECT count(*) AS v FROM servers_depth"; }
has_stored() { [ "$(stored)" -ge "$1" ]; }
wrote() { [ "$(last_of)" -ge "$1" ]; }

make_mesh servers
make_event servers-node depth
make_reader servers-node watch service
make_reader servers-node reader
start_program writer "$BUILD/tests/e2e/ledger" "$WORK/servers-node/run/weftd.sock" depth writer "$WORK/ledger"
until_ok wrote $BACKLOG

echo "a monitor and a reader begin while the writer goes on"
start_monitor watch --product servers/depth
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --from earliest --stats -n 1000000 >"$WORK/read" 2>"$WORK/read.err" &
reader=$!
until_ok has_stored $BACKLOG
began=$(last_of)
sleep "$SECONDS_STEADY"
stop writer
written=$(last_of)
until_ok has_stored "$written"
everything_read() { [ "$(wc -l <"$WORK/read")" -ge "$written" ]; }
until_ok everything_read
kill -INT $reader
wait $reader || true

echo "the counters"
beat() { [ "$(monitor_head watch records)" = "$written" ]; }
until_ok beat
"$MONITOR" status --db "$WORK/watch.db" || fail "status exits $?"
live=$(monitor_head watch live) repaired=$(monitor_head watch repaired) pulled=$(monitor_head watch pulled) history=$(monitor_head watch history)
share=$(monitor_head watch pub_share)
[ "$((live + repaired + pulled + history))" -eq "$written" ] || fail "$live + $repaired + $pulled + $history is not $written"
[ "$history" -ge $BACKLOG ] || fail "only $history of a backlog of $BACKLOG are history"
[ "$live" -ge $(((written - began) * 99 / 100)) ] || fail "only $live live of $((written - began)) written meanwhile"
at_least "$share" 0.99 || fail "only $share came as frames"
[ "$(monitor_value watch "SELECT count(DISTINCT _offset) AS v FROM servers_depth")" = "$written" ] || fail "not once each"

echo "weft subscribe counts alike"
share_read=$(grep -o '"pub_share":[0-9.]*' "$WORK/read.err" | cut -d: -f2)
at_least "$share_read" 0.99 || fail "weft subscribe: $(cat "$WORK/read.err")"
stop monitor-watch
echo "$written records, $((written - began)) in $SECONDS_STEADY s at a steady pace: $live live, $repaired repaired, $pulled pulled, $history of history; share $share"
