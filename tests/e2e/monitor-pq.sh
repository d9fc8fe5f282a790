#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# monitor-pq.sh BUILD: three weft-monitors, each with its own identity and token, store into one PostgreSQL and share its products, by a role that may
# create in its own schema and nothing else. Monitors and server are killed with SIGKILL under load, WEFT_MONITOR_KILLS times, a monitor stands
# still while another takes over, the disk is full: a ledger that nobody sees says that each record is stored once. verify proves all rows, and
# names the one that was changed; what somebody deleted comes back by backfill, killed once, while all store on.
# WEFT_MONITOR_LEASE=wait: a monitor that stands still keeps its lease for the 15 s that it has; else the clock of the database is put forward.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
[ "$(id -u)" -ne 0 ] || OWN_MOUNTS=${OWN_MOUNTS:-yes} # for a small disk
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

KILLS=${WEFT_MONITOR_KILLS:-2}
DEADLINE=100 # a monitor that was killed often is started again after a minute
SMALL=$((64 + 6 * KILLS)) # MiB of the disk that is to be full, which takes what is written between kills
for bin in /usr/lib/postgresql/*/bin; do [ -x "$bin/postgres" ] && PG_BIN=$bin; done
[ -n "${PG_BIN:-}" ] || skip "no PostgreSQL in /usr/lib/postgresql: see cmake/install-deps.sh test"
PG=$(mktemp -d /tmp/weft-pq.XXXXXX)
AS=""
if [ "$(id -u)" -eq 0 ]; then # which postgres refuses
    AS="setpriv --reuid=postgres --regid=postgres --clear-groups"
    chown postgres: "$PG"
fi
at_finish() {
    umount "$PG/small" 2>/dev/null || true
    rm -rf "$PG"
}
WHERE="host=$PG user=weft dbname=postgres"
# shellcheck disable=SC2086 # AS is words
make_postgres() { (cd "$PG" && $AS "$PG_BIN/initdb" -D data -A trust -U owner -E UTF8 --locale=C --no-sync >/dev/null); }
# shellcheck disable=SC2086
start_postgres() { cd "$PG" && start_program postgres $AS "$PG_BIN/postgres" -D data -k "$PG" -c listen_addresses= -c fsync=off; cd - >/dev/null || exit; }
is_up() { "$PG_BIN/pg_isready" -q -h "$PG"; }
again_postgres() { # its children may still be about, and keep a new one from starting
    is_up && return
    kill -0 "$(cat "$WORK/postgres.pid")" 2>/dev/null || start_postgres
    return 1
}
sql() { "$MONITOR" sql --database "$WHERE" -o jsonl "$1" | sed 's/.*"v":"\{0,1\}\([^"}]*\).*/\1/'; }
stored() { sql "SELECT count(*) AS v FROM servers_depth"; }
has_stored() { [ "$(stored)" -ge "$1" ]; }
holder() { sql "SELECT split_part(process, ':', 2) AS v FROM _lease WHERE product = 'servers/depth' AND owner IS NOT NULL"; }
has_holder() { held_by=$(holder) && [ -n "$held_by" ]; } # its process, in held_by
owner_does() { "$PG_BIN/psql" -qh "$PG" -U owner postgres -c "$1"; }
changes() { "$PG_BIN/psql" -qh "$PG" -U weft postgres -c "$1"; }
run_monitor() { start_program "monitor-$1" "$MONITOR" run --dir "$WORK/$1" --db "$WORK/$1.db" --database "$WHERE" --every 1; }

make_postgres
start_postgres
make_mesh servers
until_ok is_up
owner_does "CREATE ROLE weft LOGIN" # no superuser, and a schema of its own is all it has
owner_does "REVOKE ALL ON DATABASE postgres FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT CONNECT ON DATABASE postgres TO weft; CREATE SCHEMA weft AUTHORIZATION weft"
small=""
mkdir "$PG/small"
if [ "${OWN_MOUNTS:-}" = entered ] && mount -t tmpfs -o size=${SMALL}m,mode=700,uid="$(id -u postgres)",gid="$(id -g postgres)" none "$PG/small"; then
    owner_does "CREATE TABLESPACE small LOCATION '$PG/small'"
    owner_does "GRANT CREATE ON TABLESPACE small TO weft; ALTER ROLE weft SET default_tablespace = small"
    small=yes
