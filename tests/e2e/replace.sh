#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A node's disk is gone and there is no backup: another machine takes its name by a ticket, its products with their manifests, and what agents still
# have. Outside it is known what was acknowledged: readers get the rest once and name what is lost. The old machine comes back and reaches nobody.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

N=${WEFT_LOSS_RECORDS:-20}
is_kept() { [ -s "$WORK/servers-node/data/kept/node-2.depth" ]; }
is_replaced() { weft_at "$1" node status | grep -q 'another machine has its place'; }
listed() { weft_at "$1" describe servers/depth >/dev/null; }
was_told_of() { grep -q "$2" "$WORK/$1"/data/meta/places*; }
finds_nobody() { weft_at "$1" node status | grep -q "weft key show"; }

make_mesh servers

second_node servers-two node-2
(cd "$WORK" && "$WEFT" product new depth --kind event >/dev/null)
sed -i 's/domain: monitoring/domain: servers/' "$WORK/depth.yaml"
"$WEFT" product build "$WORK/depth.yaml" >/dev/null
weft_at servers-two product apply "$WORK/depth.yaml" >/dev/null || fail "apply"
until_ok is_kept
for who in early late; do make_reader servers-node $who; done
make_agent web-1 "$(weft_at servers-node ticket create --kind agent --name web-1)" 'sources: {enabled: off}'
printf "uplinks:\n  - {address: '127.0.0.1:%s', key: %s}\n" "$(port_of servers-two)" "$(key_of servers-two)" >>"$WORK/web-1/weftd.yaml"
start web-1
until_ok has_manifest web-1 depth
until_ok was_told_of web-1 node-1
say web-1 depth 1 "$N"
until_ok head_beyond servers-two depth $((N - 1))
until_ok listed servers-node
for who in early late; do
    read_on $who depth "$N"
    expect_read $who 1 "$N"
done
say web-1 depth $((N + 1)) $((2 * N))
until_ok head_beyond servers-two depth $((2 * N - 1))
until_ok spool_is_empty web-1
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
