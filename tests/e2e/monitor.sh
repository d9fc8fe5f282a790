#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# monitor.sh BUILD: weft-monitor as a whole. Killed with SIGKILL under load, its database locked, its disk full: each record is stored once, and the
# writer's own ledger says how many there are. Every cause for which it can be blind is named, each with the products it hides; nobody is asked for
# what nobody configured; a changed cell is named by verify.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
OWN_NET=${OWN_NET:-yes}
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

DEADLINE=90
KILLS=2 # many more in kill.sh
last_of() { tail -n 1 "$WORK/ledger" 2>/dev/null || true; }
wrote() { [ "$(last_of)" -ge "$1" ]; }
stored() { monitor_value watch "SELECT count(*) AS v FROM servers_depth"; }
has_stored() { [ "$(stored)" -ge "$1" ]; }
agent_is() { weft_at servers-node agent list | grep -q "^$1 *$2 "; }
cause_is() { # PRODUCT CAUSE: in the table, and in JSON the product counts as blind
    { "$MONITOR" status --db "$DBS/watch.db" 2>/dev/null || true; } | grep "^$1 " | grep -q -- "$2"
}
says_once() { publish_from "$1" && until_ok monitor_knows "$1"; }
publish_from() { echo "{\"id\":\"$1\",\"value\":1}" | weft_at "$1" publish tide --wait -q; }
monitor_knows() { [ "$(monitor_value watch "SELECT count(*) AS v FROM servers_tide WHERE _origin = '$1'")" -ge 1 ]; }
run_monitor() { start_program monitor-watch "$MONITOR" run --dir "$WORK/watch" --db "$DBS/watch.db" --every 1; }
store_pid() { pgrep -P "$(cat "$WORK/monitor-watch.pid")" -f "weft-monitor store"; } # the layer that run keeps alive
is_gone() { ! kill -0 "$1" 2>/dev/null; }
is_again() { [ "$(store_pid)" != "$1" ]; }
log_says() { grep -q "$1" "$WORK/monitor-watch.log"; }
grant() { # PRODUCT ARGUMENT...: by hand
    weft_at servers-node access grant "$1" --to "$holder" --verb subscribe "${@:2}" --out "$WORK/$1.cap" >/dev/null
    "$WEFT" access import "$WORK/$1.cap" --dir "$WORK/watch" >/dev/null
}

at_finish() { umount "$WORK/disk" 2>/dev/null || true; } # else it is in use and can't be removed
mkdir "$WORK/disk"
mount -t tmpfs -o size=24m tmpfs "$WORK/disk" 2>/dev/null || skip "no small disk can be made here"
DBS=$WORK/disk

make_mesh servers
for product in depth tide ending refused foreign; do make_event servers-node $product; done
for product in refused foreign; do sed -i '/^access:/,$d' "$WORK/$product.yaml"; done
sed -i 's/^freshness:.*/freshness: 2s/' "$WORK/tide.yaml"
weft_at servers-node product apply "$WORK"/{tide,refused,foreign}.yaml >/dev/null
make_reader servers-node watch service
holder=$("$WEFT" key show --dir "$WORK/watch" -o json | sed 's/.*"identity":"\([^"]*\)".*/\1/')
grant agents --for 1h
grant refused --for 1h
for agent in web-1 web-2; do
    make_agent $agent "$(weft_at servers-node ticket create --kind agent --name $agent)"
    start $agent
done
until_ok agent_is web-1 up
until_ok agent_is web-2 up
run_monitor
says_once web-1
says_once web-2
stop web-2 KILL # named 30 s later, at the end

echo "all is seen, and nobody was asked for what nobody granted"
sees() { "$MONITOR" status --db "$DBS/watch.db"; }
until_ok cause_is servers/foreign not-granted
until_ok publish_from web-1
until_ok cause_is servers/depth live
waiting() { weft_at servers-node access list --pending -q | grep -c foreign || true; }
[ "$(waiting)" = 0 ] || fail "requests wait for a person: $(weft_at servers-node access list --pending)"

"$WEFT" access request servers/foreign --verb subscribe --purpose "it is said that it waits" --dir "$WORK/watch" >/dev/null 2>&1 || true
[ "$(waiting)" = 1 ] || fail "a person's request does not wait" # asked again after the next start

echo "kill -9 under load, $KILLS times"
start_program writer "$BUILD/tests/e2e/ledger" "$WORK/servers-node/run/weftd.sock" depth writer "$WORK/ledger"
for ((k = 1; k <= KILLS; k++)); do
    at=$(stored)
    until_ok has_stored $((at + 150))
    sleep 0.$((RANDOM % 3))$((RANDOM % 10))
    layer=$(store_pid)
    if [ $((k % 2)) = 1 ]; then # the layer: run starts it again
        kill -KILL "$layer"
        until_ok is_again "$layer"
    else # run itself: its layer does not outlive it
        stop monitor-watch KILL
        until_ok is_gone "$layer"
        run_monitor
    fi
done

echo "top: what rises in three samples is what was stored between; on a terminal it gives the screen back"
"$MONITOR" top --db "$DBS/watch.db" --count 3 --every 1200ms --json >"$WORK/samples"
python3 -B - "$WORK/samples" <<'EOF'
import json, sys
t = [json.loads(line) for line in open(sys.argv[1])]
depth = [[p for p in s["products"] if p["product"] == "servers/depth"][0] for s in t]
domains = [[d for d in s["domains"] if d["domain"] == "servers"][0] for s in t]
risen = sum(d["records_per_s"] * s["interval_ms"] / 1000 for d, s in zip(depth[1:], t[1:]))
assert len(t) == 3 and abs(risen - (depth[2]["records"] - depth[0]["records"])) < 0.01 and risen > 0, (risen, depth)
assert depth[2]["delay_ms"] < 20000 and domains[2]["records"] >= depth[2]["records"], (depth, domains)
# A process tells once a second: two samples may see the same.
assert any((s["database"]["commits_per_s"] or 0) > 0 for s in t) and [p["name"] for p in t[2]["processes"]] == ["store"], t
EOF
for how in ssq TERM; do
    python3 -B "$(dirname "$0")/terminal.py" $how depth "$MONITOR" top --every 300ms --db "$DBS/watch.db" || fail "terminal: $how"
