#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# publish and subscribe as a person uses them: every start, a cursor kept in a file, a copy of one product into another, what is refused and
# how commands end; nearly everything comes as frames.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
LISTEN=${2:-127.0.0.1:0}
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

case $LISTEN in "["*) grep -q ' lo$' /proc/net/if_inet6 2>/dev/null || skip "no IPv6 here" ;; esac

expect() { # WHAT GOT WANTED
    [ "$2" = "$3" ] || fail "$1: got \"$2\", wanted \"$3\""
}
lines() { wc -l <"$1"; }
has_lines() { [ "$(lines "$1")" -ge "$2" ]; }
records() { # FROM TO
    i=$1
    while [ "$i" -le "$2" ]; do
        echo "{\"id\":\"a\",\"value\":$i}"
        i=$((i + 1))
    done
}
read_from() { # PLACE COUNT
    "$WEFT" subscribe servers/depth --dir "$WORK/reader" --for 60s --from "$1" -n "$2" >"$WORK/out" 2>"$WORK/err" ||
        fail "subscribe --from $1: $(cat "$WORK/err")"
    numbers "$WORK/out"
}
make_product() { # NAME
    (cd "$WORK" && "$WEFT" product new "$1" --kind event >/dev/null)
    sed -i 's/domain: monitoring/domain: servers/' "$WORK/$1.yaml"
    "$WEFT" product build "$WORK/$1.yaml" >/dev/null
    weft_at servers-node product apply "$WORK/$1.yaml" >/dev/null
}

make_mesh servers
make_product depth
make_product copy
"$WEFT" join "$(weft_at servers-node ticket create --kind user --name reader)" --name reader --dir "$WORK/reader" >/dev/null

echo "publish"
records 1 5 | weft_at servers-node publish depth --wait 2>"$WORK/err" || fail "publish: $(cat "$WORK/err")"
grep -q '^5 records published to depth, 0 lines refused$' "$WORK/err" || fail "count: $(cat "$WORK/err")"
middle=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
records 6 10 | weft_at servers-node publish depth --wait -q

echo "lines that do not fit are refused singly, with their place"
status=0
printf '%s\n' '{"id":"b","value":"x"}' '{"id":5}' '{"@odd":1}' '{"@op":"delete","id":"b"}' 'no json' '' '{"id":"a","value":11}' |
    weft_at servers-node publish depth 2>"$WORK/err" || status=$?
expect "exit status" "$status" 65
for text in 'line 1: .*value' 'line 2: .*id' 'line 3: .*@odd' 'line 4: .*inventory' 'line 5: ' '^1 records published to depth, 5 lines refused$'; do
    grep -q "$text" "$WORK/err" || fail "no \"$text\" in: $(cat "$WORK/err")"
done
status=0
echo '{}' | weft_at servers-node publish nothing 2>"$WORK/err" || status=$?
expect "exit status" "$status" 1
grep -q 'no product nothing' "$WORK/err" || fail "$(cat "$WORK/err")"

echo "every start"
expect earliest "$(read_from earliest 11)" "1 2 3 4 5 6 7 8 9 10 11 "
expect offset "$(read_from 3 4)" "4 5 6 7 "
expect time "$(read_from "$middle" 3)" "6 7 8 "
status=0
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --from yesterday 2>"$WORK/err" || status=$?
expect "exit status" "$status" 64

echo "a cursor in a file"
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --for 60s --cursor "$WORK/cursor" -n 4 >"$WORK/out" 2>"$WORK/err" ||
    fail "$(cat "$WORK/err")"
expect "the first run" "$(numbers "$WORK/out")" "1 2 3 4 "
# -n ends in the middle of a batch, which the log gives whole: the next run prints the rest of it alone, and so does the one after that.
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --for 60s -n 3 --cursor "$WORK/cursor" >"$WORK/out" 2>"$WORK/err" || fail "$(cat "$WORK/err")"
expect "go on" "$(numbers "$WORK/out")" "5 6 7 "
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --for 60s -n 4 --cursor "$WORK/cursor" >"$WORK/out" 2>"$WORK/err" || fail "$(cat "$WORK/err")"
expect "go on to the end" "$(numbers "$WORK/out")" "8 9 10 11 "
status=0
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --for 60s -n 1 --cursor "$WORK/nowhere/cursor" >"$WORK/out" 2>"$WORK/err" || status=$?
expect "a cursor that can't be kept" "$status $(lines "$WORK/out")" "1 0"
grep -q "nowhere/cursor: .*can't be written" "$WORK/err" || fail "$(cat "$WORK/err")"
patience=1
reaches() { # its owner, within ever more time: one that it does not reach is an error
    patience=$((patience + 1))
    "$WEFT" subscribe servers/depth --dir "$WORK/reader" --for ${patience}s --cursor "$WORK/cursor" >"$WORK/out" 2>"$WORK/err"
}
until_ok reaches
expect "nothing new" "$(lines "$WORK/out")" 0
records 12 13 | weft_at servers-node publish depth --wait -q
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --for 60s --cursor "$WORK/cursor" -n 2 >"$WORK/out" 2>"$WORK/err" || fail "$(cat "$WORK/err")"
expect "what is new" "$(numbers "$WORK/out")" "12 13 "

