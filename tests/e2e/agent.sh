#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An agent joins by itself from a ticket file, pulls its manifest, runs the source and delivers; it listens on nothing; what it says while its
# node is down arrives later; tickets that do not fit are refused with the reason; a revoked host is shut out.
# shellcheck disable=SC2034 source=/dev/null
BUILD=$1
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

agent_is() { weft_at servers-node agent list | grep -q "^$1 *$2 "; }

make_mesh servers
make_agent web-1 "$(weft_at servers-node ticket create --kind agent --name web-1)"
start web-1
until_ok agent_is web-1 up
[ -e "$WORK/web-1/ticket" ] && fail "the used ticket is still there"

echo "manifest, source, records"
weft_at servers-node product apply "$SHARE/products/servers/memory.yaml" >/dev/null
until_ok head_beyond servers-node memory 2

echo "no listening socket but the local one"
if ss -ltnp 2>/dev/null | grep "pid=$(cat "$WORK/web-1.pid"),"; then fail "the agent listens on TCP"; fi

echo "the node is down: the spool fills, and is delivered later"
before=$(head_of servers-node memory)
stop servers-node
spool_grows() { find "$WORK/web-1/data/spool" -type f -newer "$WORK/stopped" | grep -q .; }
touch "$WORK/stopped"
until_ok spool_grows
stop web-1
start web-1
start servers-node
until_ok weft_at servers-node node status
until_ok head_beyond servers-node memory "$before"
until_ok agent_is web-1 up

echo "tickets that do not fit"
refused() { # REASON COMMAND...
    reason=$1
    shift
    if "$@" >"$WORK/out" 2>&1; then fail "accepted: $*"; fi
    grep -q "$reason" "$WORK/out" || fail "not \"$reason\" but: $(cat "$WORK/out")"
}
used=$(weft_at servers-node ticket create --kind agent --uses 1)
"$WEFT" join "$used" --name first --dir "$WORK/first" >/dev/null || fail "the first use"
refused "used up" "$WEFT" join "$used" --name second --dir "$WORK/second"
prefix=$(weft_at servers-node ticket create --kind agent --uses 2 --name-prefix web-)
refused "begin with" "$WEFT" join "$prefix" --name db-1 --dir "$WORK/db-1"
foreign=$(weft_at servers-node ticket create --kind agent --from 192.0.2.0/24)
refused "bad ticket" "$WEFT" join "$foreign" --name web-2 --dir "$WORK/web-2"
short=$(weft_at servers-node ticket create --kind agent --for 1s)
expired() { refused "expired" "$WEFT" join "$short" --name web-3 --dir "$WORK/web-3"; }
sleep 1.2
expired
mistyped=$(printf '%s' "$used" | sed 's/.$/q/;s/qq$/qp/')
refused "no whole ticket" "$WEFT" join "$mistyped" --name web-4 --dir "$WORK/web-4"

echo "two machines with one key"
make_agent twin "$(weft_at servers-node ticket create --kind agent --name twin)"
start twin
until_ok agent_is twin up
stop twin
cp -r "$WORK/twin" "$WORK/copy"
sed -i 's/^ticket:.*//' "$WORK/twin/weftd.yaml" "$WORK/copy/weftd.yaml"
start twin
start copy
until_ok agent_is twin cloned
weft_at servers-node node status | grep -q cloned-twin || fail "no alarm"
stop twin
stop copy

echo "revoked"
weft_at servers-node agent revoke web-1 >/dev/null 2>&1 || fail "revoke"
agent_is web-1 revoked || fail "not shown as revoked"
head=$(head_of servers-node memory)
until_ok grep -q "uplink" "$WORK/web-1.log"
[ "$(head_of servers-node memory)" -le "$((head + 1))" ] || fail "a revoked agent still delivers"
echo ok
