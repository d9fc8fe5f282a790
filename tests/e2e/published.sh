#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# published.sh BUILD: rules and alerts between domains. An owner ships a rule with its product; a monitor of another domain takes it, and it fires.
# What is wrong with it changes nothing. The alerts are the product monitoring/alerts, which the owner's domain reads by a token of its own:
# each change once and in order, though the alert process is killed and the node beside it is away; a second monitor there judges them as any
# product. A product that its owner ends takes its rules along.
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

alerts() { "$MONITOR" alerts "$@" --alerts "$WORK/alerts.db"; }
level() { echo "{\"id\":\"$1\",\"value\":$2}" | weft_at servers-node publish level --wait -q; }
listed() { alerts list -o jsonl 2>/dev/null || true; }
is() { listed | grep "\"rule\":\"$1\"" | grep -q "\"state\":\"$2\""; } # RULE STATE
id_of() { listed | grep "\"rule\":\"$1\"" | sed -n 's/^{"schema":"[a-z0-9./]*","id":"\([0-9a-f]*\)".*/\1/p' | head -n 1; }
start_alert() {
    start_program alert "$MONITOR" alert --dir "$WORK/watch" --socket "$WORK/monitoring-node/run/weftd.sock" --alerts "$WORK/alerts.db" --rules "$WORK/rules.yaml" --every 1
}
low() { # VERSION RULE: what the owner of servers/level ships now
    printf 'rules:\n  low: {%s, summary: "{{id}} is low"}\n  several: {%s, over: level for 5m, every: 10s}\n' "$2" \
        'sql: "SELECT count(DISTINCT id) AS value FROM level HAVING value > 1"' >"$WORK/level.rules"
    sed -i "/^rules:/d; s/^version: .*/version: $1\nrules: level.rules/" "$WORK/level.yaml"
    weft_at servers-node product apply "$WORK/level.yaml" >"$WORK/out" 2>"$WORK/err"
}
taken() { # RULES [PROBLEM]: of servers/level, as the list of what is taken has it
    { "$MONITOR" rules taken --alerts "$WORK/alerts.db" -o jsonl || true; } | grep '"servers/level"' | grep "\"rules\":$1," | grep -q "${2-}"
}

for d in servers monitoring; do make_domain $d; done
"$WEFT" mesh init acme --domain "$WORK/servers-root" --add "$WORK/monitoring-root/monitoring.weftdomain" --out "$WORK/acme.charter" >/dev/null
"$WEFT" charter sign "$WORK/acme.charter" --domain "$WORK/monitoring-root" >/dev/null
for d in servers monitoring; do
    "$WEFT" charter commit "$WORK/acme.charter" --dir "$WORK/$d-node" >/dev/null
    start $d-node
    until_ok weft_at $d-node node status
    [ $d = monitoring ] || printf 'seeds:\n  - address: "127.0.0.1:%s"\n    key: %s\n' "$(port_of $d-node)" "$(key_of $d-node)" >>"$WORK/monitoring-node/weftd.yaml"
done
(cd "$WORK" && "$WEFT" product new level --kind event >/dev/null)
"$WEFT" product build "$WORK/level.yaml" >/dev/null
low 1.0.0 "when: value < 5 by id"
"$MONITOR" rules check --product "$WORK/level.yaml" | grep -q "2 rules" || fail "good rules are refused"
sed "s/descriptor: /descriptor: ${SHARE//\//\\/}\/products\/monitoring\//; s/domain: monitoring/domain: servers/" "$SHARE/products/monitoring/alerts.yaml" >"$WORK/alerts.yaml"
weft_at monitoring-node product apply "$WORK/alerts.yaml" >/dev/null
make_reader monitoring-node watch service
make_reader servers-node other
printf 'publish: alerts\ntake: {servers/level: {change: {low: {severity: info}}}}\nrules:\n  high: {servers/level: value > 90 by id}\n' >"$WORK/rules.yaml"
start_alert

echo "a rule that came with another domain's product fires"
until_ok taken 2
weft_at monitoring-node describe servers/level --rules | cmp - "$WORK/level.rules" || fail "describe has other rules"
level d 2
level a 95
until_ok is servers/level:low firing
alerts show "$(id_of servers/level:low)" >"$WORK/out"
grep -q '"by":"The team, servers/level 1.0.0","severity":"info"' "$WORK/out" || fail "whose rule is it? $(cat "$WORK/out")"
until_ok is high firing

