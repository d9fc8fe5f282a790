#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An agent joins by itself from a ticket file, pulls its manifest, runs the source and delivers; it listens on nothing; what it says while its
# node is down arrives later; tickets that do not fit are refused with the reason; a revoked host is shut out.
# shellcheck disable=SC2034 source=/dev/null
BUILD=$1
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"

agent_is() { weft_at servers-node agent list | grep -q "^$1 *$2 "; }

make_mesh servers
short=$(weft_at servers-node ticket create --kind agent --for 1s) # for later, when it has run out
short_until=$(($(date +%s) + 1))
make_agent web-1 "$(weft_at servers-node ticket create --kind agent --name web-1)"
start web-1
until_ok agent_is web-1 up
[ -e "$WORK/web-1/ticket" ] && fail "the used ticket is still there"

echo "manifest, source, records"
weft_at servers-node product apply "$SHARE/products/servers/memory.yaml" >/dev/null
until_ok head_beyond servers-node memory 2

echo "no listening socket but the local one"
if ss -ltnp 2>/dev/null | grep "pid=$(cat "$WORK/web-1.pid"),"; then fail "the agent listens on TCP"; fi

echo "what is said while the node is down arrives later, once each and in order"
(cd "$WORK" && "$WEFT" product new depth --kind event >/dev/null)
sed -i 's/domain: monitoring/domain: servers/' "$WORK/depth.yaml"
"$WEFT" product build "$WORK/depth.yaml" >/dev/null
weft_at servers-node product apply "$WORK/depth.yaml" >/dev/null
"$WEFT" join "$(weft_at servers-node ticket create --kind user --name reader)" --dir "$WORK/reader" >/dev/null
until_ok has_manifest web-1 depth
say web-1 depth 1 20
until_ok head_beyond servers-node depth 19
before=$(head_of servers-node memory)
stop servers-node
say web-1 depth 21 40
stop web-1 KILL
start web-1
until_ok has_manifest web-1 depth
say web-1 depth 41 60
start servers-node
until_ok weft_at servers-node node status
say web-1 depth 61 80
until_ok head_beyond servers-node depth 79
until_ok head_beyond servers-node memory "$before"
until_ok agent_is web-1 up
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --from earliest -n 80 --for 60s >"$WORK/read" 2>"$WORK/read.log" || fail "subscribe"
[ "$(grep -o '"value":[0-9]*' "$WORK/read" | cut -d: -f2 | tr '\n' ' ')" = "$(seq 80 | tr '\n' ' ')" ] ||
    fail "not 1 to 80 in order: $(grep -o '"value":[0-9]*' "$WORK/read" | cut -d: -f2 | tr '\n' ' ')"
[ "$(head_of servers-node depth)" -eq 80 ] || fail "more than 80 records: $(head_of servers-node depth)"

echo "tickets that do not fit"
refused() { # REASON COMMAND...
    reason=$1
    shift
    if "$@" >"$WORK/out" 2>&1; then fail "accepted: $*"; fi
    grep -q "$reason" "$WORK/out" || fail "not \"$reason\" but: $(cat "$WORK/out")"
}
used=$(weft_at servers-node ticket create --kind agent --uses 1)
"$WEFT" join "$used" --name first --dir "$WORK/first" >/dev/null || fail "the first use"
refused "used up" "$WEFT" join "$used" --name second --dir "$WORK/second"
weft_at servers-node access list --refused -o jsonl | grep '"refused":"newcomer","what":"join as second: the ticket.s 1 uses are spent","code":"TICKET_USED"' | grep -q '"from":"127.0.0.1' ||
    fail "the owner does not see who came with a used ticket: $(weft_at servers-node access list --refused)"
prefix=$(weft_at servers-node ticket create --kind agent --uses 2 --name-prefix web-)
refused "begin with" "$WEFT" join "$prefix" --name db-1 --dir "$WORK/db-1"
foreign=$(weft_at servers-node ticket create --kind agent --from 192.0.2.0/24)
refused "bad ticket" "$WEFT" join "$foreign" --name web-2 --dir "$WORK/web-2"
is_past() { [ "$(date +%s)" -gt "$1" ]; }
until_ok is_past "$short_until"
refused "expired" "$WEFT" join "$short" --name web-3 --dir "$WORK/web-3"
mistyped=$(printf '%s' "$used" | sed 's/q$/p/;t;s/.$/q/') # another letter, whatever the last one is
refused "no whole ticket" "$WEFT" join "$mistyped" --name web-4 --dir "$WORK/web-4"

