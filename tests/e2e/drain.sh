#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SIGTERM under load: the node ends by itself within its time and with status 0, nothing acknowledged is lost, a reader is told that the node is
# stopping and goes on after the start where it was. What can't end in time is named, and is the exit status.
# shellcheck disable=SC2034,SC2015 # for lib.sh; failing is what the last branch is for
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
TIMES=${WEFT_DRAINS:-3}

last_of() { tail -n 1 "$WORK/ledger" 2>/dev/null || true; }
grew_beyond() { [ "$(last_of)" -gt "$1" ]; }
lives() { tail -n 1 "$WORK/reader.log" | grep -q 'servers/depth: live'; }
said() { grep -q 'its node is stopping' "$WORK/reader.log"; }
terminate() { # WANTED-STATUS: of the node; how long it took, in ms, is left in `took`
    pid=$(cat "$WORK/servers-node.pid")
    began=$(date +%s%3N)
    kill -TERM "$pid"
    got=0
    wait "$pid" || got=$?
    took=$(($(date +%s%3N) - began))
    rm -f "$WORK/servers-node.pid"
    [ "$got" -eq "$1" ] || fail "status $got, not $1, after $took ms"
    last='level="info" room="life" msg="stopped in order"'
    [ "$got" -ne 0 ] || [ "$(tail -n 1 "$WORK/servers-node.log")" = "$last" ] || fail "the log does not say how it ended: $(tail -n 2 "$WORK/servers-node.log")"
}

make_mesh servers
printf 'drain: 60s\n' >>"$WORK/servers-node/weftd.yaml" # on a busy machine
stop servers-node
start servers-node
until_ok weft_at servers-node node status
make_event servers-node depth
make_reader servers-node reader
until_ok has_manifest servers-node depth
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --from earliest >"$WORK/read" 2>>"$WORK/reader.log" &
echo $! >"$WORK/reading.pid"
start_program ledger "$BUILD/tests/e2e/ledger" "$WORK/servers-node/run/weftd.sock" depth writer "$WORK/ledger" 1
until_ok test -s "$WORK/ledger"

echo "SIGTERM $TIMES times while records are published"
for ((k = 1; k <= TIMES; k++)); do
    until_ok lives
    until_ok grew_beyond "$(last_of)"
    terminate 0
    until_ok said
    : >"$WORK/reader.log"
    start servers-node
    until_ok weft_at servers-node node status
done
until_ok grew_beyond "$(last_of)"
stop ledger
acknowledged=$(last_of)
read_beyond() { [ "$(numbers "$WORK/read" | wc -w)" -ge "$acknowledged" ]; }
until_ok read_beyond
[ "$(numbers "$WORK/read")" = "$(seq "$(numbers "$WORK/read" | wc -w)" | tr '\n' ' ')" ] || fail "a record is missing, out of order or there twice"
echo "$acknowledged acknowledged, all read once and in order"
kill "$(cat "$WORK/reading.pid")" && rm "$WORK/reading.pid"

echo "what does not end is named"
(cd "$WORK" && "$WEFT" product new stubborn --kind event >/dev/null)
sed -i '/^access:/,$d' "$WORK/stubborn.yaml"
printf 'hosts: node\ncollect:\n  run: [sh, -c, "trap : TERM; echo $$ >%s/trapped; while :; do sleep 0.1; done"]\n' "$WORK" >>"$WORK/stubborn.yaml"
"$WEFT" product build "$WORK/stubborn.yaml" >/dev/null
weft_at servers-node product apply "$WORK/stubborn.yaml" >/dev/null
runs() { weft_at servers-node node status | grep -q '^stubborn .*running'; }
until_ok runs
alarm_is() { weft_at servers-node node status | grep -q "^ALARMS .*reload: the last reload was refused.*: $1; see: weft config check"; }
no_alarm() { ! weft_at servers-node node status | grep -q '^ALARMS'; }
sed -i 's/^drain:.*/drain: 500/' "$WORK/servers-node/weftd.yaml"
kill -HUP "$(cat "$WORK/servers-node.pid")"
until_ok alarm_is 'the file has mistakes'
sed -i 's/^drain:.*/drain: 500ms/' "$WORK/servers-node/weftd.yaml"
echo 'workers: 3' >>"$WORK/servers-node/weftd.yaml"
kill -HUP "$(cat "$WORK/servers-node.pid")"
until_ok alarm_is 'workers needs a restart'
sed -i '/^workers:/d' "$WORK/servers-node/weftd.yaml"
kill -HUP "$(cat "$WORK/servers-node.pid")"
until_ok grep -q 'configuration reloaded' "$WORK/servers-node.log"
until_ok no_alarm
until_ok test -s "$WORK/trapped"
terminate 75
grep -q 'stopped with work that was not finished.*rooms="source"' "$WORK/servers-node.log" || fail "not named"
is_gone() { ! kill -0 "$(cat "$WORK/trapped")" 2>/dev/null; }
until_ok is_gone # and does not outlive it
echo ok
