#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The programs of examples/ on a real mesh: what they print, what they store, how they end, what they refuse.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
EXAMPLES="$BUILD/examples"
ROOT=$(cd "$(dirname "$0")/../.." && pwd)

expect() { # WHAT GOT WANTED
    [ "$2" = "$3" ] || fail "$1: got \"$2\", wanted \"$3\""
}
example() { # DIRECTORY PROGRAM ARGUMENT...: with standard output in out, standard error in err, the status in `ended`
    at=$1 program=$2
    shift 2
    ended=0
    WEFT_DIR="$WORK/$at" "$EXAMPLES/$program" "$@" >"$WORK/out" 2>"$WORK/err" || ended=$?
}
begin() { # DIRECTORY PROGRAM ARGUMENT...: the same in the background, as pid `begun`
    at=$1 program=$2
    shift 2
    WEFT_DIR="$WORK/$at" "$EXAMPLES/$program" "$@" >"$WORK/$program.out" 2>"$WORK/$program.log" &
    begun=$!
}
end() { # PID SIGNAL WANTED STATUS
    kill -"$2" "$1"
    ended=0
    wait "$1" 2>/dev/null || ended=$?
    expect "status after SIG$2" "$ended" "$3"
}
product() { # NAME KIND
    (cd "$WORK" && "$WEFT" product new "$1" --kind "$2" >/dev/null)
    sed -i 's/domain: monitoring/domain: servers/' "$WORK/$1.yaml"
    "$WEFT" product build "$WORK/$1.yaml" >/dev/null
    weft_at servers-node product apply "$WORK/$1.yaml" >/dev/null
}
member() { # NAME
    "$WEFT" join "$(weft_at servers-node ticket create --kind user --name "$1")" --name "$1" --dir "$WORK/$1" >/dev/null
}
column() { # FILE.db SQL: the first column, one line
    python3 -B -c 'import sqlite3, sys
print(*(row[0] for row in sqlite3.connect(sys.argv[1], timeout=10).execute(sys.argv[2])))' "$@"
}
holds() { # FILE.db COUNT
    [ "$(column "$1" 'SELECT count(*) FROM record')" -ge "$2" ]
}

make_mesh servers
product load1 metric
product numbers event
product things inventory
cp "$ROOT"/examples/products/tally.* "$WORK"
"$WEFT" product build "$WORK/tally.yaml" >/dev/null
weft_at servers-node product apply "$WORK/tally.yaml" >/dev/null
member reader

echo "publish: three records, acknowledged when it ends"
example servers-node publish load1 3
expect "publish" "$ended $(cat "$WORK/err")" "0 "
expect "head" "$(head_of servers-node load1)" 3
begin servers-node publish load1
until_ok head_beyond servers-node load1 3
end "$begun" INT 0
example servers-node publish nothing 1
expect "publish into no product" "$ended" 1
grep -q '^publish: .*nothing' "$WORK/err" || fail "no reason: $(cat "$WORK/err")"

echo "subscribe: stored, and gone on with"
begin reader subscribe servers/load1 "$WORK/load.db"
until_ok holds "$WORK/load.db" 4
end "$begun" INT 0
"$WEFT" subscribe servers/load1 --dir "$WORK/reader" --from earliest -n 4 -q |
    sed 's/"@time":"[^"]*",//' >"$WORK/wanted"
python3 -B -c 'import json, sqlite3, sys
stored = [json.loads(r[0]) for r in sqlite3.connect(sys.argv[1]).execute("SELECT json FROM record ORDER BY position LIMIT 4")]
wanted = [json.loads(line) for line in open(sys.argv[2])]
sys.exit(f"stored {stored}, read {wanted}" if stored != wanted else 0)' "$WORK/load.db" "$WORK/wanted" || fail "other records"
host=$(uname -n)
grep -q "\"id\":\"$host\"" "$WORK/wanted" || fail "not of this host: $(cat "$WORK/wanted")"
example reader subscribe servers/load1 /nowhere/x.db
expect "subscribe into no file" "$ended" 69

echo "subscribe: exactly once over kill -9"
i=0
while [ $i -lt 1500 ]; do
    i=$((i + 1))
    echo "{\"id\":\"a\",\"value\":$i}"
    [ $((i % 50)) -eq 0 ] && sleep 0.1
done | weft_at servers-node publish numbers -q >"$WORK/publisher.log" 2>&1 &
publisher=$!
for k in 1 2 3 4 5; do
    begin reader subscribe servers/numbers "$WORK/numbers.db"
    until_ok holds "$WORK/numbers.db" $((k * 100))
    end "$begun" KILL 137
