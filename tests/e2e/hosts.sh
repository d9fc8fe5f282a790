#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# hosts.sh BUILD: three hosts in namespaces of their own: the owner's node, an agent behind it, another domain's node with its monitor. Agent and
# monitor have no way to each other. Join, publish, subscribe, query and call go across; the node advertises another address than it listens
# on; the agent listens on nothing; a cable that loses everything in one direction costs no record and doubles none.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
OWN_NET=${OWN_NET:-yes}
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
PATH="$BUILD/domains/network:$PATH"

HERE=10.77.0.1 # advertised; the cables have other addresses
last_of() { tail -n 1 "$WORK/ledger" 2>/dev/null || true; }
wrote() { [ "$(last_of)" -ge "$1" ]; }
monitor_has() { [ "$(monitor_value watch "SELECT count(*) AS v FROM network_depth")" -ge "$1" ]; }
is_state() { [ "$(monitor_value watch "SELECT state AS v FROM _status WHERE product = 'network/depth'")" = "$1" ]; }
lists() { weft_at monitoring-node products -q | grep -q "^$1 "; }
agent_is() { weft_at network-node agent list | grep -q "^$1 *$2 "; }
peers_of() { on "$1" ss -tnpH state established | grep "pid=$2," | awk '{ print $4 }' | sort -u; }

ip addr add $HERE/32 dev lo
make_host agent 10.77.1
make_host far 10.77.2

echo "two domains, one charter, each node on a host of its own"
make_domains network=0.0.0.0:7400,$HERE:7400 monitoring=10.77.2.2:7400
start network-node
on far start monitoring-node
until_ok weft_at network-node node status
until_ok weft_at monitoring-node node status

echo "an agent joins by ticket across"
make_agent web-1 "$(weft_at network-node ticket create --kind agent --name web-1)"
on agent start web-1
until_ok agent_is web-1 up
make_event network-node depth
allow depth monitoring "subscribe, replay"
weft_at network-node product apply "$WORK/depth.yaml" "$SHARE/products/network/port-inventory.yaml" "$SHARE/products/network/ports.yaml" >/dev/null
on agent start_program writer "$BUILD/tests/e2e/ledger" "$WORK/web-1/run/weftd.sock" depth writer "$WORK/ledger"
until_ok wrote 100

echo "the monitor joins its own domain and subscribes to the other's"
ticket=$(weft_at monitoring-node ticket create --kind service --name watch)
on far "$WEFT" join "$ticket" --name watch --dir "$WORK/watch" >/dev/null
until_ok lists network/ports
on far start_monitor watch --product network/depth
until_ok monitor_has 100
until_ok is_state live

echo "query and call, across"
found() { on far "$WEFT" query network/port-inventory "SELECT _origin, name FROM port_inventory" --dir "$WORK/watch" --partial-ok -q -o jsonl >"$WORK/out" 2>"$WORK/err" && grep -q '"_origin":"web-1".*"name":"eth0"' "$WORK/out"; }
until_ok found
calls() { on far "$WEFT" call network/ports/List '{}' --at web-1 --dir "$WORK/watch" >"$WORK/out" 2>"$WORK/err" && grep -q eth0 "$WORK/out"; }
until_ok calls

echo "addresses: told are those that can be reached"
weft_at monitoring-node peers >"$WORK/out"
grep -q "$HERE:7400" "$WORK/out" || fail "the other node knows: $(cat "$WORK/out")"
grep -q "0\.0\.0\.0" "$WORK/out" && fail "0.0.0.0 is told: $(cat "$WORK/out")"
weft_at network-node node status >"$WORK/out"
grep -Eq "^listening +$HERE:7400\$" "$WORK/out" || fail "node status: $(cat "$WORK/out")"
grep -Eq "^depth .* $HERE:[0-9]+ " "$WORK/out" || fail "no stream of depth at $HERE: $(cat "$WORK/out")"
grep -q "0\.0\.0\.0" "$WORK/out" && fail "0.0.0.0 is shown: $(cat "$WORK/out")"
on far "$WEFT" describe network/depth --dir "$WORK/watch" >"$WORK/out" || fail "describe"
monitor=$(cat "$WORK/monitor-watch.pid") agent=$(cat "$WORK/web-1.pid")
grep -q "0\.0\.0\.0" "$WORK/out" && fail "0.0.0.0 is told: $(cat "$WORK/out")"

echo "nobody reaches the agent, and the agent listens on nothing"
on agent ss -ltnpH >"$WORK/listening"
[ -s "$WORK/listening" ] && fail "listening on the agent's host: $(cat "$WORK/listening")"
on agent ss -xlpH | grep -q "web-1/run/weftd.sock" || fail "ss does not see the agent's own socket: nothing is proven"
ss -ltnpH | grep -q ":7400 " || fail "ss does not see the node's listener: nothing is proven"
[ "$(peers_of agent "$agent")" = "$HERE:7400" ] || fail "the agent talks to: $(peers_of agent "$agent")"
peers_of far "$monitor" >"$WORK/peers"
grep -qx "$HERE:7400" "$WORK/peers" || fail "ss does not see the monitor's connection: nothing is proven"
grep -q "10\.77\.1\." "$WORK/peers" && fail "the monitor talks to: $(cat "$WORK/peers")"
grep -vE "^($HERE|10\.77\.2\.2):" "$WORK/peers" && fail "the monitor talks to: $(cat "$WORK/peers")"
grep -qx 0 /proc/sys/net/ipv4/ip_forward || fail "this host forwards: there is a way from the monitor's host to the agent's"

echo "one direction is lost, first to the monitor, then to the agent"
at=$(last_of)
cut_one_way far 10.77.2
until_ok wrote $((at + 1000))
away() { is_state unreachable || is_state pull; }
until_ok away
mend far 10.77.2
until_ok monitor_has "$(last_of)"
until_ok is_state live
at=$(last_of)
cut_one_way agent 10.77.1
until_ok wrote $((at + 1000)) # the agent's spool takes them
monitor_has "$((at + 900))" && fail "records came over a cut cable"
mend agent 10.77.1
until_ok monitor_has "$(last_of)"

echo "each record once"
stop writer
written=$(last_of)
until_ok monitor_has "$written"
stop monitor-watch
values=$(monitor_value watch "SELECT count(*) || ' ' || count(DISTINCT value) || ' ' || count(DISTINCT _offset) || ' ' || CAST(max(value) AS INTEGER) AS v FROM network_depth")
[ "$values" = "$written $written $written $written" ] || fail "the monitor has $values of $written"
[ "$(monitor_value watch "SELECT count(*) AS v FROM _loss")" = 0 ] || fail "losses"
echo "$written records from a host to a monitor that cannot reach it: once each"