fi
for product in depth tide; do
    make_event servers-node $product
    weft_at servers-node product apply "$WORK/$product.yaml" >/dev/null
done
for name in watch guard third; do make_reader servers-node $name service; done
run_monitor watch
run_monitor guard
start_program writer "$BUILD/tests/e2e/ledger" "$WORK/servers-node/run/weftd.sock" depth writer "$WORK/ledger"
until_ok has_stored 1

echo "two processes hold one product each, or one both; kill -9 of monitor or server, $KILLS times"
for ((k = 1; k <= KILLS; k++)); do
    at=$(stored)
    until_ok has_stored $((at + 60))
    sleep 0.$((RANDOM % 3))$((RANDOM % 10))
    if [ $((k % 2)) = 1 ]; then
        until_ok has_holder
        kill -KILL "$held_by" # run starts it again, and the other one takes over
    else
        stop postgres KILL
        until_ok again_postgres
    fi
done

echo "a holder stands still: another takes over, and what the first one has in its hands is stored by nobody twice"
until_ok has_holder
still=$held_by
kill -STOP "$still"
[ "${WEFT_MONITOR_LEASE:-}" = wait ] || changes "UPDATE _lease SET until_ms = 1 WHERE process LIKE '%:$still:%'; UPDATE _monitor SET updated_ms = 1 WHERE process LIKE '%:$still:%'"
other_holds() { has_holder && [ "$held_by" != "$still" ]; }
until_ok other_holds
at=$(stored)
until_ok has_stored $((at + 100))
kill -CONT "$still"

echo "a third one joins: each product is somebody's"
run_monitor third
three() { [ "$(sql "SELECT count(*) AS v FROM _monitor WHERE state = 'running' AND updated_ms > extract(epoch from clock_timestamp()) * 1000 - 5000")" = 3 ]; }
until_ok three
all_held() { [ "$(sql "SELECT count(*) AS v FROM _table t LEFT JOIN _lease l USING (product) WHERE l.owner IS NULL OR l.until_ms < extract(epoch from clock_timestamp()) * 1000")" = 0 ]; }
until_ok all_held

echo "what was written meanwhile is caught up with"
written=$(tail -n 1 "$WORK/ledger")
until_ok has_stored "$written"

echo "top: what rises in its samples is what was stored between; on a terminal it gives the screen back"
"$MONITOR" top --db "$WORK/watch.db" --database "$WHERE" --count 2 --every 1200ms --json >"$WORK/samples"
python3 -B - "$WORK/samples" <<'EOF'
import json, sys
a, b = [json.loads(line) for line in open(sys.argv[1])]
depth = [[p for p in s["products"] if p["product"] == "servers/depth"][0] for s in (a, b)]
assert abs(depth[1]["records_per_s"] * b["interval_ms"] / 1000 - (depth[1]["records"] - depth[0]["records"])) < 0.01, depth
assert depth[1]["records"] > depth[0]["records"] and depth[1]["delay_ms"] < 20000, depth
assert [p["name"] for p in b["processes"]] == ["store"] and [d["domain"] for d in b["domains"]] == ["servers"], b
EOF
python3 -B "$(dirname "$0")/terminal.py" sq depth "$MONITOR" top --every 300ms --db "$WORK/watch.db" --database "$WHERE" || fail "terminal"

if [ -n "$small" ]; then
    echo "a full disk: status says so, and it goes on when there is room"
    tells() { { "$MONITOR" status --db "$WORK/watch.db" --database "$WHERE" --alerts "$WORK/none" 2>/dev/null || true; } >"$WORK/status" && grep -q "$1" "$WORK/status"; }
    for name in watch guard; do stop monitor-$name; done
    run_monitor watch
    stop monitor-third
    until_ok has_holder
    head -c ${SMALL}m /dev/zero >"$PG/small/filler" 2>/dev/null || true
    until_ok tells '^process store .*No space left on device'
    rm "$PG/small/filler"
    at=$(stored)
    until_ok has_stored $((at + 100))
    tells_no_more() { ! tells '^process store .*No space left'; }
    until_ok tells_no_more
    run_monitor guard
fi

