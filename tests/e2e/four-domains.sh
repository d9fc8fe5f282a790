#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Four domains under one charter, each with products of its own about this host: the monitor of one reads what rules of the others grant it,
# and the security domain's inventory of listening sockets has the ports of this very mesh, as ss has them.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
PATH="$BUILD/domains/network:$PATH"

adds=""
for d in servers network security monitoring; do
    make_domain "$d"
    [ "$d" = servers ] || adds="$adds --add $WORK/$d-root/$d.weftdomain"
done
# shellcheck disable=SC2086 # an option and its value for each
"$WEFT" mesh init acme --domain "$WORK/servers-root" $adds --out "$WORK/acme.charter" >/dev/null
for d in network security monitoring; do "$WEFT" charter sign "$WORK/acme.charter" --domain "$WORK/$d-root" >/dev/null; done
for d in servers network security monitoring; do "$WEFT" charter commit "$WORK/acme.charter" --dir "$WORK/$d-node" >/dev/null; done
start servers-node
until_ok weft_at servers-node node status
for d in network security monitoring; do
    printf 'seeds:\n  - address: "127.0.0.1:%s"\n    key: %s\n' "$(port_of servers-node)" "$(key_of servers-node)" >>"$WORK/$d-node/weftd.yaml"
    start "$d-node"
    until_ok weft_at "$d-node" node status
done
weft_at servers-node product apply "$SHARE/products/servers/load.yaml" >/dev/null
weft_at network-node product apply "$SHARE/products/network/interfaces.yaml" >/dev/null
weft_at security-node product apply "$SHARE/products/security/listening.yaml" >/dev/null

echo "the catalog of four domains, at each of them"
knows() { # NODE
    said=$(weft_at "$1" products -q)
    for p in servers/load network/interfaces security/listening monitoring/agents; do
        echo "$said" | grep -q "^$p " || return 1
    done
}
for d in servers network security monitoring; do until_ok knows "$d-node"; done

echo "the monitor stores what rules grant, of three domains that are not its own"
make_reader monitoring-node monitor service
start_monitor monitor
stored() { # TABLE
    [ "$(monitor_value monitor "SELECT count(*) AS v FROM $1 WHERE _op = 'put' AND _domain = '${1%%_*}'")" -gt 0 ]
}
for table in servers_load network_interfaces security_listening; do until_ok stored "$table"; done

echo "security/listening has this mesh's ports, as ss has them"
for d in servers network security monitoring; do
    port=$(port_of "$d-node")
    ss -ltnH "( sport = :$port )" | grep -q "127.0.0.1:$port " || fail "ss does not know port $port of $d"
    "$WEFT" query security/listening "SELECT process FROM listening WHERE protocol = 'tcp' AND local_address = '127.0.0.1' AND local_port = $port" \
        --dir "$WORK/monitor" -q -o jsonl >"$WORK/out" || fail "query"
    grep -q '"process":"weftd"' "$WORK/out" || fail "port $port of $d is not listed with its process: $(cat "$WORK/out")"
done

echo "who is not granted is refused by the owner alone: nobody is above it"
status=0
"$WEFT" query security/listening 'SELECT local_port FROM listening' --dir "$WORK/servers-node" >"$WORK/out" 2>"$WORK/err" || status=$?
[ "$status" -eq 77 ] || fail "servers reads security's inventory: status $status $(cat "$WORK/out" "$WORK/err")"
grep -q 'no capability' "$WORK/err" || fail "no reason: $(cat "$WORK/err")"
stop monitor-monitor
"$MONITOR" verify --db "$WORK/monitor.db" --dir "$WORK/monitor" >"$WORK/out" || fail "verify: $(cat "$WORK/out")"
grep -q 'all proven' "$WORK/out" || fail "verify: $(cat "$WORK/out")"
echo ok
