#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An agent's certificate over its life: left alone in its first third, renewed over the uplink after it, renewed also when it has run out while
# nobody answered, and not any more when its key was revoked or it ran out too long ago.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

DAY=86400
dated() { # FROM-DAYS UNTIL-DAYS: the stopped agent's certificate
    "$BUILD/tests/e2e/old_chain" "$WORK/servers-root" "$WORK/servers-node/data" "$WORK/web-1/data" $(($1 * DAY)) $(($2 * DAY)) || fail "old_chain"
    : >"$WORK/web-1.log"
}
days_left() { # rounded; -1 without a valid certificate
    until=$(weft_at web-1 node status -o json | sed 's/.*"certificate_expires_ms":\([0-9]*\).*/\1/')
    [ "$until" -gt "$(date +%s)000" ] && echo $(((until / 1000 - $(date +%s) + DAY / 2) / DAY)) || echo -1
}
has_days() { [ "$(days_left)" -eq "$1" ]; }
agent_is() { weft_at servers-node agent list | grep -q "^web-1 *$1 "; }
say_one() { echo "{\"id\":\"a\",\"value\":$1}" | timeout 60 "$WEFT" publish depth --wait -q --dir "$WORK/web-1"; }
alarm() { weft_at web-1 node status | grep -q "$1"; }

make_mesh servers
(cd "$WORK" && "$WEFT" product new depth --kind event >/dev/null)
sed -i 's/domain: monitoring/domain: servers/' "$WORK/depth.yaml"
"$WEFT" product build "$WORK/depth.yaml" >/dev/null 2>&1
weft_at servers-node product apply "$WORK/depth.yaml" >/dev/null
make_agent web-1 "$(weft_at servers-node ticket create --kind agent --name web-1)"
start web-1
until_ok weft_at web-1 publish depth --wait -q </dev/null
stop web-1

echo "in the first third of its life it is left alone"
dated -1 6
start web-1
until_ok agent_is up
say_one 1 || fail "publish"
until_ok head_beyond servers-node depth 0
has_days 6 || fail "$(days_left) days left"
if grep -q 'certificate renewed' "$WORK/web-1.log"; then fail "renewed too early"; fi
stop web-1

echo "after it, it is renewed over the uplink, and batches of both certificates count"
dated -3 4
start web-1
until_ok has_days 7
grep -q 'certificate renewed' "$WORK/web-1.log" || fail "not renewed"
say_one 2 || fail "publish"
until_ok head_beyond servers-node depth 1
stop web-1

echo "run out while its node was down: publishers wait, then it renews and all goes on"
dated -10 -1
stop servers-node
start web-1
until_ok alarm "certificate: this agent's certificate has expired; only renewal is possible"
say_one 3 2>"$WORK/waiting.log" &
waiting=$!
start servers-node
until_ok has_days 7
wait $waiting || fail "what waited: $(cat "$WORK/waiting.log")"
until_ok head_beyond servers-node depth 2
if alarm certificate:; then fail "the alarm stays"; fi
stop web-1

echo "run out more than 30 days ago: it does not start, and is told to join again"
cp "$WORK/web-1/data/identity/chain" "$WORK/chain"
dated -60 -31
got=0
(cd "$WORK/web-1" && timeout 60 "$WEFTD" -c weftd.yaml >"$WORK/out" 2>&1) || got=$?
[ "$got" -eq 77 ] || fail "status $got: $(cat "$WORK/out")"
grep -q 'identity/chain: expired' "$WORK/out" || fail "$(cat "$WORK/out")"
grep -q 'join again with a new ticket' "$WORK/out" || fail "$(cat "$WORK/out")"
cp "$WORK/chain" "$WORK/web-1/data/identity/chain"

echo "revoked: no renewal, whatever the certificate says"
weft_at servers-node agent revoke web-1 >/dev/null 2>&1 || fail "revoke"
dated -10 -1
start web-1
until_ok alarm 'ALARMS'
until_ok grep -qE 'name="(renewal|uplink)"' "$WORK/web-1.log"
grep -E 'name="(renewal|uplink)"' "$WORK/web-1.log" | grep -q revoked || fail "$(grep alarm "$WORK/web-1.log")"
has_days -1 || fail "a revoked agent has a certificate for $(days_left) days"
stop web-1
echo ok
