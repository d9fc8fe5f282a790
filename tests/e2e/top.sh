#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# weft top beside a node that works: samples as lines and as JSON equal what was published and read, silence has its cause, and a terminal is given back
# whatever ends it.
# shellcheck disable=SC2034,SC2015 # for lib.sh; failing is what the last branch is for
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

make_mesh servers
make_event servers-node depth
(cd "$WORK" && "$WEFT" product new quiet --kind event >/dev/null)
sed -i 's/domain: monitoring/domain: servers/; s/^freshness:.*/freshness: 1s/' "$WORK/quiet.yaml"
"$WEFT" product build "$WORK/quiet.yaml" >/dev/null
weft_at servers-node product apply "$WORK/quiet.yaml" >/dev/null
make_reader servers-node reader
until_ok has_manifest servers-node depth
start_program reading "$WEFT" subscribe -q servers/depth --dir "$WORK/reader" --from latest --for 600s
top() { weft_at servers-node top "$@"; }
json() { # EXPRESSION over the samples t of FILE: its value is printed
    python3 -B -c 'import json, sys
t = [json.loads(line) for line in open(sys.argv[1])]
one = lambda rows, key, name: [r for r in rows if r[key] == name][0]
print(eval(sys.argv[2]))' "$1" "$2"
}
is_reading() { top --once --every 100ms --json >"$WORK/one" && [ "$(json "$WORK/one" 'one(t[0]["products"], "product", "depth")["leases"]')" = 1 ]; }
until_ok is_reading

echo "samples while 300 records are published: the rates add up to them, the reader is named and has no lag"
top --every 1s --json >"$WORK/samples" &
sampling=$!
echo $sampling >"$WORK/sampling.pid"
until_ok test -s "$WORK/samples" # from here on nothing escapes it
say servers-node depth 1 300
sum() { json "$WORK/samples" 'round(sum(one(s["products"], "product", "depth")["records_per_s"] * s["interval_ms"] / 1000 for s in t))'; }
has_all() { told=$(sum) && [ "$told" -ge 300 ]; }
until_ok has_all
[ "$told" -eq 300 ] || fail "$told records in all samples, not 300: $(cat "$WORK/samples")"
rm "$WORK/sampling.pid"
kill -TERM $sampling
wait $sampling 2>/dev/null || true
top --count 3 --every 100ms --json >"$WORK/one"
[ "$(json "$WORK/one" 'len(t)')" = 3 ] || fail "not three samples"
caught_up() { top --once --every 100ms --json >"$WORK/one" && [ "$(json "$WORK/one" '[(r["reader"], r["lag"]) for r in t[0]["readers"]]')" = "[('servers/reader', 0)]" ]; }
until_ok caught_up
for queue in mailbox log pending sender ahead pulls sessions requests workers-live gossip sources; do
    json "$WORK/one" "one(t[0]['queues'], 'queue', '$queue')['dropped']" >/dev/null || fail "no queue $queue"
done

echo "what is silent says since when and why"
got=$(json "$WORK/one" '[one(t[0]["products"], "product", "quiet")[k] for k in ("silent", "age_ms", "cause")]')
[ "$got" = "[True, None, 'nobody publishes']" ] || fail "quiet: $got"
top --once --every 100ms --sort age >"$WORK/lines"
grep -qE '^quiet .*never +SILENT: nobody publishes' "$WORK/lines" || fail "lines: $(cat "$WORK/lines")"
grep -q '^servers/reader ' "$WORK/lines" || fail "no reader: $(cat "$WORK/lines")"

echo "an agent shows its uplink, its spool and its queues"
make_agent web-1 "$(weft_at servers-node ticket create --kind agent --name web-1)"
start web-1
until_ok has_manifest web-1 depth
say web-1 depth 301 310
weft_at web-1 top --once --every 100ms --json >"$WORK/one" || fail "top of an agent"
[ "$(json "$WORK/one" '(t[0]["kind"], len(t[0]["peers"]), one(t[0]["queues"], "queue", "spool")["max_bytes"], t[0]["lost_records"])')" = "('agent', 1, 268435456, 0)" ] ||
    fail "agent: $(cat "$WORK/one")"
weft_at web-1 node status >"$WORK/lines" && grep -q '^uplink ' "$WORK/lines" || fail "status of an agent: $(cat "$WORK/lines")"
shows_agent() { top --once --every 100ms --json >"$WORK/one" && [ "$(json "$WORK/one" '[(a["agent"], a["state"]) for a in t[0]["agents"]]')" = "[('web-1', 'up')]" ]; }
until_ok shows_agent

echo "usage"
for wrong in "--every 1ms" "--every x" "--count 0" "--count 1x" "--sort size"; do
    got=0
    # shellcheck disable=SC2086 # two words each
    top $wrong >"$WORK/out" 2>&1 || got=$?
    [ "$got" -eq 64 ] || fail "$wrong: $got: $(cat "$WORK/out")"
done

echo "a terminal is given back after q, and after signals"
for how in ssq INT TERM HUP; do
    python3 -B "$(dirname "$0")/terminal.py" "$how" depth "$WEFT" top --every 200ms --dir "$WORK/servers-node" || fail "terminal: $how"
done

echo "nobody there"
stop servers-node
got=0
top --once >"$WORK/out" 2>"$WORK/err" || got=$?
[ "$got" -eq 69 ] && grep -q 'no weftd answers at' "$WORK/err" || fail "status $got: $(cat "$WORK/err")"
echo ok
