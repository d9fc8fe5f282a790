#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A product moves to another node of its domain while an agent says numbers and a reader takes them: what was acknowledged is known outside. Then the
# same with a kill -9 of a node on the way (WEFT_MOVE_KILLS times).
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

KILLS=${WEFT_MOVE_KILLS:-3}
node_dir() { [ "$1" = node-2 ] && echo servers-two || echo servers-three; }
lives_on() { head_beyond "$(node_dir "$1")" depth -1; }
move_to() { # NODE [OPTION...]
    to=$1
    shift
    timeout 100 "$WEFT" product move depth --to "$to" -q --dir "$WORK/servers-node" "$@" >"$WORK/out" 2>"$WORK/err"
}

make_mesh servers
second_node servers-two node-2
second_node servers-three node-3
make_event servers-two depth servers
until_ok weft_at servers-node describe servers/depth
make_reader servers-node reader
make_agent web-1 "$(weft_at servers-node ticket create --kind agent --name web-1)" 'sources: {enabled: off}'
{
    echo "uplinks:"
    for at in servers-two servers-three; do echo "  - {address: '127.0.0.1:$(port_of $at)', key: $(key_of $at)}"; done
} >>"$WORK/web-1/weftd.yaml"
start web-1
until_ok has_manifest web-1 depth

# Numbers into the agent until told to end; each that was acknowledged stands in the ledger. The reader takes all of them, from one cursor.
talk() {
    n=0
    while [ ! -e "$WORK/hush" ]; do
        n=$((n + 1))
        echo "{\"id\":\"a\",\"value\":$n}" | timeout 60 "$WEFT" publish depth --wait -q --dir "$WORK/web-1" 2>>"$WORK/talk.log" || exit 1
        echo "$n" >>"$WORK/ledger"
    done
}
talk &
talker=$!
said() { [ "$(wc -l <"$WORK/ledger")" -ge "$1" ]; }
start_program reader "$WEFT" subscribe servers/depth --dir "$WORK/reader" --from earliest -o jsonl --stats --for 600s
until_ok said 10

echo "a planned move, under load"
move_to node-3 || fail "move: $(cat "$WORK/err")"
grep -q node-3 "$WORK/out" || fail "no row: $(cat "$WORK/out")"
lives_on node-3 || fail "not there"
! lives_on node-2 2>/dev/null || fail "the old home shows it still"
move_to node-3 || fail "repeated: $(cat "$WORK/err")"

echo "what it cannot do, it says"
for row in "node-9|no such node" "node-3 --lost|add --yes"; do
    got=0
    # shellcheck disable=SC2086 # a node and options
    move_to ${row%%|*} || got=$?
    if [ "$got" -eq 0 ] || ! grep -q "${row##*|}" "$WORK/err"; then fail "$row: $got $(cat "$WORK/err")"; fi
done
got=0
timeout 60 "$WEFT" product move depth --to node-2 --dir "$WORK/servers-three" >/dev/null 2>"$WORK/err" || got=$?
if [ "$got" -ne 77 ] || ! grep -q 'issuer: true' "$WORK/err"; then fail "not the issuer's node: $got $(cat "$WORK/err")"; fi

echo "back and forth, $KILLS times with a kill -9 on the way"
to=node-2
k=0
while [ "$k" -lt "$KILLS" ]; do
    case $((k % 3)) in 0) victim=servers-two ;; 1) victim=servers-three ;; *) victim=servers-node ;; esac
    move_to "$to" &
    mover=$!
    sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
    { stop "$victim" KILL; } 2>/dev/null
    start "$victim"
    wait "$mover" || true
    until_ok weft_at "$victim" node status
    until_ok move_to "$to"
    lives_on "$to" || fail "move $k: not on $to"
    [ "$to" = node-2 ] && to=node-3 || to=node-2
    k=$((k + 1))
done
touch "$WORK/hush"
wait "$talker" || fail "a number was not acknowledged: $(tail -n 3 "$WORK/talk.log")"
until_ok spool_is_empty web-1
total=$(wc -l <"$WORK/ledger")
all_read() { [ "$(numbers "$WORK/reader.log" | wc -w)" -ge "$total" ]; }
until_ok all_read
stop reader INT
[ "$(numbers "$WORK/reader.log")" = "$(tr '\n' ' ' <"$WORK/ledger")" ] || fail "not what was acknowledged: $(numbers "$WORK/reader.log" | tr ' ' '\n' | diff - "$WORK/ledger" | head -n 20)"
echo "acknowledged $total, read $total in order; 0 lost, 0 twice"
echo ok
