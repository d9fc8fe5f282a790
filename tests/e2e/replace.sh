#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A node's disk is gone and there is no backup: another machine takes its name by a ticket, its products with their manifests, and what agents still
# have. Outside it is known what was acknowledged: readers get the rest once and name what is lost. The old machine comes back and reaches nobody.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

N=${WEFT_LOSS_RECORDS:-20}
is_replaced() { weft_at "$1" node status | grep -q 'another machine has its place'; }
was_told_of() { grep -q "$2" "$WORK/$1"/data/meta/places*; }
finds_nobody() { weft_at "$1" node status | grep -q "weft key show"; }

make_mesh servers
second_node servers-two node-2
home_to_lose web-1
until_ok was_told_of web-1 node-1
say_twice "$N"
read_on late depth "$N"
expect_read late $((N + 1)) $((2 * N))

echo "node-2 is gone; its agent goes on"
{ stop servers-two KILL; } 2>/dev/null
mv "$WORK/servers-two" "$WORK/servers-old"
say web-1 depth $((2 * N + 1)) $((3 * N))

echo "another machine takes its place, by a ticket of the issuer's node"
got=0
weft_at servers-node node replace node-9 >"$WORK/out" 2>&1 || got=$?
if [ "$got" -ne 1 ] || ! grep -q 'no machine has that name' "$WORK/out"; then fail "status $got: $(cat "$WORK/out")"; fi
second_node servers-new node-2 "$(weft_at servers-node node replace node-2 -q)"
until_ok head_beyond servers-new depth -1

echo "its agent, which knows no other uplink, finds it by itself"
until_ok spool_is_empty web-1

echo "what the agent still had comes once; who lagged is told what is lost"
expect_the_rest depth $((2 * N + 1)) $((3 * N)) "$N"

echo "the old machine comes back: refused, and it says so; the product stays where it is"
start servers-old
until_ok is_replaced servers-old
weft_at servers-node describe servers/depth >"$WORK/out"
got=0
echo '{"id":"a","value":1}' | timeout 10 "$WEFT" publish depth --wait -q --dir "$WORK/servers-old" >"$WORK/out" 2>&1 || got=$?
[ "$got" -ne 0 ] || fail "the old machine takes records"
say web-1 depth $((3 * N + 1)) $((3 * N + 5))
read_on late depth 5
expect_read late $((3 * N + 1)) $((3 * N + 5))
echo ok
