#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A product's home is gone for good, its disk with it, and nobody makes that machine anew: `weft product move --lost` gives the product to another node
# of the domain. A mirror, which can't read them, knows whose records they were, also of an agent that is gone with its spool. Outside it is known what was acknowledged: a reader gets what agents still had, once, and is told by origin and numbers what is lost.
# The old home comes back after all: it is home no more.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

N=${WEFT_LOSS_RECORDS:-20}
mirrored() { weft_at servers-node node status -o json | grep -q "\"mirrors\":\[{\"product\":\"servers/depth\",\"state\":\"following\",\"home\":\"node-2\",\"head\":$1,"; }

make_mesh servers
echo "mirror: [{product: servers/depth, age: 1h, bytes: 64MiB}]" >>"$WORK/servers-node/weftd.yaml"
stop servers-node
start servers-node
until_ok weft_at servers-node node status
second_node servers-two node-2
second_node servers-three node-3
home_to_lose web-1 web-2
allow depth servers mirror
weft_at servers-two product apply "$WORK/depth.yaml" >/dev/null || fail "apply"
until_ok grep -q node-3 "$WORK"/web-1/data/meta/places*
say_twice "$N"
say web-2 depth 1001 1003 # and what it said is nowhere else
until_ok head_beyond servers-two depth $((2 * N + 2))
until_ok mirrored $((2 * N + 3))
read_on late depth $((N + 3))
stop web-2

echo "a home that lives is not lost"
take_over() { weft_at servers-node product move depth --to node-3 --lost --yes -q "$@" >"$WORK/out" 2>"$WORK/err"; }
! take_over --no-wait || fail "given up although it lives"
grep -q "node-2 lives, it answers. Leave --lost out" "$WORK/err" || fail "not what to do instead: $(cat "$WORK/err")"

echo "node-2 and its disk are gone; its agent goes on"
{ stop servers-two KILL; } 2>/dev/null
mv "$WORK/servers-two" "$WORK/servers-old"
say web-1 depth $((2 * N + 1)) $((3 * N))

echo "node-3 takes the product over, with the manifest that the issuer's node kept; it is killed before it told anybody what is lost"
knows_or_told() { ls "$WORK"/servers-three/data/meta/l-*.meta || head_beyond servers-three depth -1; }
take_over --no-wait || fail "move: $(cat "$WORK/out" "$WORK/err")"
until_ok knows_or_told
{ stop servers-three KILL; } 2>/dev/null
start servers-three
until_ok take_over
grep -q node-3 "$WORK/out" || fail "no row: $(cat "$WORK/out")"
until_ok head_beyond servers-three depth -1

echo "the agent, which was given node-2 alone, comes over; who lagged is told what is lost"
until_ok spool_is_empty web-1
expect_the_rest depth $((2 * N + 1)) $((3 * N)) $((N + 3))
grep -q "lost: $N records, numbers $N to $((2 * N - 1)) of web-1" "$WORK/read.err" || fail "not by origin and numbers: $(cat "$WORK/read.err")"
grep -q "lost: 3 records, numbers 0 to 2 of web-2" "$WORK/read.err" || fail "what web-2 said is not named: $(cat "$WORK/read.err")"

echo "node-2 was not gone: it learns that it is home no more, and takes nothing"
start servers-old
elsewhere() { ! head_beyond servers-old depth -1 && weft_at servers-old node status; }
until_ok elsewhere
got=0
echo '{"id":"a","value":1}' | timeout 10 "$WEFT" publish depth --wait -q --dir "$WORK/servers-old" >"$WORK/out" 2>&1 || got=$?
[ "$got" -ne 0 ] || fail "two homes take records"
say web-1 depth $((3 * N + 1)) $((3 * N + 5))
until_ok spool_is_empty web-1
for who in early late; do
    read_on $who depth 5
    expect_read $who $((3 * N + 1)) $((3 * N + 5))
done
echo ok
