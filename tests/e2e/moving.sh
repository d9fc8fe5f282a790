#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Hosts that move: a reader's and an agent's host lose their network, write and wait, and come back with other addresses; a reader sleeps for longer than its
# lease lives; its node is stopped meanwhile and comes back. Every record comes once and in order, and nothing is told as lost.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
OWN_NET=${OWN_NET:-yes}
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

HERE=10.77.0.1
leave() { ip link set "to-$1" down; } # HOST: its cable is out
arrive() { # HOST NEW-SELF: in again, in another network
    ip addr flush dev "to-$1" && ip addr add "$2.1/24" dev "to-$1" && ip link set "to-$1" up
    on "$1" ip addr flush dev eth0
    on "$1" ip addr add "$2.2/24" dev eth0
    on "$1" ip link set eth0 up
    on "$1" ip route replace default via "$2.1"
}
past() { [ "$(date +%s%N)" -gt "$1" ]; }
has_read() { [ "$(numbers "$WORK/reading.log" | wc -w)" -ge "$1" ]; }
expect() { # TO
    until_ok has_read "$1"
    [ "$(numbers "$WORK/reading.log")" = "$(seq 1 "$1" | tr '\n' ' ')" ] || fail "not $1 once and in order: $(numbers "$WORK/reading.log")"
}

ip addr add $HERE/32 dev lo
make_host desk 10.77.1
make_host rack 10.77.2
make_domains servers=0.0.0.0:7400,$HERE:7400
printf 'lease: 2s\n' >>"$WORK/servers-node/weftd.yaml"
start servers-node
until_ok weft_at servers-node node status
make_event servers-node depth
make_agent web-1 "$(weft_at servers-node ticket create --kind agent --name web-1)" 'sources: {enabled: off}'
on rack start web-1
until_ok has_manifest web-1 depth
ticket=$(weft_at servers-node ticket create --kind user --name reader)
on desk "$WEFT" join "$ticket" --name reader --dir "$WORK/reader" >/dev/null
on desk start_program reading "$WEFT" subscribe servers/depth --dir "$WORK/reader" --from earliest --for 600s -o jsonl
say web-1 depth 1 10
expect 10

echo "the agent's host is away while it writes, the reader's meanwhile, and both come back with other addresses"
leave desk
leave rack
say web-1 depth 11 30
arrive rack 10.77.12
until_ok head_beyond servers-node depth 29
has_read 11 && fail "read without a network"
arrive desk 10.77.11
expect 30
say web-1 depth 31 40
expect 40

echo "the reader sleeps for longer than its lease lives; its node ends and begins anew meanwhile"
kill -STOP "$(cat "$WORK/reading.pid")"
say web-1 depth 41 50
until_ok head_beyond servers-node depth 49
stop servers-node
start servers-node
until_ok weft_at servers-node node status
say web-1 depth 51 60
until_ok head_beyond servers-node depth 59
until_ok past $(($(date +%s%N) + 2500000000)) # a lease of 2 s is over
kill -CONT "$(cat "$WORK/reading.pid")"
expect 60
say web-1 depth 61 70
expect 70
if grep -q '"schema":"weft.loss' "$WORK/reading.log"; then fail "told as lost: $(grep weft.loss "$WORK/reading.log")"; fi
echo "70 records over two changes of address, a sleep and a restart: each once, in order, none lost"