echo "what is lost from the database comes back from the log, while both store on"
until_ok has_stored 500
at=$(stored)
changes "DELETE FROM servers_depth WHERE _offset BETWEEN 100 AND 399; DELETE FROM _batch b WHERE product = 'servers/depth' AND NOT EXISTS (SELECT 1 FROM servers_depth WHERE _batch = b.id)"
changes "UPDATE _batch b SET count = n FROM (SELECT _batch, count(*) AS n FROM servers_depth GROUP BY _batch) r WHERE r._batch = b.id AND n < count AND b.\"offset\" < 100"
changes "UPDATE _batch b SET first_seq = first_seq + least - \"offset\", \"offset\" = least, count = n FROM (SELECT _batch, count(*) AS n, min(_offset) AS least FROM servers_depth GROUP BY _batch) r WHERE r._batch = b.id AND n < count"
start_program backfill "$MONITOR" backfill servers/depth --from earliest --database "$WHERE" --dir "$WORK/watch"
begins() { grep -q '[0-9] read, [1-9][0-9]* added' "$WORK/backfill.log"; }
for ((k = 0; k < 200; k++)); do ! begins || break; sleep 0.01; done # killed in its middle, or behind its end
stop backfill KILL
"$MONITOR" backfill servers/depth --from earliest --database "$WHERE" --dir "$WORK/watch" 2>"$WORK/out" || fail "backfill exits $?: $(cat "$WORK/out")"
grep -q ' 100.0 %, ' "$WORK/out" || fail "not all was read: $(cat "$WORK/out")"
[ "$(sql "SELECT count(*) AS v FROM servers_depth WHERE _offset BETWEEN 100 AND 399")" = 300 ] || fail "not 300 came back: $(cat "$WORK/out")"
until_ok has_stored $((at + 100))

echo "each record once, by the ledger"
stop writer
written=$(tail -n 1 "$WORK/ledger")
until_ok has_stored "$written"
values=$(sql "SELECT count(*) || ' ' || count(DISTINCT _offset) || ' ' || count(DISTINCT value) || ' ' || max(value)::bigint AS v FROM servers_depth")
[ "$values" = "$written $written $written $written" ] || fail "the monitors have $values of $written"
[ "$(sql "SELECT count(*) AS v FROM _loss")" = 0 ] || fail "losses"

echo "status sees it, and says so when nobody stores"
seen() { "$MONITOR" status --database "$WHERE" -o jsonl 2>/dev/null | grep '"servers/depth"' | grep -q '"cause":null'; }
until_ok seen
stop monitor-watch
stop monitor-guard
"$MONITOR" status --database "$WHERE" >"$WORK/out" 2>&1 && fail "nobody stores, but status exits 0"
grep -q "monitor stopped" "$WORK/out" || fail "not told: $(cat "$WORK/out")"

echo "verify proves every row and names a changed one"
"$MONITOR" verify --database "$WHERE" --dir "$WORK/watch" || fail "verify exits $?"
flip() { # COLUMN: a byte of what the row with offset 37 rests on
    of="WHERE id = (SELECT _batch FROM servers_depth WHERE _offset = 37)"
    case $1 in
        chain) changes "UPDATE _chain SET bytes = set_byte(bytes, length(bytes) / 2, get_byte(bytes, length(bytes) / 2) # 1) WHERE id = (SELECT chain FROM _batch $of)" ;;
        *) changes "UPDATE _batch SET $1 = set_byte($1, length($1) / 2, get_byte($1, length($1) / 2) # 1) $of" ;;
    esac
}
walk_the_way flip servers_depth 37 watch --database "$WHERE"
audit 0 servers_depth:200 'leads to the charter' --dir "$WORK/watch" --database "$WHERE" # which a backfill brought back
changes "UPDATE servers_depth SET value = value + 1 WHERE _offset = 37"
for one in "" "--row servers_depth:37"; do
    status=0
    # shellcheck disable=SC2086 # words
    "$MONITOR" verify --database "$WHERE" --dir "$WORK/watch" $one >"$WORK/out" || status=$?
    [ $status = 1 ] || fail "verify of a changed cell exits $status"
    grep -q 'servers_depth.*37.*column value' "$WORK/out" || fail "not named: $(cat "$WORK/out")"
done
"$MONITOR" verify --database "$WHERE" --dir "$WORK/watch" --row servers_depth:38 || fail "verify of another row exits $?"
echo "$written records, $KILLS kills: once each; $(head -n 1 "$WORK/out")"
