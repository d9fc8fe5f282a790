#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A million records (WEFT_READ_RECORDS) to readers that are slow, pause, connect anew and lose one frame in a hundred, while the node is killed twice: everything once and
# in order, or named as lost.
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

make_mesh servers
printf 'advertise: %s:%s\n' "$HOST" "$port" >>"$WORK/servers-node/weftd.yaml"
stop servers-node
start servers-node
until_ok weft_at servers-node node status
(cd "$WORK" && "$WEFT" product new depth --kind event >/dev/null)
sed -i "s/domain: monitoring/domain: servers/; s/^freshness:.*/&\ndurability: process/" "$WORK/depth.yaml"
"$WEFT" product build "$WORK/depth.yaml" >/dev/null
weft_at servers-node product apply "$WORK/depth.yaml" >/dev/null
start_program lossy python3 "$(dirname "$0")/lossy.py" $HOST "$port" "$STREAMS" 100 "$SEED"
until_ok grep -q ready "$WORK/lossy.log"
for habit in steady slow pausing reconnecting; do make_reader servers-node $habit; done

start_program readers "$BUILD/tests/e2e/readers" "$WORK/servers-node/run/weftd.sock" "$WORK" servers/depth "$COUNT" "$WORK/progress"
published() { [ "$(wc -l <"$WORK/progress")" -ge "$1" ]; } # so many twentieths
for twentieths in 6 13; do
    until_ok published $twentieths
    stop servers-node KILL
    start servers-node
done
ended=0
wait "$(cat "$WORK/readers.pid")" || ended=$?
rm "$WORK/readers.pid"
[ "$ended" -eq 0 ] || fail "status $ended (WEFT_SEED=$SEED)"
stop lossy
lost=$(tail -n 1 "$WORK/lossy.log")
[ "${lost%% *}" -gt 0 ] || fail "no frame was lost: $lost"
grep -q ' [1-9][0-9]* gaps repaired' "$WORK/readers.log" || fail "nobody had to repair anything: $(cat "$WORK/readers.log")"
cat "$WORK/readers.log"
echo "$COUNT records, 2 kills of the node, $lost (WEFT_SEED=$SEED)"
