#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Queries as a person asks them: what a token grants of columns and rows and nothing around it, a partial answer's exit status, and a query
# that runs into its budget while records, leases and smaller queries go on.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

ask() { # WHO SQL [OPTION...]: standard output in out, standard error in err, the status in `ended`
    who=$1 sql=$2
    shift 2
    ended=0
    "$WEFT" query servers/things "$sql" --dir "$WORK/$who" -o jsonl "$@" >"$WORK/out" 2>"$WORK/err" || ended=$?
}
expect() { # WHAT STATUS [TEXT]
    [ "$ended" = "$2" ] || fail "$1: $ended, wanted $2: $(cat "$WORK/out" "$WORK/err")"
    [ -z "${3:-}" ] || grep -q "$3" "$WORK/out" "$WORK/err" || fail "$1: no \"$3\" in $(cat "$WORK/out" "$WORK/err")"
}
publish() { weft_at servers-node publish things --wait -q || fail "publish"; }

make_mesh servers
(cd "$WORK" && "$WEFT" product new things --kind inventory >/dev/null)
sed -i 's/domain: monitoring/domain: servers/' "$WORK/things.yaml"
allow things servers query
"$WEFT" product build "$WORK/things.yaml" >/dev/null
weft_at servers-node product apply "$WORK/things.yaml" >/dev/null
make_event servers-node depth
make_reader servers-node reader

echo "partial until the origin has sent a whole snapshot"
printf '%s\n' '{"id":"a","value":1}' '{"id":"b","value":20}' | publish
# The product is new: until what it has is folded in, the answer is partial for that reason.
in_full() { ask reader 'SELECT id FROM things ORDER BY id' && ! grep -q 'not folded in yet' "$WORK/err"; }
until_ok in_full
expect "without a snapshot" 2 'has not yet sent a whole snapshot'
grep -q '"id":"a"' "$WORK/out" || fail "a partial answer has its rows: $(cat "$WORK/out")"
ask reader 'SELECT id FROM things' --partial-ok
expect "asked for" 0
printf '%s\n' '{"@op":"snapshot-begin"}' '{"id":"a","value":1}' '{"id":"b","value":20}' '{"@op":"snapshot-end"}' | publish
ask reader 'SELECT count(*) AS n FROM things'
expect "with it" 0 '"n":2'

echo "for programs: JSON that says what it rests on, CSV, and no more rows than were asked for"
ask reader "SELECT id AS 'a\"b', value, value / 8 AS eighth, x'00ff' AS raw, NULL AS none FROM things ORDER BY value" -o json
expect "JSON" 0
python3 -c 'import json, sys
a = json.load(open(sys.argv[1]))
assert a["rows"] == [{"a\"b": "a", "value": 1, "eighth": 0.125, "raw": "AP8=", "none": None},
                     {"a\"b": "b", "value": 20, "eighth": 2.5, "raw": "AP8=", "none": None}], a
assert a["whole"] and a["schema"] == "weft.query/v1" and "T" in a["as_of"], a
assert [o["origin"] for o in a["origins"]] == ["node-1"] and a["origins"][0]["state"] == "up", a' "$WORK/out" || fail "$(cat "$WORK/out")"
ask reader "SELECT id, value, 'a,\"b' AS odd, NULL AS none, '' AS empty FROM things ORDER BY value" -o csv
expect "CSV" 0
printf 'id,value,odd,none,empty\na,1,"a,""b",,""\nb,20,"a,""b",,""\n' | cmp -s - "$WORK/out" || fail "CSV: $(cat "$WORK/out")"
ask reader 'SELECT id FROM things ORDER BY id' --max-rows 1
expect "cut" 2 'PARTIAL: cut at 1 rows as it was asked, more are there'
[ "$(cat "$WORK/out")" = '{"schema":"weft.query/v1","id":"a"}' ] || fail "not cut: $(cat "$WORK/out")"
ask reader 'SELECT id FROM things' --max-rows 0
expect "no number of rows" 64 'max-rows 0: a number from 1 on'

echo "what a token grants, and nothing around it"
sed -i '/verbs:.*query/d;/allow: {domain: servers}/d;/for: 24h/d;/^access:/d' "$WORK/things.yaml"
weft_at servers-node product apply "$WORK/things.yaml" >/dev/null
make_reader servers-node clerk
ask clerk 'SELECT id FROM things'
expect "without a token" 77 'weft access request'
weft_at servers-node access grant things --to "$("$WEFT" key show --dir "$WORK/clerk" -o json | grep -o 'weftid1[a-z0-9]*')" --verb query \
    --column id --rows "value < 5" --out "$WORK/things.cap" >/dev/null || fail "grant"
