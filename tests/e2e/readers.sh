#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A million records (WEFT_READ_RECORDS) to readers that are slow, pause, connect anew and lose one frame in a hundred, and that change nodes on their way: the node is
# killed twice, the second time until they read from a mirror, and then the product moves to another node. Everything once and in order, nothing lost.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
COUNT=${WEFT_READ_RECORDS:-1000000}
SEED=${WEFT_SEED:-$$}
HOST=127.0.0.9 # under which readers know the node: what loses frames listens there
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
DEADLINE=$((120 + COUNT / 10000))
# A port that the system would not choose for anybody else.
STREAMS=$(python3 -c 'import random, socket
while True:
    port = random.randrange(20000, 32000)
    try:
        [socket.create_server((host, port)) for host in ("127.0.0.1", "127.0.0.9")]
        break
    except OSError:
        pass
print(port)')

make_domain servers
make_domain backup
(cd "$WORK" && "$WEFT" mesh init acme --domain servers-root --add backup-root/backup.weftdomain --out acme.charter >/dev/null)
"$WEFT" charter sign "$WORK/acme.charter" --domain "$WORK/backup-root" >/dev/null
for d in servers backup; do "$WEFT" charter commit "$WORK/acme.charter" --dir "$WORK/$d-node" >/dev/null; done
start servers-node
until_ok weft_at servers-node node status
port=$(port_of servers-node)
second_node servers-two node-2
printf 'advertise: %s:%s\n' "$HOST" "$port" >>"$WORK/servers-node/weftd.yaml"
stop servers-node
start servers-node
until_ok weft_at servers-node node status
(cd "$WORK" && "$WEFT" product new depth --kind event >/dev/null)
sed -i "s/domain: monitoring/domain: servers/; s/^freshness:.*/&\ndurability: process/" "$WORK/depth.yaml"
"$WEFT" product build "$WORK/depth.yaml" >/dev/null
allow depth backup mirror
weft_at servers-node product apply "$WORK/depth.yaml" >/dev/null
start_program lossy python3 "$(dirname "$0")/lossy.py" $HOST "$port" "$STREAMS" 100 "$SEED"
until_ok grep -q ready "$WORK/lossy.log"
printf 'seeds:\n  - {address: "127.0.0.1:%s", key: %s}\nmirror: [{product: servers/depth, age: 1h, bytes: 4GiB}]\n' "$port" "$(key_of servers-node)" \
    >>"$WORK/backup-node/weftd.yaml"
start backup-node
mirrors() { weft_at backup-node node status -o json | grep -q "\"mirrors\":\[{\"product\":\"servers/depth\",\"state\":\"$1\""; }
has_mirrored() { [ "$(weft_at backup-node node status -o json | sed 's/.*"product":"servers\/depth","state":"[a-z]*","home":"node-1","head":\([0-9]*\),.*/\1/')" -ge "$1" ]; }
until_ok mirrors following
for habit in steady slow pausing reconnecting; do make_reader servers-node $habit; done
is_mirrored() { "$WEFT" products --dir "$WORK/slow" | grep 'servers/depth' | grep -q ' 1 '; }
until_ok is_mirrored

start_program readers "$BUILD/tests/e2e/readers" "$WORK/servers-node/run/weftd.sock" "$WORK/servers-two/run/weftd.sock" "$WORK" servers/depth "$COUNT" "$WORK/progress"
published() { [ "$(wc -l <"$WORK/progress")" -ge "$1" ]; } # so many twentieths
until_ok published 5
stop servers-node KILL
start servers-node
until_ok published 10
# What was sealed since the first kill opens with a key of the lease after it.
has_lease() { weft_at servers-node top --once --every 100ms --json | grep -q "\"reader\":\"servers/$1\""; }
until_ok test -e "$WORK/progress.asleep"
until_ok has_lease pausing
until_ok has_mirrored $((COUNT / 2))
stop servers-node KILL # and away until the reader that sleeps has read on from the mirror
: >"$WORK/progress.away"
until_ok test -e "$WORK/progress.mirrored"
start servers-node
until_ok published 14
until_ok weft_at servers-node product move depth --to node-2 -q
: >"$WORK/progress.moved"
ended=0
wait "$(cat "$WORK/readers.pid")" || ended=$?
rm "$WORK/readers.pid"
[ "$ended" -eq 0 ] || fail "status $ended (WEFT_SEED=$SEED)"
# A node that is killed loses nothing that it acknowledged, a move and a mirror neither.
[ "$(grep -c ', 0 named as lost' "$WORK/readers.log")" -eq 4 ] || fail "told as lost: $(cat "$WORK/readers.log")"
stop lossy
lost=$(tail -n 1 "$WORK/lossy.log")
[ "${lost%% *}" -gt 0 ] || fail "no frame was lost: $lost"
grep -q '[1-9][0-9]* from the mirror' "$WORK/readers.log" || fail "nobody read from the mirror: $(cat "$WORK/readers.log")"
grep -q ' [1-9][0-9]* gaps repaired' "$WORK/readers.log" || fail "nobody had to repair anything: $(cat "$WORK/readers.log")"
cat "$WORK/readers.log"
echo "$COUNT records, 2 kills of the node, a mirror, a new home, $lost (WEFT_SEED=$SEED)"
