#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# blocked.sh BUILD: the stream port is blocked from the start, opened, and blocked again in mid-stream, while a writer goes on. Reader and monitor
# say which port it is, get everything by pull, and are live again without a seam: each record once and in order.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
OWN_NET=${OWN_NET:-yes}
STREAMS=7401-7499
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

PORT=7401 # the first of its stream ports: this namespace has no other node
SAYS="stream port 127.0.0.1:$PORT unreachable"
last_of() { tail -n 1 "$WORK/ledger" 2>/dev/null || true; }
wrote() { [ "$(last_of)" -ge "$1" ]; }
read_so_far() { wc -l <"$WORK/read"; }
reader_says() { tail -n 1 "$WORK/reader.log" | grep -q "$1"; }
status_says() { { "$MONITOR" status --db "$WORK/watch.db" 2>/dev/null || true; } | grep servers/depth | grep -q "$1"; }
monitor_has() { [ "$(monitor_value watch "SELECT count(*) AS v FROM servers_depth")" -ge "$1" ]; }
reader_has() { [ "$(read_so_far)" -ge "$1" ]; }
both_say() { # reader's state, monitor's state
    until_ok reader_says "$1"
    until_ok status_says "$2"
}
both_get_more() {
    at=$(last_of)
    until_ok wrote $((at + 200))
    until_ok monitor_has "$(last_of)"
    until_ok reader_has "$(last_of)"
}
way() { monitor_value watch "SELECT $1 AS v FROM _status WHERE product = 'servers/depth'"; }

make_mesh servers
make_event servers-node depth
make_reader servers-node watch service
make_reader servers-node reader
start_program writer "$BUILD/tests/e2e/ledger" "$WORK/servers-node/run/weftd.sock" depth writer "$WORK/ledger"
until_ok wrote 100

echo "blocked from the start: everything comes by pull, and both say so"
block_port $PORT
start_monitor watch --product servers/depth
# shellcheck disable=SC2016 # for that shell to expand
start_program reader bash -c 'exec "$0" subscribe servers/depth --dir "$1/reader" --from earliest --stats -n 100000000 >"$1/read"' "$WEFT" "$WORK"
both_say "pull.*$SAYS" " pull .*$SAYS"
both_get_more
[ "$(way live)" = 0 ] || fail "$(way live) records came live through a blocked port"
pulled=$(way pulled)
[ "$pulled" -ge 200 ] || fail "only $pulled of them are counted as pulled"
"$MONITOR" status --db "$WORK/watch.db" >/dev/null 2>&1 || fail "pulled, not blind, but status exits $?"

echo "opened: live again"
open_port $PORT
both_say ": live" " live "
both_get_more
live=$(way live)
[ "$live" -ge 200 ] || fail "only $live live"

echo "blocked in mid-stream, and opened again"
block_port $PORT
both_say "pull.*$SAYS" " pull .*$SAYS"
both_get_more
[ "$(way pulled)" -gt "$pulled" ] || fail "nothing was pulled"
open_port $PORT
both_say ": live" " live "
both_get_more

echo "no seam: each record once, in order"
stop writer
written=$(last_of)
until_ok monitor_has "$written"
until_ok reader_has "$written"
stop monitor-watch
stop reader INT
grep -o '"value":[0-9]*' "$WORK/read" | cut -d: -f2 >"$WORK/numbers"
seq 1 "$written" | cmp -s - "$WORK/numbers" || fail "the reader has not 1 to $written in order: $(seq 1 "$written" | diff - "$WORK/numbers" | head -n 5)"
values=$(monitor_value watch "SELECT count(*) || ' ' || count(DISTINCT value) || ' ' || count(DISTINCT _offset) || ' ' || CAST(max(value) AS INTEGER) AS v FROM servers_depth")
[ "$values" = "$written $written $written $written" ] || fail "the monitor has $values of $written"
[ "$(monitor_value watch "SELECT count(*) AS v FROM _loss")" = 0 ] || fail "losses"
echo "$written records, once each: $(way live) live, $(way repaired) repaired, $(way pulled) pulled, $(way history) of history"
