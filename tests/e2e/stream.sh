#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One product from publisher to subscriber: live as frames, once each over kill -9 of the signer and of the node while both go on, and
# nothing more after the grant was revoked.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

RECORDS=2000
values() { grep -o '"value":[0-9.]*' "$1" | sort -u | wc -l; }
lines() { wc -l <"$1"; }
has_lines() { [ "$(lines "$1")" -ge "$2" ]; }
child_of() { # PID NAME: the child process of that name
    tr ' ' '\n' <"/proc/$1/task/$1/children" | while read -r c; do
        [ "$(cat "/proc/$c/comm" 2>/dev/null)" != "$2" ] || echo "$c"
    done | grep .
}
signer_of() { child_of "$(child_of "$(cat "$WORK/$1.pid")" weftd-keeper)" weftd-signer; }
is_another() { now=$(signer_of servers-node) && [ "$now" != "$1" ]; }
issues() { weft_at servers-node ticket create --kind user --name "$1" >/dev/null && ! weft_at servers-node node status | grep -q 'signer'; }
is_live() { grep -q ': live' "$1"; }

make_mesh servers
(cd "$WORK" && "$WEFT" product new depth --kind event >/dev/null)
sed -i 's/domain: monitoring/domain: servers/' "$WORK/depth.yaml"
"$WEFT" product build "$WORK/depth.yaml" >/dev/null
weft_at servers-node product apply "$WORK/depth.yaml" >/dev/null
"$WEFT" join "$(weft_at servers-node ticket create --kind user --name reader)" --name reader --dir "$WORK/reader" >/dev/null

echo "live"
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --from latest --keep-trying >"$WORK/read" 2>"$WORK/read.log" &
reader=$!
until_ok is_live "$WORK/read.log"
i=0
while [ $i -lt $RECORDS ]; do
    i=$((i + 1))
    echo "{\"id\":\"a\",\"value\":$i}"
    [ $((i % 20)) -eq 0 ] && sleep 0.1
done | weft_at servers-node publish depth -q >"$WORK/publish.log" 2>&1 &
publisher=$!
until_ok has_lines "$WORK/read" 200

echo "kill -9 of the signer while both go on"
before=$(lines "$WORK/read")
signer=$(signer_of servers-node) || fail "no signer process"
kill -9 "$signer"
until_ok grep -q 'name="signer"' "$WORK/servers-node.log" # it says so
until_ok is_another "$signer"
until_ok issues reader-2
until_ok has_lines "$WORK/read" $((before + 100))

for k in 1 2 3; do
    echo "kill -9 number $k while both go on"
    before=$(lines "$WORK/read")
    stop servers-node KILL
    start servers-node
    until_ok has_lines "$WORK/read" $((before + 100))
done
wait $publisher || fail "publish"
until_ok has_lines "$WORK/read" $RECORDS
[ "$(values "$WORK/read")" -eq $RECORDS ] || fail "$(values "$WORK/read") of $RECORDS records arrived"
[ "$(lines "$WORK/read")" -eq $RECORDS ] || fail "records came twice"

echo "revoked"
token=$(weft_at servers-node access list -o json | grep -o '"id":"[0-9a-f]*"' | head -n 1 | cut -d'"' -f4)
sed -i '/^access:/,$d' "$WORK/depth.yaml" # no policy that grants it again
weft_at servers-node product apply "$WORK/depth.yaml" >/dev/null
ended=0
weft_at servers-node access revoke 00000000 2>"$WORK/err" || ended=$?
[ "$ended" = 1 ] || fail "an id that nothing has: $ended $(cat "$WORK/err")"
grep -q 'no id begins so' "$WORK/err" || fail "no reason: $(cat "$WORK/err")"
ended=0
weft_at servers-node access revoke "${token%"${token#???????}"}" 2>"$WORK/err" || ended=$?
[ "$ended" = 64 ] || fail "seven digits are too few: $ended"
weft_at servers-node access revoke "${token%"${token#????????}"}" >/dev/null 2>&1 || fail "eight digits of an id"
refused() { grep -q 'revoked' "$WORK/read.log"; }
echo '{"id":"after","value":1}' | weft_at servers-node publish depth -q
until_ok refused
grep -q after "$WORK/read" && fail "read after the revocation"
kill $reader
wait $reader 2>/dev/null || true
echo ok
