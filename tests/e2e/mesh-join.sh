#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A further domain comes in with the mesh id and one seed: its node waits and says so, takes its first charter when the members have
# signed it in, and works without a restart. One that pinned another mesh waits for ever and says so.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

says() { weft_at "$1" node status | grep -q "$2"; }
lacks() { weft_at "$1" node status >"$WORK/status" && ! grep -q "$2" "$WORK/status"; }

make_mesh servers
key=$("$WEFT" key show "$WORK/servers-node" -o json | grep -o 'weftdh1[a-z0-9]*' | head -n 1)
for d in network lost; do make_domain $d; done
genesis=$(cat "$WORK/servers-node/data/identity/mesh")
(cd "$WORK" && "$WEFT" mesh init elsewhere --domain lost-root --node lost-node >/dev/null)
elsewhere=$(cat "$WORK/lost-node/data/identity/mesh")
rm -r "$WORK/lost-node" && "$WEFT" node init --domain "$WORK/lost-root" --dir "$WORK/lost-node" --name node-1 --listen 127.0.0.1:0 >/dev/null

echo "who is no member waits, and says so"
"$WEFT" mesh join --genesis "$genesis" --seed "127.0.0.1:$port,$key" --dir "$WORK/network-node" >/dev/null || fail "mesh join"
"$WEFT" mesh join --genesis "$elsewhere" --seed "127.0.0.1:$port,$key" --dir "$WORK/lost-node" >/dev/null || fail "mesh join elsewhere"
for d in network lost; do
    start $d-node
    until_ok says $d-node 'no-charter: no charter yet'
done
until_ok sh -c "'$WEFT' peers --dir '$WORK/lost-node' | grep -q '127.0.0.1:$port .*refused'"

echo "signed in: it works without a restart"
"$WEFT" charter propose --add "$WORK/network-root/network.weftdomain" --domain "$WORK/servers-root" --dir "$WORK/servers-node" --out "$WORK/next.charter" >/dev/null || fail "propose"
"$WEFT" charter sign "$WORK/next.charter" --domain "$WORK/network-root" >/dev/null || fail "sign"
weft_at servers-node charter commit "$WORK/next.charter" >/dev/null || fail "commit"
until_ok says network-node 'network/node-1 (node)'
until_ok lacks network-node no-charter
says network-node 'charter version 2' || fail "$(weft_at network-node node status)"
(cd "$WORK" && "$WEFT" product new links --kind event >/dev/null && "$WEFT" product build links.yaml >/dev/null 2>&1)
weft_at network-node product apply "$WORK/links.yaml" >/dev/null || fail "a product of the new domain"
listed() { weft_at servers-node products -q | grep -q network/links; }
until_ok listed

echo "the one that pinned another mesh still waits"
says lost-node 'no-charter: no charter yet' || fail "$(weft_at lost-node node status)"
echo ok
