#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A disk that fills up, as node and as agent: publishers are told and keep their records, the status says so, nothing that was acknowledged
# is lost, and all goes on by itself when there is room again; a start without room says so and changes nothing. The disk is a small
# tmpfs in a mount namespace of this test alone.
# shellcheck disable=SC2034 # for lib.sh
OWN_MOUNTS=${OWN_MOUNTS:-yes}
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

make_disk() { # NAME: its state on 16 MiB of its own
    mkdir -p "$WORK/$1"
    mount -t tmpfs -o size=16m,mode=700 none "$WORK/$1" || exit 77
}
fill() { # NAME KIB-LEFT
    left=$(df --output=avail -k "$WORK/$1" | tail -n 1)
    dd if=/dev/zero of="$WORK/$1/fill" bs=1k count=$((left - $2)) 2>/dev/null
}
at_finish() { umount "$WORK/servers-node" "$WORK/web-1" 2>/dev/null || true; }
empty() { rm "$WORK/$1/fill"; }
records() { seq "$1" "$2" | sed 's/.*/{"id":"a","value":&}/'; }
status_says() { weft_at "$1" node status | grep -q "$2"; }
silent() { ! status_says "$1" "$2"; }

make_disk servers-node
make_mesh servers
(cd "$WORK" && "$WEFT" product new depth --kind event >/dev/null)
sed -i 's/domain: monitoring/domain: servers/' "$WORK/depth.yaml"
"$WEFT" product build "$WORK/depth.yaml" >/dev/null 2>&1
weft_at servers-node product apply "$WORK/depth.yaml" >/dev/null
"$WEFT" join "$(weft_at servers-node ticket create --kind user --name reader)" --dir "$WORK/reader" >/dev/null
make_disk web-1
make_agent web-1 "$(weft_at servers-node ticket create --kind agent --name web-1)"
start web-1
until_ok weft_at web-1 publish depth --wait -q </dev/null

past() { [ "$(date +%s%N)" -gt "$1" ]; }
on_full_disk() { # NAME FIRST: publishes FIRST.. to FIRST+19 through NAME, whose disk is full from the 11th on and then is not
    records "$2" $(($2 + 9)) | weft_at "$1" publish depth --wait -q || fail "$1: publish with room"
    fill "$1" 400
    until_ok past $(($(date +%s%N) + 150000000)) # what a log knows of its disk's room may be 100 ms old
    records $(($2 + 10)) $(($2 + 19)) | timeout 60 "$WEFT" publish depth --wait -q --dir "$WORK/$1" 2>"$WORK/waiting.log" &
    waiting=$!
    until_ok status_says "$1" "disk: the disk of .* is nearly full: records are refused until 5 % of it is free"
    kill -0 $waiting 2>/dev/null || fail "$1: the publisher did not wait: $(cat "$WORK/waiting.log")"
    empty "$1"
    wait $waiting || fail "$1: what waited was not published: $(cat "$WORK/waiting.log")"
    until_ok silent "$1" "disk: "
}
echo "a node's disk"
on_full_disk servers-node 1
echo "an agent's disk"
on_full_disk web-1 21

echo "a publisher with a deadline is told why"
records 41 41 | weft_at servers-node publish depth --wait -q || fail "publish"
fill servers-node 400
until_ok past $(($(date +%s%N) + 150000000))
got=0
records 42 42 | weft_at servers-node publish depth 2>"$WORK/told.log" || got=$?
[ "$got" -eq 75 ] || fail "status $got, not 75: $(cat "$WORK/told.log")"
grep -q '1 records were not acknowledged in 10000 ms: no space left' "$WORK/told.log" || fail "$(cat "$WORK/told.log")"

echo "a start on a full disk"
stop servers-node KILL
rm -f "$WORK/servers-node/fill"
fill servers-node 0
kept() { # keys, charters, documents, manifests, logs; a database may fold its journal in
    find "$WORK/servers-node/data" -type f ! -name '*.db*' ! -name lock -print0 | sort -z | xargs -0 sha256sum
}
kept >"$WORK/before"
got=0
(cd "$WORK/servers-node" && "$WEFTD" -c weftd.yaml >"$WORK/start.log" 2>&1) || got=$?
[ "$got" -eq 69 ] || fail "status $got, not 69: $(cat "$WORK/start.log")"
grep -q 'no space left' "$WORK/start.log" || fail "$(cat "$WORK/start.log")"
grep -q 'make room on that disk and start again' "$WORK/start.log" || fail "$(cat "$WORK/start.log")"
kept >"$WORK/after"
diff "$WORK/before" "$WORK/after" >"$WORK/changed" || fail "the refused start changed something: $(cat "$WORK/changed")"
empty servers-node
start servers-node
until_ok weft_at servers-node node status

echo "every acknowledged record is there, once and in order"
records 43 50 | weft_at servers-node publish depth --wait -q || fail "publish after the start"
until_ok head_beyond servers-node depth 48
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --from earliest -n 49 --for 60s >"$WORK/read" 2>"$WORK/read.log" || fail "subscribe"
wanted=$(seq 50 | grep -vx 42 | tr '\n' ' ')
[ "$(grep -o '"value":[0-9]*' "$WORK/read" | cut -d: -f2 | tr '\n' ' ')" = "$wanted" ] ||
    fail "not $wanted but $(grep -o '"value":[0-9]*' "$WORK/read" | cut -d: -f2 | tr '\n' ' ')"
echo ok
