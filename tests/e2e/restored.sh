#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A log directory put back from an earlier copy: a new log begins where the copy ends, no number is used twice, and readers with a later
# cursor get what is new, once. weft log verify says it before the start.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# Every batch of a product: log, incarnation and number of its first record.
batches() { weft_at servers-node log show "$1" -o jsonl | sed -n 's/.*"log":"\([^"]*\)".*"incarnation":"\([^"]*\)","seq":\([0-9]*\),.*/\1 \2 \3/p'; }

make_mesh servers
for p in own hosted; do make_event servers-node $p; done
for who in anew late; do make_reader servers-node $who; done
make_agent web-1 "$(weft_at servers-node ticket create --kind agent --name web-1)" 'sources: {enabled: off}'
start web-1
until_ok has_manifest web-1 hosted

echo "a copy of the log at 40, then 20 more that everybody acknowledged"
say servers-node own 1 40
say web-1 hosted 1 40
until_ok head_beyond servers-node hosted 39
for p in own hosted; do
    read_on late $p 40 --from earliest
    cp "$WORK/late-$p.cursor" "$WORK/early-$p"
done
stop servers-node
cp -a "$WORK/servers-node/data/log" "$WORK/copy"
weft_at servers-node log verify >"$WORK/verified" || fail "a store in order is not whole: $(cat "$WORK/verified")"
start servers-node
until_ok weft_at servers-node node status
say servers-node own 41 60
say web-1 hosted 41 60
until_ok head_beyond servers-node hosted 59
for p in own hosted; do
    read_on late $p 20
    [ "$(numbers "$WORK/read")" = "$(seq 41 60 | tr '\n' ' ')" ] || fail "$p before: $(numbers "$WORK/read")"
    batches $p >"$WORK/before-$p"
done
stop servers-node

echo "the copy is put back: verify says where each product ends and how far it was"
rm -rf "$WORK/servers-node/data/log"
cp -a "$WORK/copy" "$WORK/servers-node/data/log"
ended=0
weft_at servers-node log verify -o jsonl >"$WORK/verified" || ended=$?
[ "$ended" -eq 1 ] || fail "status $ended of a store that was put back"
for p in own hosted; do
    grep '"problem":"head"' "$WORK/verified" | grep "\"product\":\"servers/$p@1\"" | grep -q '"first":40,"end":60' || fail "not named: $(cat "$WORK/verified")"
done
start servers-node
until_ok weft_at servers-node node status
say servers-node own 101 120
say web-1 hosted 101 120
until_ok head_beyond servers-node hosted 59

echo "no log id, and no number of an origin's incarnation, stands for two things"
for p in own hosted; do
    batches $p >"$WORK/after-$p"
    new=$(grep -vxFf "$WORK/before-$p" "$WORK/after-$p") || fail "$p: nothing new in the log"
    if echo "$new" | cut -d' ' -f1 | grep -qxFf <(cut -d' ' -f1 "$WORK/before-$p"); then fail "$p: a log id is used again: $new"; fi
    if echo "$new" | cut -d' ' -f2- | grep -qxFf <(cut -d' ' -f2- "$WORK/before-$p"); then fail "$p: a number is used again: $new"; fi
done
weft_at servers-node log verify >"$WORK/verified" || fail "not whole after a start: $(cat "$WORK/verified")"

echo "a reader with a later cursor gets what is new, each once; the doubles of the way back are dropped"
for p in own hosted; do
    read_on late $p 20
    [ "$(numbers "$WORK/read")" = "$(seq 101 120 | tr '\n' ' ')" ] || fail "$p late: $(numbers "$WORK/read") $(cat "$WORK/read.err")"
    [ "$(stat_of lost_records)" -eq 0 ] || fail "$p late: it had them all: $(cat "$WORK/read.err")"
done

echo "a reader that had come to 40 is told what it never gets, by the numbers of who sent it: an agent's, and the node's own, which count anew since"
is_named() { # PRODUCT ORIGIN
    line="{\"schema\":\"weft.loss/v1\",\"product\":\"servers/$1\",\"origin\":\"$2\",\"incarnation\":\"[0-9a-f]*\",\"from_seq\":$3,\"to_seq\":$4,\"code\":\"LOST\"}"
    [ "$got/$(stat_of lost_records)" = 2/20 ] || fail "$1 not told ($got): $(cat "$WORK/read.err")"
    grep -q "^lost: 20 records, numbers $3 to $(($4 - 1)) of $2 (" "$WORK/read.err" || fail "$1 not named: $(cat "$WORK/read.err")"
    grep -qx "$line" "$WORK/read" || fail "$1 not a line: $(grep loss "$WORK/read")"
}
for p in own hosted; do
    cp "$WORK/early-$p" "$WORK/late-$p.cursor"
    read_on late $p 20
    [ "$(numbers "$WORK/read")" = "$(seq 101 120 | tr '\n' ' ')" ] || fail "$p early: $(numbers "$WORK/read") $(cat "$WORK/read.err")"
    [ $p = hosted ] || is_named own node-1 0 20
done
is_named hosted web-1 40 60
read_on late hosted 1 --for 2s
if grep -q '^lost:' "$WORK/read.err"; then fail "told twice: $(cat "$WORK/read.err")"; fi

echo "who reads anew gets all that the home has, in order, and is told, too"
for p in own hosted; do
    read_on anew $p 60 --from earliest
    [ "$(numbers "$WORK/read")" = "$(seq 1 40 | tr '\n' ' ')$(seq 101 120 | tr '\n' ' ')" ] || fail "$p anew: $(numbers "$WORK/read") $(cat "$WORK/read.err")"
    [ $p = hosted ] || is_named own node-1 0 20
done
is_named hosted web-1 40 60
weft_at servers-node node status | grep -q 'own: its log had lost 20 records of 1 origins' || fail "no alarm: $(weft_at servers-node node status)"

echo "both in one: what one of them says, from one cursor file"
both() { "$WEFT" subscribe servers/own servers/hosted --dir "$WORK/anew" --cursor "$WORK/both" --origin "$1" --history --stats -o jsonl >"$WORK/read" 2>"$WORK/read.err" || :; }
both web-1
[ "$(numbers "$WORK/read")" = "$(seq 1 40 | tr '\n' ' ')$(seq 101 120 | tr '\n' ' ')" ] || fail "of web-1: $(numbers "$WORK/read") $(cat "$WORK/read.err")"
grep -q '"product":"servers/own","records":60,.*"filtered_records":60,.*"lag":0,"lag_s":0.000,' "$WORK/read.err" || fail "not counted: $(cat "$WORK/read.err")"
both nobody
[ ! -s "$WORK/read" ] || fail "read again: $(cat "$WORK/read")"
grep -q '"product":"servers/hosted","records":0,' "$WORK/read.err" || fail "its cursor did not move: $(cat "$WORK/read.err")"