done
for wrong in "--every 1ms" "--count 0" "--sort size" "--keep 7d"; do
    got=0
    # shellcheck disable=SC2086 # two words each
    "$MONITOR" top $wrong >"$WORK/out" 2>&1 || got=$?
    [ "$got" -eq 64 ] || fail "$wrong: $got: $(cat "$WORK/out")"
done

echo "a locked database: the store says so beside it"
at=$(stored)
# The monitor has the lock nearly all the time while it stores: it is taken while the writer stands still.
python3 - "$DBS/watch.db" "$(cat "$WORK/writer.pid")" "$WORK/told" <<'EOF' &
import os, signal, sqlite3, sys, time
db, writer = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30), int(sys.argv[2])
os.kill(writer, signal.SIGSTOP)
try:
    db.execute("BEGIN IMMEDIATE")
finally:
    os.kill(writer, signal.SIGCONT)
end = time.monotonic() + 45
while not os.path.exists(sys.argv[3]) and time.monotonic() < end:
    time.sleep(0.05)
db.execute("ROLLBACK")
EOF
locking=$!
tells_lock() { { "$MONITOR" status --db "$DBS/watch.db" 2>/dev/null || true; } | grep -q "^process store .*database is locked"; }
until_ok tells_lock
touch "$WORK/told"
wait $locking
log_says "lock" || fail "the lock was not told: $(cat "$WORK/monitor-watch.log")"
until_ok has_stored $((at + 300))
tells_no_lock() { ! tells_lock; }
until_ok tells_no_lock

echo "a full disk"
head -c 24m /dev/zero >"$WORK/disk/filler" 2>/dev/null || true
until_ok log_says "full"
at=$(last_of)
until_ok wrote $((at + 300))
rm "$WORK/disk/filler"
until_ok has_stored "$(last_of)"

echo "each record once, by the ledger"
stop writer
written=$(last_of)
until_ok has_stored "$written"
values=$(monitor_value watch "SELECT count(*) || ' ' || count(DISTINCT _offset) || ' ' || count(DISTINCT value) || ' ' || CAST(max(value) AS INTEGER) AS v FROM servers_depth")
[ "$values" = "$written $written $written $written" ] || fail "the monitor has $values of $written"
[ "$(monitor_value watch "SELECT count(*) AS v FROM _loss")" = 0 ] || fail "losses"

echo "why it is blind"
until_ok cause_is servers/tide "host silent: .*web-1"
weft_at servers-node product remove ending --yes >/dev/null
until_ok cause_is servers/ending "stopped by owner"
problem_is() { { "$MONITOR" status --db "$DBS/watch.db" -o jsonl 2>/dev/null || true; } | grep "\"$1\"" | grep -q -- "$2"; }
until_ok problem_is servers/foreign "a request of yours waits for the owner"
token=$(weft_at servers-node access list -o jsonl -q | grep '"refused"' | sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p' | head -n 1)
weft_at servers-node access revoke "$token" >/dev/null
until_ok cause_is servers/refused "refused: "
until_ok cause_is servers/tide "agent cannot reach node: web-2"
until_ok cause_is servers/ending "stopped by owner" # still, with its advert gone
problem_is servers/depth '"blind":0,' || fail "depth is called blind: $(sees)"
sees >"$WORK/out" 2>&1 && fail "blind, but status exits 0"
stop servers-node KILL
until_ok cause_is servers/depth "node unreachable"
cause_is servers/access "node unreachable" && fail "blind for what nobody granted"
sees || true

echo "verify proves every row and names a changed cell"
stop monitor-watch
"$MONITOR" verify --db "$DBS/watch.db" --dir "$WORK/watch" || fail "verify exits $?"
change() { python3 -c 'import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); assert db.execute(sys.argv[2]).rowcount == 1; db.commit()' "$DBS/watch.db" "$1"; }
flip() { # COLUMN: a byte of what the row with offset 137 rests on
    python3 -B - "$DBS/watch.db" "$1" <<'EOF'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
batch, chain = db.execute("SELECT b.id, b.chain FROM servers_depth r JOIN _batch b ON b.id = r._batch WHERE r._offset = 137").fetchone()
table, column, key = ("_chain", "bytes", chain) if sys.argv[2] == "chain" else ("_batch", sys.argv[2], batch)
data = bytearray(db.execute(f"SELECT {column} FROM {table} WHERE id = ?", (key,)).fetchone()[0])
data[len(data) // 2] ^= 1
db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (bytes(data), key))
db.commit()
EOF
}
walk_the_way flip servers_depth 137 watch --db "$DBS/watch.db"
change "UPDATE servers_depth SET value = value + 1 WHERE _offset = 137"
status=0
"$MONITOR" verify --db "$DBS/watch.db" --dir "$WORK/watch" >"$WORK/out" || status=$?
[ $status = 1 ] || fail "verify of a changed cell exits $status"
grep -q 'servers_depth.*137.*column value' "$WORK/out" || fail "not named: $(cat "$WORK/out")"
[ "$(grep -c servers_depth "$WORK/out")" = 1 ] || fail "more than one is named: $(cat "$WORK/out")"
echo "$written records, $KILLS kills, a lock and a full disk: once each; $(head -n 1 "$WORK/out")"