"$WEFT" access import "$WORK/things.cap" --dir "$WORK/clerk" >/dev/null
ask clerk 'SELECT * FROM things'
expect "its rows" 0 '"id":"a"'
if grep -q '"value"\|"id":"b"' "$WORK/out"; then fail "more than was granted: $(cat "$WORK/out")"; fi
ask clerk 'SELECT count(*) AS n FROM things'
expect "counted" 0 '"n":1'
ask clerk 'SELECT value FROM things'
expect "a column that is not granted" 77 value
for sql in 'WITH things AS (SELECT * FROM main.row) SELECT * FROM things' 'SELECT * FROM row' 'SELECT sql FROM sqlite_temp_master' \
    "SELECT id FROM things UNION SELECT value FROM row" "ATTACH '/etc/passwd' AS p" 'PRAGMA database_list' 'DELETE FROM things'; do
    ask clerk "$sql"
    [ "$ended" = 65 ] || [ "$ended" = 77 ] || fail "$sql: $ended $(cat "$WORK/out" "$WORK/err")"
    if grep -q '20\|"b"' "$WORK/out"; then fail "$sql: $(cat "$WORK/out")"; fi
done

echo "handed on: less than was granted, by its holder alone, and it ends with what it was made of"
id_of() { "$WEFT" key show --dir "$WORK/$1" -o json | grep -o 'weftid1[a-z0-9]*'; }
for who in chief deputy; do make_reader servers-node $who; done
weft_at servers-node access grant things nothings --to "$(id_of chief)" --verb query --verb delegate --column id --column value --column vlaue \
    --for 1h --out "$WORK/chief.cap" 2>"$WORK/err" || fail "grant: $(cat "$WORK/err")"
grep -q "servers/things has no column vlaue" "$WORK/err" || fail "no note of the column: $(cat "$WORK/err")"
grep -q "servers has no product nothings now" "$WORK/err" || fail "no note of the product: $(cat "$WORK/err")"
"$WEFT" access import "$WORK/chief.cap" --dir "$WORK/chief" >/dev/null
"$WEFT" access delegate servers/things --to "$(id_of deputy)" --column id --rows "value > 5" --out "$WORK/deputy.cap" --dir "$WORK/chief" 2>/dev/null ||
    fail "delegate"
"$WEFT" access show "$WORK/deputy.cap" | grep -q '^  rows     value > 5$' || fail "$("$WEFT" access show "$WORK/deputy.cap")"
"$WEFT" access import "$WORK/deputy.cap" --dir "$WORK/deputy" >/dev/null || fail "import"
ask deputy 'SELECT id FROM things'
expect "the deputy's part" 0
[ "$(cat "$WORK/out")" = '{"schema":"weft.query/v1","id":"b"}' ] || fail "not the deputy's part: $(cat "$WORK/out")"
refused() { # STATUS TEXT ARGUMENT...
    want=$1 text=$2 ended=0
    shift 2
    "$WEFT" access delegate "$@" --to "$(id_of clerk)" >"$WORK/out" 2>"$WORK/err" || ended=$?
    expect "$*" "$want" "$text"
    [ ! -s "$WORK/out" ] || fail "a token came of it: $*"
}
refused 77 'more is asked than the token gives' servers/things --column odd --dir "$WORK/chief"
refused 77 'more is asked than the token gives' servers/things --verb subscribe --dir "$WORK/chief"
refused 77 'nothing made of it lives longer' servers/things --for 2h --dir "$WORK/chief"
refused 77 'which this identity is not' "$WORK/chief.cap" --dir "$WORK/deputy"
refused 77 'may not be handed on' "$WORK/deputy.cap" --dir "$WORK/deputy"
refused 77 'no token here lets servers/other be handed on' servers/other --dir "$WORK/chief"
weft_at servers-node access revoke "$("$WEFT" access show "$WORK/chief.cap" | sed -n 's/^token //p')" >/dev/null || fail "revoke"
ask deputy 'SELECT id FROM things'
expect "made of a token that was revoked" 77 revoked

echo "a query without end runs into its budget; records, leases and small queries do not wait for it"
"$WEFT" query servers/things 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n' --dir "$WORK/clerk" \
    >"$WORK/slow.out" 2>"$WORK/slow.log" &
slow=$!
runs() { kill -0 $slow 2>/dev/null; }
i=0 beside=0 # rounds that were over before it was
while [ "$i" -lt 3 ]; do
    i=$((i + 1))
    printf '{"id":"x","value":%s}\n' "$i" | weft_at servers-node publish depth --wait -q || fail "publish"
    "$WEFT" subscribe servers/depth --dir "$WORK/reader" --from earliest -n "$i" --for 60s >"$WORK/out" 2>"$WORK/err" || fail "$(cat "$WORK/err")"
    [ "$(wc -l <"$WORK/out")" = "$i" ] || fail "round $i: $(cat "$WORK/out")"
    ! runs || beside=$i
done
[ "$beside" -ge 1 ] || fail "the query was over before anything else was tried: $(cat "$WORK/slow.log")"
ended=0
wait $slow || ended=$?
[ "$ended" = 65 ] || fail "the endless query ended with $ended: $(cat "$WORK/slow.out" "$WORK/slow.log")"
grep -q 'takes too long' "$WORK/slow.log" || fail "$(cat "$WORK/slow.log")"
echo ok
