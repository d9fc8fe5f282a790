#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A product that says `when_full: drop`: its node stands still while a publisher writes more than its queue holds. The publisher never waits, and counts
# what it drops; the reader gets every other record once and in order, and the dropped ones as a signed loss: published = delivered + named.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

N=${WEFT_DROP_RECORDS:-6000} # of 2 KiB: half as many again as the queue of 8 MiB holds
make_mesh servers
(cd "$WORK" && "$WEFT" product new depth --kind event >/dev/null)
sed -i 's/domain: monitoring/domain: servers/; s/^kind: event/kind: event\nwhen_full: drop/' "$WORK/depth.yaml"
"$WEFT" product build "$WORK/depth.yaml" >/dev/null
weft_at servers-node product apply "$WORK/depth.yaml" >/dev/null || fail "apply"
for who in live later; do make_reader servers-node $who; done
pad=$(head -c 2000 /dev/zero | tr '\0' x)

echo "$N records to a node that stands still for as long as they are written"
mkfifo "$WORK/records"
node=$(cat "$WORK/servers-node.pid")
weft_at servers-node publish depth --wait <"$WORK/records" >"$WORK/publish.log" 2>&1 &
publisher=$!
exec 3>"$WORK/records"
echo "{\"id\":\"$pad\",\"value\":1}" >&3
until_ok head_beyond servers-node depth 0
kill -STOP "$node"
timeout 60 seq 2 $((N - 1)) | sed "s/.*/{\"id\":\"$pad\",\"value\":&}/" >&3 || { kill -CONT "$node"; fail "the publisher waited"; }
kill -CONT "$node"
until_ok head_beyond servers-node depth $((N / 2))
echo "{\"id\":\"$pad\",\"value\":$N}" >&3
exec 3>&-
wait $publisher || fail "publish: $(cat "$WORK/publish.log")"
dropped=$(sed -n 's/^\([0-9]*\) records dropped.*/\1/p' "$WORK/publish.log")
[ "${dropped:-0}" -gt 0 ] || fail "nothing was dropped: $(cat "$WORK/publish.log")"
[ "$(head_of servers-node depth)" -eq "$N" ] || fail "head $(head_of servers-node depth) of $N"

echo "what was dropped is named, with exact numbers, and nothing else is missing"
read_on live depth $((N - dropped)) --from earliest
[ "$(stat_of lost_records)" -eq "$dropped" ] || fail "$dropped dropped, $(stat_of lost_records) named: $(cat "$WORK/read.err")"
named=$(sed -n 's/.*"schema":"weft.loss.*"origin":"node-1".*"from_seq":\([0-9]*\),"to_seq":\([0-9]*\),"code":"LOST".*/\2 \1/p' "$WORK/read" | awk '{ n += $1 - $2 } END { print n + 0 }')
[ "$named" -eq "$dropped" ] || fail "$named in lines of loss: $(grep weft.loss "$WORK/read")"
numbers "$WORK/read" | tr ' ' '\n' | grep . >"$WORK/values"
[ "$(wc -l <"$WORK/values")" -eq $((N - dropped)) ] || fail "$(wc -l <"$WORK/values") delivered of $N, $dropped dropped"
sort -nu "$WORK/values" | cmp -s - "$WORK/values" || fail "not once, or not in order"
[ "$(tail -n 1 "$WORK/values")" -eq "$N" ] || fail "what came after the drop is missing: $(tail -n 1 "$WORK/values")"
echo "published $N = delivered $(wc -l <"$WORK/values") + named as lost $named"