done
wait $publisher || fail "publish: $(cat "$WORK/publisher.log")"
begin reader subscribe servers/numbers "$WORK/numbers.db"
until_ok holds "$WORK/numbers.db" 1500
end "$begun" TERM 0
column "$WORK/numbers.db" "SELECT CAST(json_extract(json, '\$.value') AS INTEGER) FROM record ORDER BY position" |
    tr ' ' '\n' >"$WORK/stored"
seq 1 1500 | cmp -s - "$WORK/stored" || fail "not 1 to 1500 in order, each once: $(seq 1 1500 | diff - "$WORK/stored" | head -n 3)"

echo "serve and call: an idempotency key acts once"
begin servers-node serve tally
server=$begun
until_ok grep -q '^serving tally$' "$WORK/serve.out"
example reader call servers/tally/Add '{"by":3}'
expect "call" "$ended $(cat "$WORK/out")" '0 {"total":"3","by":"servers/reader"}'
key=$(sed -n 's/^key //p' "$WORK/err")
example reader call servers/tally/Add '{"by":3}' "$key"
expect "the same key again" "$ended $(cat "$WORK/out")" '0 {"total":"3","by":"servers/reader"}'
example reader call servers/tally/Add '{"by":4}' "$key"
expect "the same key for another request" "$ended $(cat "$WORK/out")" '65 '
example reader call servers/tally/Add '{"by":4}'
expect "another key" "$ended $(cat "$WORK/out")" '0 {"total":"7","by":"servers/reader"}'
example reader call servers/tally/Add '{}'
expect "the handler's refusal" "$ended $(cat "$WORK/out")" '70 '
grep -q 'by: expected a number from 1' "$WORK/err" || fail "no reason: $(cat "$WORK/err")"
example reader call servers/tally/Add '{"by":"many"}'
expect "a request that does not fit the schema" "$ended" 65
example reader call servers/tally/Add '{"by":1}' 1234
expect "no key" "$ended" 64
end "$server" TERM 0
expect "served" "$(cat "$WORK/serve.out")" "serving tally
servers/reader added 3
servers/reader added 4
total 7"

echo "query: rows, and what they rest on"
printf '%s\n' '{"@op":"snapshot-begin"}' '{"id":"b","value":2.5}' '{"id":"a","value":1}' '{"@op":"snapshot-end"}' |
    weft_at servers-node publish things --wait -q
example reader query servers/things 'SELECT id, value FROM things ORDER BY id'
expect "query" "$ended $(cat "$WORK/out")" "0 $(printf 'id\tvalue\na\t1\nb\t2.5')"
grep -q '^node-1: up, 2 rows$' "$WORK/err" || fail "coverage: $(cat "$WORK/err")"
example reader query servers/things 'SELECT count(*) AS n FROM things'
expect "count" "$ended $(cat "$WORK/out")" "0 $(printf 'n\n2')"
for sql in 'SELECT count(*) FROM row' 'SELECT count(*) FROM main.row' 'SELECT count(*) FROM things, row' 'SELECT _origin FROM main.row'; do
    example reader query servers/things "$sql"
    expect "$sql" "$ended $(wc -l <"$WORK/out")" "65 0"
done
example reader query servers/things 'SELECT nothing FROM things'
[ "$ended" -eq 65 ] || [ "$ended" -eq 77 ] || fail "a column that is not there: $ended $(cat "$WORK/err")"

echo "discover: the catalog with its columns"
example reader discover load1
expect "discover" "$ended $(sed 's/ [0-9]* s ago/ N s ago/' "$WORK/out")" "0 servers/load1 1.0.0: One line for the catalog (The team)
  signed N s ago
    id
    value [1]
    at"

echo "nobody does anything without a token"
for name in load1 things tally; do
    sed -i '/^access:/,$d' "$WORK/$name.yaml"
    weft_at servers-node product apply "$WORK/$name.yaml" >/dev/null
done
member stranger
refused() { # what the last example said
    expect "a stranger" "$ended $(wc -l <"$WORK/out")" "77 0"
    grep -q 'weft access request servers/.* --wait' "$WORK/err" || fail "no hint: $(cat "$WORK/err")"
}
example stranger subscribe servers/load1 "$WORK/stranger.db"
refused
example stranger query servers/things 'SELECT id FROM things'
refused
example stranger call servers/tally/Add '{"by":1}'
refused
mkdir "$WORK/nobody"
example nobody discover
expect "without an identity" "$ended" 78
echo ok