echo "a copy, times and all"
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --from earliest -n 13 2>/dev/null | weft_at servers-node publish copy --wait -q
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --from earliest -n 13 >"$WORK/one" 2>/dev/null
"$WEFT" subscribe servers/copy --dir "$WORK/reader" --from earliest -n 13 >"$WORK/two" 2>/dev/null
cmp -s "$WORK/one" "$WORK/two" || fail "the copy differs: $(diff "$WORK/one" "$WORK/two" | head -4)"

echo "records with what is known of them"
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --from 12 -n 1 -o jsonl >"$WORK/out" 2>/dev/null
grep -q '^{"schema":"weft.record/v1","product":"servers/depth","offset":12,"origin":"node-1","op":"put",.*"record":{.*"value":13.*}}$' \
    "$WORK/out" || fail "$(cat "$WORK/out")"

echo "nearly everything comes as frames"
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --from latest -n 20000 --stats --for 60s >"$WORK/read" 2>"$WORK/read.log" &
reader=$!
until_ok grep -q ': live' "$WORK/read.log"
records 1 20000 | weft_at servers-node publish depth --wait -q
wait $reader || fail "subscribe: $(cat "$WORK/read.log")"
numbers "$WORK/read" | tr ' ' '\n' | grep . | sort -n -c -u || fail "not in order, or not once each"
share=$(grep -o '"pub_share":[0-9.]*' "$WORK/read.log" | cut -d: -f2)
awk -v s="$share" 'BEGIN { exit !(s >= 0.99) }' || fail "only $share came as frames"
grep -q '"lost_records":0,"duplicates":0,"verify_failures":0' "$WORK/read.log" || fail "$(cat "$WORK/read.log")"

echo "nobody reads without a token"
"$WEFT" join "$(weft_at servers-node ticket create --kind user --name stranger)" --name stranger --dir "$WORK/stranger" >/dev/null
sed -i '/^access:/,$d' "$WORK/copy.yaml"
weft_at servers-node product apply "$WORK/copy.yaml" >/dev/null
refused_with() { # TEXT COMMAND...: refused, with that on standard error
    text=$1
    shift
    status=0
    "$@" >"$WORK/out" 2>"$WORK/err" || status=$?
    expect "exit status of $*" "$status" 77
    grep -q -- "$text" "$WORK/err" || fail "no \"$text\" in: $(cat "$WORK/err")"
    expect "lines" "$(lines "$WORK/out")" 0
}
stranger=$("$WEFT" key show --dir "$WORK/stranger" -o json | grep -o 'weftid1[a-z0-9]*')
grant() { # VERB
    weft_at servers-node access grant copy --to "$stranger" --verb "$1" --out "$WORK/$1.cap" >/dev/null 2>&1 || fail "grant $1"
    "$WEFT" access import "$WORK/$1.cap" --dir "$WORK/stranger" >/dev/null || fail "import $1"
}
try() { "$WEFT" subscribe servers/copy --dir "$WORK/stranger" --for 60s "$@"; }
refused_with '^weft: refused: servers/copy subscribe: no capability: copy: no rule of the product gives this$' try
expect "lines that say what to do" "$(grep -c 'weft access request servers/copy --verb subscribe' "$WORK/err")" 1
grep -q 'audit id [0-9a-f]*-[0-9]*$' "$WORK/err" || fail "no audit id: $(cat "$WORK/err")"
weft_at servers-node access list --refused -o jsonl | grep '"refused":"servers/stranger","what":"copy: subscribe","code":"NO_CAPABILITY"' |
    grep -q '"from":"\(127.0.0.1\|\[::1\]\):.*"audit_id":"[0-9a-f]*-[0-9]*"' || fail "the owner does not see who was refused"
weft_at servers-node access list | grep -q '^servers/stranger .*NO_CAPABILITY' || fail "not below the grants"
weft_at servers-node access list -o json | grep -q NO_CAPABILITY && fail "a program that asks for grants gets refusals"
weft_at servers-node access list --pending -o json | grep -q '"rows":\[\]' || fail "a request was left that nobody made"

echo "a token for something else: the owner names caveat, chain and what to do"
grant query
refused_with "^weft: refused: servers/copy subscribe: .*caveat 'verbs' (asked: subscribe; granted: query), chain [0-9a-f]* block 0$" try

echo "replay alone reads what is kept, and ends"
grant replay
try --history >"$WORK/out" 2>"$WORK/err" || fail "history: $(cat "$WORK/err")"
expect "history" "$(lines "$WORK/out")" 13

echo "an owner that never answered is no empty answer, however short the reader's time was"
kill -STOP "$(cat "$WORK/servers-node.pid")"
status=0
try --from earliest --for 1s -o json >"$WORK/out" 2>"$WORK/err" || status=$?
expect "exit status" "$status" 69
grep -q '^{"schema":"weft.problem/v1","error":"UNREACHABLE","exit":69,"text":"servers/copy: unreachable' "$WORK/out" || fail "$(cat "$WORK/out" "$WORK/err")"
kill -CONT "$(cat "$WORK/servers-node.pid")"
echo ok
