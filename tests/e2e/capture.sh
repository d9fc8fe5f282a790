#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# capture.sh BUILD: all loopback traffic of a run shaped like the quickstart (tickets, an agent, a monitor, metrics, an inventory, an API, a grant
# and its revocation) holds no plaintext of a record, no product name, private key, epoch key, token or ticket secret: as they are, in hex or in
# base64, whole or in part. That the search can find something is shown three ways: what was planted in the same capture is found; the epoch keys
# that a reader got open the captured frames; and what comes out of them is found by the same search.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
OWN_NET=${OWN_NET:-yes}
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
PATH="$BUILD/domains/network:$PATH"

WIRE="$(dirname "$0")/wire.py"
EPOCHS="$BUILD/tests/e2e/epochs"
RECORD=quartz-$RANDOM$RANDOM$RANDOM NOTE=basalt-$RANDOM$RANDOM$RANDOM PLANTED=gravel-$RANDOM$RANDOM$RANDOM
tickets=()
new_ticket() { # NODE ARGUMENTS...
    ticket=$(weft_at "$1" ticket create "${@:2}")
    tickets+=("$ticket")
}
# Not /metrics: it names products, to whoever may ask on loopback. In two segments, so that only a search through streams finds it.
plant() { # AS: the marker in a plain request that the node answers on loopback
    python3 - "$1" <<EOF
import base64, socket, sys
m = b"$PLANTED"
text = {"raw": m, "hex": m.hex().encode(), "base64": base64.urlsafe_b64encode(m)}[sys.argv[1]]
s = socket.create_connection(("127.0.0.1", 7480))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
s.sendall(b"GET /healthz?" + text[:8])
s.sendall(text[8:] + b" HTTP/1.1\\r\\nHost: node\\r\\nConnection: close\\r\\n\\r\\n")
assert s.recv(12) == b"HTTP/1.1 200"
EOF
}
lists() { weft_at monitoring-node products -q | grep -q "^$1 "; }
monitor_has() { monitor_value watch "SELECT count(*) AS v FROM network_tidegauge WHERE id LIKE '%$1'" | grep -qvx 0; }
agent_is() { weft_at network-node agent list | grep -q "^$1 *$2 "; }
has_keys() { [ "$(sort -u "$WORK/keys.log" | grep -cE '^[0-9a-f]{64}$')" -ge "$1" ]; }

python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)' 2>/dev/null || skip "no packet sockets here"
start_program capture python3 "$WIRE" capture "$WORK/capture"
until_ok grep -q capturing "$WORK/capture.log"

echo "the run"
make_domains network=127.0.0.1:7400 monitoring=127.0.0.1:7500
sed -i 's/^http:.*/http: "127.0.0.1:7480"/' "$WORK/network-node/weftd.yaml"
start network-node
start monitoring-node
until_ok weft_at network-node node status
until_ok weft_at monitoring-node node status
plant raw
new_ticket network-node --kind agent --name web-1
make_agent web-1 "$ticket"
start web-1
until_ok agent_is web-1 up
make_event network-node tidegauge
allow tidegauge monitoring "subscribe, replay"
weft_at network-node product apply "$WORK/tidegauge.yaml" "$SHARE"/products/network/{interfaces,port-inventory,ports}.yaml >/dev/null
until_ok lists network/ports
for who in watch keys; do
    new_ticket monitoring-node --kind service --name $who
    "$WEFT" join "$ticket" --name $who --dir "$WORK/$who" >/dev/null
