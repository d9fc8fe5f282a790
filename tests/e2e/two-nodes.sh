#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two nodes of one domain and a domain that subscribes: a product applied on the second node gets its home from the first one's issuer, is listed,
# leased and read; a request for it at the first node is answered with the right node; access requests at the second node are decided by the first.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

listed() { # AT PRODUCT
    weft_at "$1" products | awk -v p="$2" '$1 == p' | grep -q .
}
waits() { weft_at servers-node access list --pending | grep -q "$1"; }
reads_on() {
    "$WEFT" subscribe servers/depth --dir "$WORK/reader" --from earliest -n 5 --for 60s >"$WORK/out" 2>"$WORK/err" && [ "$(wc -l <"$WORK/out")" = 5 ]
}
patience=0
tells() { # NODE: a record of each kind, after ever more time for a reader to begin
    patience=$((patience + 1))
    "$WEFT" subscribe "servers/signals-$1" --dir "$WORK/reader" --from earliest -n 200 --for ${patience}s >"$WORK/signals" 2>"$WORK/err" || [ $? != 77 ] || return 1
    for kind in stream request queue resource; do
        grep -q "\"node\":\"$1\",\"kind\":\"$kind\"" "$WORK/signals" || return 1
    done
}
tells_of_depth() { tells node-2 && grep '"name":"depth"' "$WORK/signals" | grep -q '"traffic":"5".*"latencyP50Ms":[0-9.]*'; }
no_alarm() { ! weft_at "$1" node status | grep -q "not in the registry"; }

make_domain servers
make_domain monitoring
(cd "$WORK" && "$WEFT" mesh init acme --domain servers-root --add monitoring-root/monitoring.weftdomain --out acme.charter >/dev/null)
"$WEFT" charter sign "$WORK/acme.charter" --domain "$WORK/monitoring-root" >/dev/null
for d in servers monitoring; do
    "$WEFT" charter commit "$WORK/acme.charter" --dir "$WORK/$d-node" >/dev/null
done
start servers-node
until_ok weft_at servers-node node status
printf 'seeds:\n  - address: "127.0.0.1:%s"\n    key: %s\n' "$(port_of servers-node)" "$(key_of servers-node)" >>"$WORK/monitoring-node/weftd.yaml"
start monitoring-node
until_ok weft_at monitoring-node node status

echo "a second node joins with a ticket and runs; the ticket's seed is all it knows"
"$WEFT" join "$(weft_at servers-node ticket create --kind node --name node-2)" --dir "$WORK/servers-two" >/dev/null || fail "join"
sed -i 's/^listen:.*/listen: "0.0.0.0:0"\nstreams: {ports: any}\nhttp: off/' "$WORK/servers-two/weftd.yaml"
start servers-two
says_nowhere() { weft_at servers-two node status | grep -q 'advertise: HOST:PORT'; }
until_ok says_nowhere
port=$(port_of servers-two)
stop servers-two
sed -i "s/^listen:.*/listen: \"0.0.0.0:$port\"/; s/^# advertise: HOST:7400/advertise: \"127.0.0.1:$port\"/" "$WORK/servers-two/weftd.yaml"
start servers-two
until_ok weft_at servers-two node status
says_nowhere && fail "an advertised address is warned of"

echo "a product applied there has its home there, and everybody lists it"
(cd "$WORK" && "$WEFT" product new depth --kind event >/dev/null)
sed -i 's/domain: monitoring$/domain: servers/' "$WORK/depth.yaml"
sed -i '/^access:/,$d' "$WORK/depth.yaml"
printf 'access:\n  - allow: { domain: monitoring }\n    verbs: [subscribe]\n    for: 24h\n' >>"$WORK/depth.yaml"
"$WEFT" product build "$WORK/depth.yaml" >/dev/null
weft_at servers-two product apply "$WORK/depth.yaml" >/dev/null || fail "apply"
for at in servers-two servers-node monitoring-node; do until_ok listed "$at" servers/depth; done
for at in servers-two servers-node; do until_ok no_alarm "$at"; done
weft_at servers-node describe servers/depth | grep -q 'node-2' || fail "$(weft_at servers-node describe servers/depth)"

echo "the first node does not take it over"
if weft_at servers-node product apply "$WORK/depth.yaml" >"$WORK/out" 2>&1; then fail "two homes"; fi
grep -q 'servers/depth lives on node node-2; apply it there' "$WORK/out" || fail "$(cat "$WORK/out")"

echo "leased and read by the other domain, by policy, through whichever node was asked"
"$WEFT" join "$(weft_at monitoring-node ticket create --kind service --name reader)" --dir "$WORK/reader" >/dev/null
i=1
while [ "$i" -le 5 ]; do echo "{\"id\":\"a\",\"value\":$i}"; i=$((i + 1)); done | weft_at servers-two publish depth --wait -q
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --from earliest -n 5 --for 60s >"$WORK/out" 2>"$WORK/err" || fail "subscribe: $(cat "$WORK/err")"
[ "$(numbers "$WORK/out")" = "1 2 3 4 5 " ] || fail "read: $(cat "$WORK/out")"
# The reader asked the product's home for a token; the first node decided, told by the second one with the reader's own chain.
grep -q 'who="monitoring/reader" what="grant by policy" on="depth: subscribe"' "$WORK/servers-node.log" || fail "the issuer's node did not decide"
if grep -q 'grant by policy' "$WORK/servers-two.log"; then fail "the second node decided by itself"; fi