echo "two machines with one key"
make_agent twin "$(weft_at servers-node ticket create --kind agent --name twin)"
start twin
until_ok agent_is twin up
stop twin
cp -r "$WORK/twin" "$WORK/copy"
sed -i 's/^ticket:.*//' "$WORK/twin/weftd.yaml" "$WORK/copy/weftd.yaml"
start twin
start copy
until_ok agent_is twin cloned
weft_at servers-node node status | grep -q 'cloned-twin: .*weft agent replace twin' || fail "no alarm that says what to do"
twin_knows() { weft_at twin node status | grep -q 'the owner says which keeps the name: weft agent replace twin$'; }
until_ok twin_knows
weft_at servers-node agent list -o json | grep -q '"agent":"twin".*"why":"two machines use the key of twin, at 127.0.0.1:[0-9]* and at 127.0.0.1:[0-9]*"' ||
    fail "no reason: $(weft_at servers-node agent list -o json)"
make_agent twin-3 "$(weft_at servers-node agent replace twin 2>/dev/null)"
start twin-3
until_ok agent_is twin up
weft_at servers-node node status | grep -q cloned-twin && fail "the alarm stays"
until_ok grep -q revoked "$WORK/twin.log"
until_ok grep -q revoked "$WORK/copy.log"
agent_is twin up || fail "a clone took the row back"
stop twin
stop copy
stop twin-3

echo "revoked: the session ends, later batches are refused and reported, earlier records still prove"
auditor=$(weft_at servers-node ticket create --kind user --name auditor)
"$WEFT" join "$auditor" --name auditor --dir "$WORK/auditor" >/dev/null
weft_at servers-node access grant memory --to "$("$WEFT" key show --dir "$WORK/auditor" -o json | grep -o 'weftid1[a-z0-9]*')" --verb subscribe \
    --out "$WORK/memory.cap" >/dev/null 2>&1 || fail "grant"
"$WEFT" access import "$WORK/memory.cap" --dir "$WORK/auditor" >/dev/null
weft_at servers-node agent revoke web-1 -o json >"$WORK/decision" 2>/dev/null || fail "revoke"
grep -qx '{"schema":"weft.agent-decision/v1","decision":"revoked","agent":"web-1"}' "$WORK/decision" || fail "$(cat "$WORK/decision")"
agent_is web-1 revoked || fail "not shown as revoked"
weft_at servers-node agent list -o json | grep -q '"agent":"web-1".*"revoked":"20[0-9-]*T[0-9:.]*Z"' || fail "no time of the revocation"
weft_at servers-node agent show web-1 | grep -q '^revoked *from .* ago' || fail "no time in show"
head=$(head_of servers-node memory)
until_ok grep -q "revoked" "$WORK/web-1.log"
told_what_to_do() { weft_at web-1 node status | grep -q '^ALARMS .*is revoked.* weft agent replace'; }
until_ok told_what_to_do
until_ok grep -q 'msg="refused" .*who="servers/web-1" .*result="REVOKED"' "$WORK/servers-node.log"
weft_at servers-node access list | grep -q '^servers/web-1 .*REVOKED' || fail "the list does not show whom it refuses"
[ "$(head_of servers-node memory)" -le "$((head + 1))" ] || fail "a revoked agent still delivers"
"$WEFT" subscribe servers/memory --dir "$WORK/auditor" --from earliest -n 3 --for 60s -o jsonl >"$WORK/out" 2>"$WORK/err" ||
    fail "what was said before the revocation: $(cat "$WORK/err")"
[ "$(wc -l <"$WORK/out")" = 3 ] || fail "three records of before"

echo "the host comes back under its name with a new key; the old key stays out"
make_agent web-1b "$(weft_at servers-node ticket create --kind agent --name web-1)"
start web-1b
until_ok agent_is web-1 up
until_ok head_beyond servers-node memory "$((head + 1))"
weft_at servers-node agent list -o json | grep -q '"agent":"web-1".*"revoked":null' || fail "the new key is shown as revoked"
agent_is web-1 up || fail "the old key took the row back"

echo "replaced: the old machine delivers until the new one joins, under one name"
ticket=$(weft_at servers-node agent replace web-1 2>"$WORK/told")
grep -q "goes on until the new machine joins" "$WORK/told" || fail "not told: $(cat "$WORK/told")"
until_ok has_manifest web-1b depth
say web-1b depth 81 90
until_ok head_beyond servers-node depth 89
make_agent web-1c "$ticket"
start web-1c
until_ok grep -q "revoked" "$WORK/web-1b.log"
until_ok has_manifest web-1c depth
say web-1c depth 91 100
until_ok head_beyond servers-node depth 99
weft_at servers-node agent show web-1 | grep -q '^replaced .* 0 records waited there' || fail "not shown: $(weft_at servers-node agent show web-1)"
"$WEFT" subscribe servers/depth --dir "$WORK/reader" --from earliest -n 100 --for 60s -o jsonl >"$WORK/read" 2>"$WORK/read.log" || fail "subscribe"
[ "$(grep -o '"value":[0-9]*' "$WORK/read" | cut -d: -f2 | tr '\n' ' ')" = "$(seq 100 | tr '\n' ' ')" ] || fail "not 1 to 100 in order"
grep -q '"origin":"web-1".*"value":100' "$WORK/read" || fail "not web-1's: $(tail -n 1 "$WORK/read")"
echo ok
