#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: uplinks.sh BUILD. Many agents on one node (WEFT_UPLINKS, 200), three of them real and the others in one process: they join by one ticket
# with so many uses, push, and hold their polls; one more and a wrong name are refused, and the owner sees why; the node's memory and descriptors
# for each are said; hosts that were killed are missed, in the table and in DOMAIN/agents, while all others come back to a node that was away.
# shellcheck disable=SC2034,SC2154 # for lib.sh; what it sets
BUILD=$1
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
DEADLINE=60
ulimit -Sn 128 # fewer than there are agents: weftd takes what the system lets it have
uplinks=${WEFT_UPLINKS:-200} each=${WEFT_UPLINK_BATCHES:-5}

pss_kib() { awk '/^Pss:/ { print $2 }' "/proc/$1/smaps_rollup"; }
files() { find "/proc/$1/fd" -mindepth 1 | wc -l; }
states() { weft_at servers-node agent list -o jsonl | grep -c "\"state\":\"$1\""; }
all_are() { [ "$(states up)" -eq "$1" ] && [ "$(states gone)" -eq "$2" ]; }
simulate() { "$BUILD/tests/e2e/uplinks" "$ticket" "$WORK/depth.desc" servers depth "$@"; }
refused_with() { # CODE TEXT
    weft_at servers-node access list --refused -o jsonl | grep "\"code\":\"$1\"" | grep -q "\"what\":\"$2\"" ||
        fail "the owner does not see $1 ($2): $(weft_at servers-node access list --refused -o jsonl)"
}

make_mesh servers
make_reader servers-node owner
sed -i 's/agents: \[monitoring\]/agents: [servers]/' "$WORK/servers-node/weftd.yaml"
kill -HUP "$(cat "$WORK/servers-node.pid")"
make_event servers-node depth
ticket=$(weft_at servers-node ticket create --kind agent --uses $((uplinks + 3)) --name-prefix web-)
for n in 1 2 3; do
    make_agent "real-$n" "$ticket" "name: web-real-$n" "sources: {enabled: off}"
    start "real-$n"
done
until_ok all_are 3 0
for n in 1 2 3; do until_ok has_manifest "real-$n" depth; done
node=$(cat "$WORK/servers-node.pid")
pss=$(pss_kib "$node") fds=$(files "$node")

echo "$uplinks agents by one ticket"
from=$(date +%s%N)
start_program simulated "$BUILD/tests/e2e/uplinks" "$ticket" "$WORK/depth.desc" servers depth web- "$uplinks" "$each"
DEADLINE=250 until_ok grep -q "^ready $uplinks $((uplinks * each))$" "$WORK/simulated.log"
ms=$((($(date +%s%N) - from) / 1000000))
for n in 1 2 3; do say "real-$n" depth 1 "$each"; done
all=$((uplinks + 3))
until_ok head_beyond servers-node depth $((all * each - 1))
[ "$(head_of servers-node depth)" -eq $((all * each)) ] || fail "more than was said: $(head_of servers-node depth)"
all_are $all 0 || fail "$(states up) of $all are up"
awk -v n="$uplinks" -v ms=$ms -v kib=$(($(pss_kib "$node") - pss)) -v fds=$(($(files "$node") - fds)) 'BEGIN {
    printf "%d uplinks joined and delivered in %.1f s; each takes %.1f kB and %.2f descriptors of the node\n", n, ms / 1000, kib * 1.024 / n, fds / n }'

echo "one more, and a name that does not fit"
refused() { # PREFIX CODE: that join; the program ends as one that nobody let in
    got=0
    simulate "$1" 1 1 >"$WORK/more" 2>&1 || got=$?
    if [ $got -ne 77 ] || ! grep -q "^refused ${1}1 $2 " "$WORK/more"; then fail "$1: $got $(cat "$WORK/more")"; fi
}
refused web-more- TICKET_USED
refused_with TICKET_USED "join as web-more-1: the ticket's $all uses are spent"
refused db- TICKET
refused_with TICKET "join as db-1: names of the ticket begin with web-"

echo "three are killed: missed; the others come back to a node that was away"
for n in 1 2 3; do stop "real-$n" KILL; done
stop servers-node
sqlite3 "$WORK/servers-node/data/agents.db" "UPDATE agent SET heard_ms = heard_ms - 600000 WHERE subject LIKE 'web-real-%'" # ten minutes of silence
start servers-node
until_ok all_are "$uplinks" 3
[ "$(weft_at servers-node agent list | grep -c '^web-real-[123] *gone *1[01] min')" -eq 3 ] ||
    fail "not gone with their age: $(weft_at servers-node agent list | grep real)"
[ "$(weft_at servers-node agent list | grep -c '^web-real-[123] .* no poll for 5 min: host down')" -eq 3 ] ||
    fail "no cause: $(weft_at servers-node agent list | grep real)"
weft_at servers-node agent show web-real-1 | grep -q '^why  *no poll for 5 min' || fail "no cause: $(weft_at servers-node agent list | grep real)"
gone_told() { [ "$("$WEFT" query servers/agents "SELECT host FROM agents WHERE state = 'gone' AND heard_ms BETWEEN 1 AND 1000 * unixepoch() - 600000" --dir "$WORK/owner" -o jsonl --partial-ok -q | grep -c web-real-)" -eq 3 ]; }
until_ok gone_told
stop simulated