echo "weftd.yaml lets the monitoring domain read DOMAIN/agents without being asked"
grep -q '^access: {agents: \[monitoring\], signals: \[monitoring\]}' "$WORK/servers-node/weftd.yaml" || fail "node init does not write it"
"$WEFT" query servers/agents "SELECT count(*) AS n FROM agents" --dir "$WORK/reader" >"$WORK/out" 2>"$WORK/err" || [ $? = 2 ] || fail "$(cat "$WORK/err")"
status=0
"$WEFT" query monitoring/agents "SELECT 1" --dir "$WORK/servers-two" --socket none >"$WORK/out" 2>"$WORK/err" || status=$?
[ "$status" = 77 ] || fail "servers reads monitoring/agents: $status $(cat "$WORK/err")"

echo "both nodes tell how they do: streams, requests, queues, resources; to whom weftd.yaml names"
grep -q '^access: {signals: \[monitoring\]}' "$WORK/servers-two/weftd.yaml" || fail "weft join does not write it"
for node in node-1 node-2; do
    until_ok listed monitoring-node "servers/signals-$node"
    until_ok tells "$node" || fail "$(cat "$WORK/signals" "$WORK/err")"
done
until_ok tells_of_depth || fail "$(grep depth "$WORK/signals")"
if weft_at servers-two product remove signals-node-2 --yes >"$WORK/out" 2>&1; then fail "what is built in was removed"; fi

echo "node status says what a packet filter must let through"
port=$(port_of servers-node)
weft_at servers-node node status --firewall | grep -Eq "^in +tcp +127.0.0.1:$port +control plane" || fail "$(weft_at servers-node node status --firewall)"
until_ok sh -c "'$WEFT' node status --firewall --dir '$WORK/servers-two' | grep -Eq '^out +tcp +127.0.0.1:$port '"
weft_at servers-node node status -o json | grep -q '"total_disk":[1-9][0-9]*.*"sources":\[' || fail "json"

echo "an agent with both as uplinks: the second one's manifests come when the first is gone, and what the first shall have waits for it"
make_event servers-node gauge
make_agent web-1 "$(weft_at servers-node ticket create --kind agent --name web-1)" "uplinks:" \
    "  - {address: '127.0.0.1:$(port_of servers-node)', key: $(key_of servers-node)}" "  - {address: '127.0.0.1:$(port_of servers-two)', key: $(key_of servers-two)}"
sed -i "s/^listen:.*/listen: \"127.0.0.1:$(port_of servers-node)\"/" "$WORK/servers-node/weftd.yaml"
start web-1
until_ok has_manifest web-1 gauge
if has_manifest web-1 depth; then fail "a manifest of a node that is not its uplink"; fi
say web-1 gauge 1 5
until_ok head_beyond servers-node gauge 4
stop servers-node
until_ok has_manifest web-1 depth
before=$(head_of servers-two depth)
say web-1 depth 6 8
until_ok head_beyond servers-two depth $((before + 2))
say web-1 gauge 6 10 # its node is away: the spool has it
start servers-node
until_ok weft_at servers-node node status
before_two=$(head_of servers-two depth)
stop servers-two # else it has its turn after 15 s (node.uplink)
until_ok head_beyond servers-node gauge 9
[ "$(head_of servers-node gauge)" = 10 ] || fail "$(head_of servers-node gauge) records of gauge"
[ "$before_two" = $((before + 3)) ] || fail "$before_two records of depth"
stop web-1
start servers-two
until_ok weft_at servers-two node status

echo "a request by a person waits at the issuer's node, whoever took it"
"$WEFT" join "$(weft_at monitoring-node ticket create --kind user --name bob)" --name bob --dir "$WORK/bob" >/dev/null
"$WEFT" access request servers/depth --verb replay --purpose audit --dir "$WORK/bob" >"$WORK/out" 2>&1 || true
until_ok waits monitoring/bob
weft_at servers-two access list --pending >"$WORK/out" 2>&1 || true
if grep -q bob "$WORK/out"; then fail "the second node keeps requests"; fi

echo "without the issuer's node: what has its home goes on over a restart, decisions wait"
stop servers-node
stop servers-two
start servers-two
until_ok weft_at servers-two node status
until_ok reads_on
status=0
"$WEFT" access request servers/depth --verb mirror --dir "$WORK/bob" >"$WORK/out" 2>&1 || status=$?
[ "$status" = 69 ] || fail "status $status: $(cat "$WORK/out")"
echo ok
