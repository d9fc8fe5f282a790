#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# monitor-life.sh BUILD: what happens to a monitor while it runs: it is started again, a product's schema grows, a domain's node is gone and comes back,
# a domain revokes its token and grants anew. Each time status says what happened in words, the other domain's product goes on, and at the end every
# record that a writer had acknowledged is stored, once.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

status_of() { "$MONITOR" status --db "$WORK/watch.db"; }
line_of() { { status_of 2>/dev/null || true; } | grep "^servers/depth "; }
says() { line_of | grep -q -- "$1"; }
finds() { { status_of 2>/dev/null || true; } | sed -n '/^FINDING/,$p' | grep -q -- "$1"; } # what and why
is_well() { status_of >"$WORK/out" 2>&1; }
is_unwell() { ! is_well; }
stored() { monitor_value watch "SELECT count(*) AS v FROM $1"; }
has_stored() { [ "$(stored "$1")" -ge "$2" ]; }
goes_on() { # the other domain, at least 50 records further
    before=$(stored network_flow)
    until_ok has_stored network_flow $((before + 50))
}
watch() { start_program monitor-watch "$MONITOR" run --dir "$WORK/watch" --db "$WORK/watch.db" --every 1; }
grant() { # by hand
    weft_at servers-node access grant depth --to "$holder" --verb subscribe --for 1h --yes --out "$WORK/depth.cap" >/dev/null 2>&1
    "$WEFT" access import "$WORK/depth.cap" --dir "$WORK/watch" >/dev/null
}

for d in servers network; do make_domain $d; done
"$WEFT" mesh init acme --domain "$WORK/servers-root" --add "$WORK/network-root/network.weftdomain" --out "$WORK/acme.charter" >/dev/null
"$WEFT" charter sign "$WORK/acme.charter" --domain "$WORK/network-root" >/dev/null
for d in servers network; do "$WEFT" charter commit "$WORK/acme.charter" --dir "$WORK/$d-node" >/dev/null; done
for d in servers network; do
    [ $d = servers ] || printf 'seeds:\n  - address: "127.0.0.1:%s"\n    key: %s\n' "$(port_of servers-node)" "$(key_of servers-node)" >>"$WORK/$d-node/weftd.yaml"
    start $d-node
    until_ok weft_at $d-node node status
done
make_event network-node flow
(cd "$WORK" && "$WEFT" product new depth --kind event >/dev/null)
sed -i 's/domain: monitoring/domain: servers/; /^access:/,$d' "$WORK/depth.yaml"
"$WEFT" product build "$WORK/depth.yaml" >/dev/null
weft_at servers-node product apply "$WORK/depth.yaml" >/dev/null
make_reader network-node watch service
holder=$("$WEFT" key show --dir "$WORK/watch" -o json | sed 's/.*"identity":"\([^"]*\)".*/\1/')
grant
start_program flow "$BUILD/tests/e2e/ledger" "$WORK/network-node/run/weftd.sock" flow flow "$WORK/flow.ledger" 50
start_program depth "$BUILD/tests/e2e/ledger" "$WORK/servers-node/run/weftd.sock" depth depth "$WORK/depth.ledger" 50
watch
until_ok has_stored servers_depth 50
until_ok is_well

echo "started again: nothing is a finding afterwards"
stop monitor-watch
is_unwell || fail "nobody runs, and status exits 0"
finds "^monitor .*monitor stopped" || fail "not said: $(cat "$WORK/out")"
watch
goes_on
until_ok is_well

echo "a schema that grows"
sed -i 's/^}/  string note = 3;\n}/' "$WORK/depth.proto"
sed -i 's/^version:.*/version: 1.1.0/' "$WORK/depth.yaml"
"$WEFT" product build "$WORK/depth.yaml" >/dev/null
weft_at servers-node product apply "$WORK/depth.yaml" >/dev/null
echo '{"id":"a","value":0,"note":"new"}' | weft_at servers-node publish depth --wait -q
noted() { [ "$(monitor_value watch "SELECT note AS v FROM servers_depth WHERE note IS NOT NULL AND note <> '' LIMIT 1")" = new ]; }
until_ok noted
until_ok says "live.*with a changed schema"
until_ok is_well

echo "its domain is gone for some seconds: said while it lasts and afterwards"
before=$(stored servers_depth)
stop servers-node KILL 2>/dev/null
until_ok says "unreachable.*node unreachable"
until_ok finds "^servers/depth .*node unreachable .*asked again by itself"
is_unwell || fail "blind, and status exits 0"
goes_on
start servers-node
until_ok has_stored servers_depth $((before + 50))
until_ok says "live.*not seen for .*: node unreachable"
until_ok is_well

echo "its token is revoked, and a new one is granted"
token=$(weft_at servers-node access list -o jsonl -q | grep '"depth"' | sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p' | head -n 1)
weft_at servers-node access revoke "$token" >/dev/null
until_ok says "refused: its owner revoked the token"
until_ok finds "^servers/depth .*revoked the token .*ask its owner"
is_unwell || fail "blind, and status exits 0"
goes_on
before=$(stored servers_depth)
grant
until_ok has_stored servers_depth $((before + 50))
until_ok says "live.*not seen for .*its owner revoked the token"
until_ok is_well

echo "a backfill while it stores"
before=$(stored servers_depth)
"$MONITOR" backfill servers/depth --dir "$WORK/watch" --db "$WORK/watch.db" 2>"$WORK/out" || fail "backfill: $(cat "$WORK/out")"
read -r all added <<<"$(sed -n 's/.* 100.0 %, \([1-9][0-9]*\) read, \([0-9]*\) added$/\1 \2/p' "$WORK/out" | tail -n 1)"
# What was stored is not added; what came since may reach the backfill before the store.
if [ -z "$added" ] || [ "$added" -gt $((all - before)) ]; then fail "backfill beside $before stored: $(cat "$WORK/out")"; fi

echo "every record that was acknowledged, once"
stop depth
stop flow
for each in "servers_depth depth" "network_flow flow"; do
    # shellcheck disable=SC2086 # two words
    set -- $each
    written=$(tail -n 1 "$WORK/$2.ledger")
    table="$1 WHERE id = '$2'"
    has_all() { [ "$(monitor_value watch "SELECT CAST(max(value) AS INTEGER) AS v FROM $table")" = "$written" ]; }
    until_ok has_all
    values=$(monitor_value watch "SELECT count(*) || ' ' || count(DISTINCT value) AS v FROM $table")
    [ "$values" = "$written $written" ] || fail "$1 has $values of $written"
    echo "$1: $written records, each once"
done
[ "$(monitor_value watch "SELECT count(*) AS v FROM _loss")" = 0 ] || fail "losses"
