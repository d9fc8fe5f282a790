#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# alerts.sh BUILD: the speed layer as a whole. A value rises above its threshold: the alert waits, fires, a command is run, it is resolved; all of it
# while the batch layer's database is locked. A killed alert process goes on where it was and says nothing twice. People silence and
# acknowledge; broken rules change nothing, a rule that is SQL joins what was there before it with an inventory; what an alert rests on is proven by verify.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

DBS=$WORK
at_finish() { touch "$WORK/unlock"; }
alerts() { "$MONITOR" alerts "$@" --alerts "$WORK/alerts.db"; }
level() { echo "{\"id\":\"$1\",\"value\":$2}" | weft_at servers-node publish level --wait -q; }
is() { # RULE STATE: of an alert
    { alerts list -o jsonl 2>/dev/null || true; } | grep "\"rule\":\"$1\"" | grep -q "\"state\":\"$2\""
}
id_of() { { alerts list -o jsonl 2>/dev/null || true; } | grep "\"rule\":\"$1\"" | sed -n 's/^{"schema":"[a-z0-9./]*","id":"\([0-9a-f]*\)".*/\1/p' | head -n 1; }
told() { # STATUS RULE: how many messages the command had
    grep "\"status\":\"$1\"" "$WORK/told" 2>/dev/null | grep -c "\"rule\":\"$2\"" || true
}
was_told() { [ "$(told "$1" "$2")" -ge 1 ]; }
alert_runs() { pgrep -P "$(cat "$WORK/monitor.pid")" -f "^weft-monitor alert" >"$WORK/alert-pid"; }