echo "a second monitor, with a token of its own, judges the first one's alerts"
printf 'rules:\n  theirs: {monitoring/alerts: state == "firing" by rule}\n' >"$WORK/second.yaml"
start_program second "$MONITOR" alert --dir "$WORK/other" --socket "$WORK/servers-node/run/weftd.sock" --alerts "$WORK/second.db" --rules "$WORK/second.yaml" --every 1
theirs() { "$MONITOR" alerts list --alerts "$WORK/second.db" -o jsonl 2>/dev/null | grep '"rule":"theirs"' | grep '"state":"'"$2"'"' | grep -q "$1"; }
until_ok theirs high firing

echo "rules that are wrong are named, and the last good ones go on"
low 1.0.1 "servers/access: silent" && fail "apply takes rules about another product"
grep -q "level.rules:2:9: rules that come with a product look at that product alone" "$WORK/err" || fail "where? $(cat "$WORK/err")"
grep -q "no monitor would take them; weft-rules(5)" "$WORK/err" || fail "and now? $(cat "$WORK/err")"
mkdir "$WORK/alone" # an owner without a weft-monitor is told that they were not looked at
cp "$WEFT" "$WORK/alone/weft"
(WEFT=$WORK/alone/weft PATH=/usr/bin:/bin low 1.0.1 "servers/access: silent") || fail "not applied: $(cat "$WORK/err")"
grep -q "no weft-monitor here" "$WORK/err" || fail "nothing was said: $(cat "$WORK/err")"
grep -q "rules changed" "$WORK/out" || fail "apply does not say that rules changed: $(cat "$WORK/out")"
"$MONITOR" rules check --product "$WORK/level.yaml" 2>/dev/null && fail "rules about another product are good"
until_ok taken 2 "look at that product alone"
is servers/level:low firing || fail "rules that are wrong took the good ones with them"

echo "killed while its node is away"
stop monitoring-node
alerts ack "$(id_of high)" --for 1h --comment "on it" >/dev/null
waits() { # TEXT: a change of the alert high that the node does not have
    python3 -c 'import sqlite3, sys; sys.exit(not sqlite3.connect("file:%s?mode=ro" % sys.argv[1], uri=True).execute(
        "SELECT 1 FROM outbox WHERE json LIKE ? AND json LIKE ?", ("%high%", "%" + sys.argv[2] + "%")).fetchone())' "$WORK/alerts.db" "$1"
}
until_ok waits '"acknowledgedBy"'
level a 10
until_ok waits '"resolved"'
stop alert KILL
start_alert
low 1.0.2 "when: value < 1 by id"
start monitoring-node
until_ok weft_at monitoring-node node status
until_ok is servers/level:low resolved

echo "another domain reads it as a product: each change once, in order"
changes() { "$WEFT" subscribe monitoring/alerts --history --dir "$WORK/other" -o jsonl >"$WORK/changes" 2>"$WORK/err"; }
of() { # RULE: what was said of it, in order
    grep "\"rule\":\"$1\"" "$WORK/changes" | grep -o '"state":"[a-z]*"\|"acknowledgedBy"' | tr -d '\n'
}
has_all() { changes && [ "$(of servers/level:low)" = '"state":"firing""state":"resolved"' ]; }
until_ok has_all
[ "$(of high)" = '"state":"firing""state":"firing""acknowledgedBy""state":"resolved"' ] || fail "high: $(of high)"
grep '"rule":"high"' "$WORK/changes" | grep -q '"role":"fired","product":"servers/level","origin":"node-1"' || fail "no evidence: $(cat "$WORK/changes")"
"$WEFT" query monitoring/alerts "SELECT severity, state FROM alerts WHERE rule = 'servers/level:low'" --dir "$WORK/other" -o jsonl >"$WORK/out" 2>"$WORK/err"
grep -q '"severity":"info","state":"resolved"' "$WORK/out" || fail "the inventory: $(cat "$WORK/out" "$WORK/err")"

echo "SQL that came with the product has fired, and the product takes its rules along when it ends"
until_ok is servers/level:several firing
until_ok theirs high resolved
weft_at servers-node product remove level --yes >/dev/null
ended() { is servers/level:several resolved && ! taken 2; }
until_ok ended
stop second
stop alert
echo "$(grep -c . "$WORK/changes") records"
