#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill.sh BUILD node|agent: kill -9 of a weftd 20 times while publishers write to it. What it acknowledged is in ledgers that it never sees:
# a program that stays, and commands that come and go. Every acknowledged record is at the monitor afterwards, and none is there twice.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
ROLE=$2
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

KILLS=20
DEADLINE=60
RANDOM=${SEED:=$$} # where within a start each kill comes
echo "SEED=$SEED"

monitor_sql() { "$BUILD/domains/monitoring/weft-monitor" sql --db "$WORK/monitor.db" -o jsonl "$1"; }
last_of() { tail -n 1 "$WORK/ledger" 2>/dev/null || true; }
grew_beyond() { [ "$(last_of)" -gt "$1" ]; }

make_mesh servers
(cd "$WORK" && "$WEFT" product new depth --kind event >/dev/null)
sed -i 's/domain: monitoring/domain: servers/' "$WORK/depth.yaml"
"$WEFT" product build "$WORK/depth.yaml" >/dev/null
weft_at servers-node product apply "$WORK/depth.yaml" >/dev/null
"$WEFT" join "$(weft_at servers-node ticket create --kind service --name monitor)" --dir "$WORK/monitor" >/dev/null
victim=servers-node
if [ "$ROLE" = agent ]; then
    victim=web-1
    make_agent web-1 "$(weft_at servers-node ticket create --kind agent --name web-1)"
    start web-1
fi

publish_one() { # NUMBER: through the command, which must end well
    echo "{\"id\":\"command\",\"value\":$1}" | weft_at "$victim" publish depth --wait -q
}
until_ok publish_one 1
echo 1 >"$WORK/commands"

# Commands that come and go: a number is in the ledger only when its command ended well, and is never tried again.
come_and_go() {
    number=1
    while [ ! -e "$WORK/enough" ]; do
        number=$((number + 1))
        if publish_one $number >>"$WORK/commands.log" 2>&1; then echo $number >>"$WORK/commands"; else sleep 0.2; fi
    done
}

"$BUILD/domains/monitoring/weft-monitor" run --dir "$WORK/monitor" --db "$WORK/monitor.db" --product servers/depth >"$WORK/monitor.log" 2>&1 &
echo $! >"$WORK/monitor.pid"
"$BUILD/tests/e2e/ledger" "$WORK/$victim/run/weftd.sock" depth writer "$WORK/ledger" 2>"$WORK/ledger.log" &
echo $! >"$WORK/ledger.pid"
until_ok test -s "$WORK/ledger"
come_and_go &
commands=$!

for ((k = 1; k <= KILLS; k++)); do
    # For half of an agent's kills its node is down too: what it acknowledged is on its own disk alone.
    [ "$ROLE/$k" = agent/6 ] && stop servers-node
    [ "$ROLE/$k" = agent/16 ] && start servers-node
    at=$(last_of)
    until_ok grew_beyond "$at"
    sleep 0.$((RANDOM % 3))$((RANDOM % 10)) # anywhere in the work, not only after an acknowledgement
    stop "$victim" KILL
    start "$victim"
done
at=$(last_of)
until_ok grew_beyond "$at"
touch "$WORK/enough"
wait $commands
stop ledger

echo "acknowledged, by the ledgers"
{
    seq 1 "$(last_of)" | sed 's/^/writer /'
    sed 's/^/command /' "$WORK/commands"
} | sort >"$WORK/acknowledged"
stored() { monitor_sql "SELECT id || ' ' || CAST(value AS INTEGER) AS r FROM servers_depth" | sed 's/.*"r":"\([^"]*\)".*/\1/' | sort >"$WORK/stored"; }
nothing_missing() { stored && ! comm -23 "$WORK/acknowledged" <(uniq "$WORK/stored") | grep -q .; }
until_missing_none() {
    end=$(($(date +%s) + DEADLINE))
    until nothing_missing; do
        [ "$(date +%s)" -lt "$end" ] || fail "missing: $(comm -23 "$WORK/acknowledged" <(uniq "$WORK/stored") | head -n 20 | tr '\n' ',')"
        sleep 0.5
    done
}
until_missing_none
[ "$(wc -l <"$WORK/acknowledged")" -gt $((KILLS * 10)) ] || fail "hardly anything was published: $(wc -l <"$WORK/acknowledged") records"
twice=$(uniq -d "$WORK/stored")
[ -z "$twice" ] || fail "twice: $(echo "$twice" | head -n 20 | tr '\n' ',')"
losses=$(monitor_sql "SELECT count(*) AS n FROM _loss" | sed 's/.*"n":\([0-9]*\).*/\1/')
stop monitor
"$BUILD/domains/monitoring/weft-monitor" verify --db "$WORK/monitor.db" --dir "$WORK/monitor" >"$WORK/verify" || fail "verify: $(cat "$WORK/verify")"
echo "$KILLS kills of the $ROLE: $(wc -l <"$WORK/acknowledged") records acknowledged, $(wc -l <"$WORK/stored") stored, 0 missing, 0 twice, $losses losses reported"