make_mesh servers
make_event servers-node level
(cd "$WORK" && "$WEFT" product new limits --kind inventory >/dev/null)
sed -i 's/domain: monitoring/domain: servers/' "$WORK/limits.yaml"
"$WEFT" product build "$WORK/limits.yaml" >/dev/null
weft_at servers-node product apply "$WORK/limits.yaml" >/dev/null
limit() { echo "$1" | weft_at servers-node publish limits --wait -q; }
until_ok limit '{"id":"a","value":90}'
make_reader servers-node watch service
cat >"$WORK/page" <<EOF2
#!/bin/sh
cat >>"$WORK/told"
EOF2
chmod 755 "$WORK/page"
cat >"$WORK/hook.py" <<'EOF2'
import http.server, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        with open(sys.argv[1], "ab") as f:
            f.write(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
    def log_message(self, *args):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
with open(sys.argv[1] + ".port", "w") as f:
    f.write(str(server.server_port))
server.serve_forever()
EOF2
start_program hook python3 "$WORK/hook.py" "$WORK/hooked"
until_ok test -s "$WORK/hooked.port"
to="{command: [\"$WORK/page\"]}, {webhook: \"http://127.0.0.1:$(cat "$WORK/hooked.port")/x\"}"
am_port=""
if command -v prometheus-alertmanager >/dev/null && command -v amtool >/dev/null; then
    am_port=$(free_port)
    printf 'route: {receiver: none, group_by: [alertname]}\nreceivers: [{name: none}]\n' >"$WORK/am.yml"
    start_program am prometheus-alertmanager --config.file="$WORK/am.yml" --storage.path="$WORK/am" \
        --web.listen-address="127.0.0.1:$am_port" --cluster.listen-address=
    to="$to, {alertmanager: \"http://127.0.0.1:$am_port\"}"
else
    echo "no prometheus-alertmanager here: it is not asked" >&2
fi
am() { amtool --alertmanager.url="http://127.0.0.1:$am_port" "$@"; }
am_has() { am alert query -o json "$@" | grep -q '"alertname": *"high"'; } # MATCHER...
am_has_not() { ! am_has "$@"; }
[ -z "$am_port" ] || until_ok am alert query
cat >"$WORK/rules.yaml" <<EOF2
notify: {wait: 0, interval: 0, to: [$to]}
rules:
  high:
    servers/level: value > 90 for 1s by id
    severity: critical
    summary: "{{id}} is at {{value}}"
  other:
    servers/level: value > 50 by id
  patient:
    servers/level: value > 90 for 1h by id
EOF2
start_program monitor "$MONITOR" run --dir "$WORK/watch" --db "$WORK/monitor.db" --alerts "$WORK/alerts.db" --rules "$WORK/rules.yaml" --every 1
until_ok level a 1
until_ok test -s "$WORK/monitor.db"
stored() { [ "$("$MONITOR" sql --db "$WORK/monitor.db" 'SELECT count(*) AS v FROM servers_level' -o jsonl 2>/dev/null | sed -n 's/.*"v":\([0-9]*\).*/\1/p')" -ge "$1" ]; }
until_ok stored 1
alerts test --rules "$WORK/rules.yaml"
until_ok grep -q '"status":"test"' "$WORK/told"
grep -q '"status":"test"' "$WORK/hooked" || fail "the hook was not tested"
[ -z "$am_port" ] || am alert query | grep -q weft-monitor-test || fail "Alertmanager was not tested"

echo "fires while the database of the batch layer is locked"
python3 - "$WORK/monitor.db" "$WORK/unlock" <<'EOF2' &
import os, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
db.execute("BEGIN EXCLUSIVE")
open(sys.argv[2] + ".locked", "w").close()
end = time.monotonic() + 1000
while not os.path.exists(sys.argv[2]) and time.monotonic() < end:
    time.sleep(0.02)
db.execute("ROLLBACK")
EOF2
locker=$!
until_ok test -e "$WORK/unlock.locked"
level a 95
until_ok is patient pending # as high is for a second
until_ok is high firing
until_ok was_told firing high
grep -q '"summary":"a is at 95"' "$WORK/told" || fail "no summary: $(cat "$WORK/told")"
until_ok grep -q '"summary":"a is at 95"' "$WORK/hooked"
if [ -n "$am_port" ]; then
    until_ok am_has id=a severity=critical product=servers/level
    am silence add alertname=high id=a -d 1h -a test -c "by amtool" >/dev/null
    until_ok am_has --silenced id=a
fi
status=0
alerts list >"$WORK/out" || status=$?
[ $status = 1 ] || fail "alerts list exits $status while one fires"
sqlite3 "file:$WORK/alerts.db?mode=ro" "VACUUM INTO '$WORK/copied.db'"
chmod 600 "$WORK/copied.db"
for row in "0 0 ''" "1 -3600 ''" "1 0 'rule high: not judged'"; do # exit, seconds since the process spoke, what it says
    read -r want seconds problem <<<"$row"
    sqlite3 "$WORK/copied.db" "DELETE FROM alert; UPDATE beat SET updated_ms = ($(date +%s) + $seconds) * 1000, problem = $problem"
    status=0
    "$MONITOR" alerts list --alerts "$WORK/copied.db" >"$WORK/out" 2>"$WORK/err" || status=$?
    [ "$status" = "$want" ] || fail "alerts list exits $status, not $want, where nothing fires ($row): $(cat "$WORK/err")"
    [ "$want" = 0 ] || grep -q 'judged' "$WORK/err" || fail "not told: $row"
done
stored 2 && fail "the database was not locked"

echo "a killed alert process goes on, and says nothing twice"
until_ok alert_runs
# Killed before it is written down, it would say so once more rather than never.
in_book() {
    python3 -c 'import sqlite3, sys
book = sqlite3.connect("file:%s?mode=ro" % sys.argv[1], uri=True)
sys.exit(not book.execute("SELECT count(*) FROM alert WHERE rule = ? AND told_ms > 0", sys.argv[2:]).fetchone()[0])' "$@" 2>/dev/null
}
until_ok in_book "$WORK/alerts.db" high
kill -KILL "$(cat "$WORK/alert-pid")"
killed=$(cat "$WORK/alert-pid")
is_back() { alert_runs && [ "$(cat "$WORK/alert-pid")" != "$killed" ]; }
until_ok is_back
before=$(told firing high)
level a 96
level b 60
until_ok was_told firing other
[ "$(told firing high)" = "$before" ] || fail "told again: $(cat "$WORK/told")"

echo "people"
alerts silence 'rule=high id=c' --for 1h --comment "known" >/dev/null
alerts ack "$(id_of other | cut -c 1-10)" --for 1h --comment "on it" >/dev/null
sleep 1.1 # what people say is heard within a second
level c 97
c_fires() { { alerts list -o jsonl 2>/dev/null || true; } | grep '"rule":"high"' | grep '"labels":{"id":"c"}' | grep -q '"state":"firing"'; }
until_ok c_fires
{ alerts list || true; } | grep -q "silence 1 by .*: known" || fail "not shown as silenced: $(alerts list)"
{ alerts list || true; } | grep -q "acknowledged by .*: on it" || fail "not shown as acknowledged: $(alerts list)"

echo "broken rules change nothing, new ones are taken"
cp "$WORK/rules.yaml" "$WORK/good.yaml"
echo "  worse: {servers/level: value >> 1}" >>"$WORK/rules.yaml"
kill -HUP "$(cat "$WORK/monitor.pid")"
until_ok grep -q "rules.yaml:11:33: want a value" "$WORK/monitor.log"
sed '/^  other:/,$d' "$WORK/good.yaml" >"$WORK/rules.yaml"
cat >>"$WORK/rules.yaml" <<'EOF2'
  limit:
    sql: |
      SELECT l.id, o.value AS most, l.value, max(l._time), l._origin, l._offset
      FROM servers_level l JOIN servers_limits o ON o.id = l.id
      GROUP BY l.id HAVING l.value > o.value
    over: [servers/level for 5m, servers/limits]
    every: 1s
    by: id
    summary: "{{id}} is at {{value}}, above {{most}}"
EOF2
kill -HUP "$(cat "$WORK/monitor.pid")"
until_ok is other resolved

echo "a rule that is SQL reads what was there before it, joined with an inventory"
until_ok was_told firing limit
grep -q '"summary":"a is at 96, above 90"' "$WORK/told" || fail "no summary of limit: $(grep limit "$WORK/told")"
"$MONITOR" rules check "$WORK/rules.yaml" --db "$WORK/monitor.db" >/dev/null || fail "its columns are not those of the database"
limit_row() { alerts show "$(id_of limit)" | sed -n 's/.*"role":"fired".*"offset":\([0-9]*\)},{"role":"last".*/\1/p'; }
row=$(limit_row)
alert_runs || fail "no alert process"
killed=$(cat "$WORK/alert-pid")
kill -KILL "$killed"
limit '{"@op":"delete","id":"a"}' # what fired before the kill ends by what came after it
until_ok is_back
until_ok is limit resolved

echo "it ends"
level a 10
level c 10
until_ok was_told resolved high
grep '"rule":"high"' "$WORK/told" | grep -q '"id":"c"' && fail "told of what is silenced: $(cat "$WORK/told")"
[ -z "$am_port" ] || until_ok am_has_not --silenced id=a
touch "$WORK/unlock"
wait $locker
until_ok stored 7
"$MONITOR" verify --db "$WORK/monitor.db" --dir "$WORK/watch" --row "servers_level:$row" || fail "what the SQL rests on is not proven"
id=$(id_of high)
alerts show "$id" >"$WORK/out"
row=$(sed -n 's/.*"role":"fired".*"offset":\([0-9]*\)},{"role":"last".*/\1/p' "$WORK/out")
"$MONITOR" verify --db "$WORK/monitor.db" --dir "$WORK/watch" --row "servers_level:$row" || fail "the evidence is not proven"
stop monitor
stop hook
[ -z "$am_port" ] || stop am
echo "$(grep -c . "$WORK/told") messages"
