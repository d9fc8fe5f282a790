#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# States of the machine that pass: no file descriptor left, a disk that can only be read. weft node status says which and what to do, publishers
# keep their records, and everything goes on by itself when the state is over. The disk is a tmpfs in a mount namespace of this test.
# shellcheck disable=SC2034,SC2015 # for lib.sh; failing is what the last branch is for
OWN_MOUNTS=${OWN_MOUNTS:-yes}
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
command -v prlimit >/dev/null || skip "no prlimit here"

mkdir -p "$WORK/servers-node"
mount -t tmpfs -o size=64m,mode=700 none "$WORK/servers-node" || skip "no tmpfs may be mounted here"
at_finish() { umount "$WORK/servers-node" 2>/dev/null || true; }
make_mesh servers
make_event servers-node depth
make_reader servers-node reader
until_ok has_manifest servers-node depth
pid=$(cat "$WORK/servers-node.pid")
status_says() { weft_at servers-node node status | grep -q "$1"; }
silent() { weft_at servers-node node status >"$WORK/status" && ! grep -q "$1" "$WORK/status"; }
say servers-node depth 1 10

echo "no file descriptor left: connections fill what there is"
port=$(port_of servers-node)
open=$(find "/proc/$pid/fd" | wc -l)
soft=$(prlimit --pid "$pid" --nofile --noheadings --output SOFT | tr -d ' ')
prlimit --pid "$pid" --nofile="$((open + 12)):" || skip "no limit may be set here"
python3 -B -c 'import socket, sys, time
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(40)]
open(sys.argv[2], "w").close()
time.sleep(60)' "$port" "$WORK/held" &
echo $! >"$WORK/crowd.pid"
until_ok test -e "$WORK/held"
until_ok status_says 'descriptors: [0-9]* of [0-9]* file descriptors are in use.*raise LimitNOFILE='
say servers-node depth 11 20 # who has its line goes on: the log has its file
echo "they go, and nobody restarts anything"
kill "$(cat "$WORK/crowd.pid")" && rm "$WORK/crowd.pid"
prlimit --pid "$pid" --nofile="$soft:"
until_ok silent 'descriptors: '
say servers-node depth 21 30

# Laid over the disk: nothing can be opened for writing any more, as after the errors of a real one.
read_only() { mount --bind "$WORK/servers-node" "$WORK/servers-node" && mount -o remount,bind,ro "$WORK/servers-node"; }
writable() { umount "$WORK/servers-node"; }

echo "a disk that can only be read: a publisher waits, and goes on"
read_only || skip "no read-only bind mounts here"
until_ok status_says 'disk: the disk of .* can only be read: records are refused until it can be written again.*remount,rw'
seq 31 40 | sed 's/.*/{"id":"a","value":&}/' | timeout 60 "$WEFT" publish depth --wait -q --dir "$WORK/servers-node" 2>"$WORK/waiting.log" &
waiting=$!
sleep 0.5
kill -0 $waiting 2>/dev/null || fail "the publisher did not wait: $(cat "$WORK/waiting.log")"
writable
wait $waiting || fail "what waited was not published: $(cat "$WORK/waiting.log")"
until_ok silent 'disk: '

echo "a start on it says so and what to do"
stop servers-node
read_only
got=0
(cd "$WORK/servers-node" && "$WEFTD" -c weftd.yaml >"$WORK/start.log" 2>&1) || got=$?
[ "$got" -eq 69 ] || fail "status $got, not 69: $(cat "$WORK/start.log")"
grep -qi 'read-only' "$WORK/start.log" && grep -q 'remount,rw' "$WORK/start.log" || fail "$(cat "$WORK/start.log")"
writable
start servers-node
until_ok weft_at servers-node node status

echo "every acknowledged record is there, once and in order"
say servers-node depth 41 50
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --from earliest -n 50 --for 60s >"$WORK/read" 2>"$WORK/read.log" || fail "subscribe"
[ "$(numbers "$WORK/read")" = "$(seq 50 | tr '\n' ' ')" ] || fail "not 1 to 50 but $(numbers "$WORK/read")"
echo ok
