#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/alert_delay.sh BUILD [RECORDS/S] [SECONDS] [ONE_IN]
# How long from a record's time to the message about it, while records come at a rate and the batch layer's database is locked all the time: one in
# ONE_IN (500) records is above the threshold and an alert and a group of its own, so that a minute at 20,000/s has 2,400 groups, and two rules that
# are SQL look at the last ten seconds each second. Prints percentiles, the processor time of the alert process, what the SQL found,
# and whether the database has each record once when it was opened again: the numbers that the publisher counted, which stand in the values.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$(cd "$1" && pwd)
RATE=${2:-20000}
SECONDS_LONG=${3:-20}
ONE_IN=${4:-500}
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

make_mesh servers
make_event servers-node level
make_reader servers-node watch service
cat >"$WORK/rules.yaml" <<EOF2
notify: {wait: 0, interval: 0, repeat: 0, group: [id], to: [stdout]}
rules:
  high:
    servers/level: value > 90 by id
  many-hot:
    sql: SELECT count(*) AS n FROM servers_level WHERE value > 90 HAVING n > 3
    over: servers/level for 10s
    value: n
    every: 1s
  busy:
    sql: SELECT id, count(*) AS n FROM servers_level GROUP BY id HAVING n > 20
    over: servers/level for 10s
    value: n
    every: 1s
    by: id
EOF2
chmod 600 "$WORK/rules.yaml"
start_monitor watch --every 1
"$MONITOR" alert --dir "$WORK/watch" --alerts "$WORK/alerts.db" --rules "$WORK/rules.yaml" --every 1 >"$WORK/told" 2>"$WORK/alert.log" &
echo $! >"$WORK/alert.pid"
until_ok weft_at servers-node publish level --wait -q <<<'{"id":"first","value":99}'
until_ok grep -q first "$WORK/told"
python3 - "$WORK/watch.db" "$WORK/unlock" <<'EOF2' &
import os, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
db.execute("BEGIN EXCLUSIVE")
open(sys.argv[2] + ".locked", "w").close()
end = time.monotonic() + 600
while not os.path.exists(sys.argv[2]) and time.monotonic() < end:
    time.sleep(0.05)
db.execute("ROLLBACK")
EOF2
locker=$!
until_ok test -e "$WORK/unlock.locked"
python3 - "$RATE" "$SECONDS_LONG" "$ONE_IN" <<'EOF2' | weft_at servers-node publish level -q
import sys, time
rate, seconds, one_in = (int(a) for a in sys.argv[1:])
begin, sent = time.monotonic(), 0
while sent < rate * seconds:
    due = int((time.monotonic() - begin) * rate)
    lines = []
    while sent < min(due, rate * seconds):
        hot = sent % one_in == one_in // 2
        lines.append('{"id":"%s","value":%.9f}' % (f"hot-{sent}" if hot else f"cold-{sent % 100}", sent / 1e9 + (100 if hot else 0)))
        sent += 1
    sys.stdout.write("\n".join(lines) + "\n" if lines else "")
    sys.stdout.flush()
    time.sleep(0.005)
EOF2
stored() { [ "$(monitor_value watch "SELECT records - 1 AS v FROM _status WHERE product = 'servers/level'")" -ge "$1" ]; } # without "first"
expected=$((RATE * SECONDS_LONG / ONE_IN))
all_told() { [ "$(grep -c '"hot-' "$WORK/told")" -ge "$expected" ]; }
DEADLINE=60
until_ok all_told
ticks=$(awk '{ print $14 + $15 }' "/proc/$(cat "$WORK/alert.pid")/stat")
stored 1 && fail "the database was not locked"
touch "$WORK/unlock"
wait $locker
records=$((RATE * SECONDS_LONG))
DEADLINE=600
until_ok stored "$records"
caught=$(($(date +%s) - $(stat -c %Y "$WORK/unlock")))
number="CAST(round((value - CASE WHEN value > 90 THEN 100 ELSE 0 END) * 1e9) AS INTEGER)"
there=$(monitor_value watch "SELECT count(*) || ' ' || count(DISTINCT $number) || ' ' || min($number) || ' ' || max($number) AS v FROM servers_level WHERE id <> 'first'")
[ "$there" = "$records $records 0 $((records - 1))" ] || fail "of $records records the database has (rows, different ones, first, last): $there"
[ "$(monitor_value watch "SELECT count(*) AS v FROM _loss")" = 0 ] || fail "losses"
echo "the database has each of the $records once, $caught s after it was opened: 0 lost"
python3 - "$WORK/told" "$RATE" "$SECONDS_LONG" "$ticks" "$(getconf CLK_TCK)" <<'EOF2'
import datetime, json, sys
def ms(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000
delays, of_sql = [], set()
for line in open(sys.argv[1], encoding="utf-8"):
    message = json.loads(line)
    for alert in message["alerts"]:
        if alert["rule"] != "high":
            of_sql.add((alert["rule"], alert["labels"].get("id")))
            continue
        fired = [e for e in alert["evidence"] if e["role"] == "fired"]
        if alert["labels"]["id"].startswith("hot-") and fired:
            delays.append(ms(message["sent"]) - ms(fired[0]["time"]))
delays.sort()
at = lambda share: delays[min(len(delays) - 1, int(len(delays) * share))]
records = int(sys.argv[2]) * int(sys.argv[3])
cpu = int(sys.argv[4]) / int(sys.argv[5])
print(f"{records} records at {sys.argv[2]}/s, {len(delays)} alerts: p50 {at(0.5):.0f} ms, p99 {at(0.99):.0f} ms, most {delays[-1]:.0f} ms; "
      f"{cpu / records * 1e6:.2f} CPU s per million records; {len(of_sql)} alerts of SQL")
EOF2