done
start_program keys "$EPOCHS" keys "$WORK/keys" network/tidegauge
until_ok has_keys 1
start_monitor watch
until_ok monitor_value watch "SELECT count(*) AS v FROM network_tidegauge"
publish() { for i in 1 2 3 4 5; do echo "{\"id\":\"$RECORD\",\"value\":$i}" | weft_at web-1 publish tidegauge --wait -q; done; }
until_ok publish
until_ok monitor_has "$RECORD"
"$WEFT" describe network/interfaces --dir "$WORK/watch" >/dev/null
holder=$("$WEFT" key show --dir "$WORK/watch" -o json | sed 's/.*"identity":"\([^"]*\)".*/\1/')
weft_at network-node access grant ports --to "$holder" --verb 'call:*' --for 1h --out "$WORK/ports.cap" >/dev/null
"$WEFT" access import "$WORK/ports.cap" --dir "$WORK/watch" >/dev/null
"$WEFT" call network/ports/SetNote "{\"name\":\"lo\",\"note\":\"$NOTE\"}" --dir "$WORK/watch" >/dev/null
noted() { "$WEFT" query network/port-inventory "SELECT note FROM port_inventory" --dir "$WORK/watch" --partial-ok -q -o jsonl | grep -q "$NOTE"; }
until_ok noted
weft_at network-node access revoke --holder "$holder" >/dev/null # rotates the epoch of every product
until_ok has_keys 2
echo "{\"id\":\"$RECORD\",\"value\":9}" | weft_at web-1 publish tidegauge --wait -q
plant hex
plant base64
sleep 1 # the last frames, under the new key
stop keys
stop monitor-watch
stop capture

echo "secrets that this test holds"
{
    echo "record text $RECORD"
    echo "note text $NOTE"
    for name in tidegauge port-inventory network/ports; do echo "product text $name"; done
    for t in "${tickets[@]}"; do echo "ticket printed $t"; done
    grep -ho 'weftcap1[a-z0-9]*' "$WORK"/*/tokens/* "$WORK/ports.cap" | sort -u | sed 's/^/token printed /'
    find "$WORK" -name '*.key' -size -2k | sed 's/^/private-key file /'
    sort -u "$WORK/keys.log" | grep -E '^[0-9a-f]{64}$' | sed 's/^/epoch-key hex /'
} >"$WORK/secrets"
for kind in "record 1" "note 1" "product 3" "ticket 3" "token 3" "private-key 6" "epoch-key 2"; do
    [ "$(grep -c "^${kind% *} " "$WORK/secrets")" -ge "${kind#* }" ] || fail "too few of $kind: $(cut -c1-60 "$WORK/secrets")"
done

echo "the search finds what was planted"
echo "planted text $PLANTED" >"$WORK/planted"
python3 "$WIRE" scan "$WORK/capture" "$WORK/planted" >"$WORK/found" && fail "nothing found"
for form in raw hex base64; do grep -q "^planted $form " "$WORK/found" || fail "not found as $form: $(cat "$WORK/found")"; done

echo "the keys open the frames, and the search finds the records in them"
python3 "$WIRE" streams "$WORK/capture" "$WORK/streams"
sort -u "$WORK/keys.log" | grep -E '^[0-9a-f]{64}$' >"$WORK/keys.hex"
opened=0
for stream in "$WORK"/streams/*; do
    "$EPOCHS" open "$WORK/keys.hex" "$stream" >>"$WORK/opened" 2>"$WORK/opened.err" || fail "epochs open: $(cat "$WORK/opened.err")"
    opened=$((opened + $(sed 's/ .*//' "$WORK/opened.err")))
done
[ "$opened" -ge 6 ] || fail "only $opened frames opened: $(cat "$WORK/opened.err")"
[ "$(grep -aoc "$RECORD" "$WORK/opened")" -ge 1 ] || fail "the opened frames do not show the record"

echo "the search finds no secret"
if ! python3 "$WIRE" scan "$WORK/capture" "$WORK/secrets" >"$WORK/found" 2>"$WORK/scanned"; then
    fail "in the clear: $(cat "$WORK/found" "$WORK/scanned")"
fi
echo "$(cat "$WORK/scanned"); $(wc -l <"$WORK/secrets") secrets, none found; $opened frames opened with the readers' keys"
