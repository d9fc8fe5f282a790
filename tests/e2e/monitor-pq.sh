#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# monitor-pq.sh BUILD: two weft-monitors, each with its own identity and token, store into one PostgreSQL and share its products. Monitors and
# server are killed with SIGKILL under load, WEFT_MONITOR_KILLS times: a ledger that neither sees says that each record is stored once. verify
# proves all rows, and names the one that was changed; what somebody deleted comes back by backfill while both store on.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

KILLS=${WEFT_MONITOR_KILLS:-2}
DEADLINE=60
for bin in /usr/lib/postgresql/*/bin; do [ -x "$bin/postgres" ] && PG_BIN=$bin; done
[ -n "${PG_BIN:-}" ] || skip "no PostgreSQL in /usr/lib/postgresql: see cmake/install-deps.sh test"
PG=$(mktemp -d /tmp/weft-pq.XXXXXX)
AS=""
if [ "$(id -u)" -eq 0 ]; then # which postgres refuses
    AS="setpriv --reuid=postgres --regid=postgres --clear-groups"
    chown postgres: "$PG"
fi
at_finish() { rm -rf "$PG"; }
WHERE="host=$PG user=weft dbname=postgres"
# shellcheck disable=SC2086 # AS is words
make_postgres() { (cd "$PG" && $AS "$PG_BIN/initdb" -D data -A trust -U weft -E UTF8 --locale=C --no-sync >/dev/null); }
# shellcheck disable=SC2086
start_postgres() { cd "$PG" && start_program postgres $AS "$PG_BIN/postgres" -D data -k "$PG" -c listen_addresses= -c fsync=off; cd - >/dev/null; }
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
has_holder() { [ -n "$(holder)" ]; }
run_monitor() { start_program "monitor-$1" "$MONITOR" run --dir "$WORK/$1" --db "$WORK/$1.db" --database "$WHERE" --every 1; }

make_postgres
start_postgres
make_mesh servers
for product in depth tide; do
    make_event servers-node $product
    weft_at servers-node product apply "$WORK/$product.yaml" >/dev/null
done
for name in watch guard; do
    make_reader servers-node $name service
    run_monitor $name
done
start_program writer "$BUILD/tests/e2e/ledger" "$WORK/servers-node/run/weftd.sock" depth writer "$WORK/ledger"
until_ok has_stored 1

echo "two processes hold one product each, or one both; kill -9 of monitor or server, $KILLS times"
for ((k = 1; k <= KILLS; k++)); do
    at=$(stored)
    until_ok has_stored $((at + 60))
    sleep 0.$((RANDOM % 3))$((RANDOM % 10))
    if [ $((k % 2)) = 1 ]; then
        until_ok has_holder
        kill -KILL "$(holder)" # run starts it again, and the other one takes over
    else
        stop postgres KILL
        until_ok again_postgres
    fi
done

echo "what is lost from the database comes back from the log, while both store on"
until_ok has_stored 500
at=$(stored)
"$PG_BIN/psql" -qh "$PG" -U weft postgres -c "DELETE FROM servers_depth WHERE _offset BETWEEN 100 AND 399; DELETE FROM _batch b WHERE product = 'servers/depth' AND NOT EXISTS (SELECT 1 FROM servers_depth WHERE _batch = b.id)"
"$PG_BIN/psql" -qh "$PG" -U weft postgres -c "UPDATE _batch b SET count = n FROM (SELECT _batch, count(*) AS n FROM servers_depth GROUP BY _batch) r WHERE r._batch = b.id AND n < count AND b.\"offset\" < 100"
"$PG_BIN/psql" -qh "$PG" -U weft postgres -c "UPDATE _batch b SET first_seq = first_seq + least - \"offset\", \"offset\" = least, count = n FROM (SELECT _batch, count(*) AS n, min(_offset) AS least FROM servers_depth GROUP BY _batch) r WHERE r._batch = b.id AND n < count"
"$MONITOR" backfill servers/depth --from earliest --database "$WHERE" --dir "$WORK/watch" 2>"$WORK/out" || fail "backfill exits $?: $(cat "$WORK/out")"
added=$(sed -n 's/.* 100.0 %, .* read, \([0-9]*\) added$/\1/p' "$WORK/out") # it may be ahead of the others as well
[ "${added:-0}" -ge 300 ] || fail "not 300 came back: $(cat "$WORK/out")"
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
"$MONITOR" verify --database "$WHERE" --dir "$WORK/watch" --row servers_depth:37 >"$WORK/out" || fail "verify of a row exits $?"
grep -q "servers/node-1 signed in batch .* certificate leads to the charter" "$WORK/out" || fail "the way is not told: $(cat "$WORK/out")"
"$PG_BIN/psql" -qh "$PG" -U weft postgres -c "UPDATE servers_depth SET value = value + 1 WHERE _offset = 37"
for one in "" "--row servers_depth:37"; do
    status=0
    # shellcheck disable=SC2086 # words
    "$MONITOR" verify --database "$WHERE" --dir "$WORK/watch" $one >"$WORK/out" || status=$?
    [ $status = 1 ] || fail "verify of a changed cell exits $status"
    grep -q 'servers_depth.*37.*column value' "$WORK/out" || fail "not named: $(cat "$WORK/out")"
done
"$MONITOR" verify --database "$WHERE" --dir "$WORK/watch" --row servers_depth:38 || fail "verify of another row exits $?"
echo "$written records, $KILLS kills: once each; $(head -n 1 "$WORK/out")"
