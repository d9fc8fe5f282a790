#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An agent's spool at its bounds: what waits too long is given up, what does not fit is dropped or waits, and readers are told exactly how
# much is missing and where; confidential records lie there sealed; deliveries go on over another uplink when one dies.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

relay=""
at_finish() { [ -z "$relay" ] || kill "$relay" 2>/dev/null || true; }
make_product() { # NAME CLASSIFICATION [LINE...]
    (cd "$WORK" && "$WEFT" product new "$1" --kind event >/dev/null)
    sed -i "s/domain: monitoring/domain: servers/; s/^classification:.*/classification: $2/" "$WORK/$1.yaml"
    for line in "${@:3}"; do echo "$line" >>"$WORK/$1.yaml"; done
    "$WEFT" product build "$WORK/$1.yaml" >/dev/null 2>&1
    weft_at servers-node product apply "$WORK/$1.yaml" >/dev/null
}
spool_files() { find "$WORK/web-1/data/spool" -type f -name '*[0-9]*'; }
read_all() { # PRODUCT COUNT: into $WORK/read, losses into $WORK/read.log; 2 says that something was lost
    got=0
    "$WEFT" subscribe "servers/$1" --dir "$WORK/reader" --from earliest -n "$2" --for 60s >"$WORK/read" 2>"$WORK/read.log" || got=$?
}

make_mesh servers
cat >"$WORK/counter" <<'SH'
#!/bin/sh
# Two hundred records of 2 KiB that don't compress a second, numbered over restarts.
cd "$(dirname "$0")" || exit 78
n=$(cat n 2>/dev/null || echo 0)
while :; do
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        n=$((n + 1))
        echo "{\"id\":\"$(head -c 1500 /dev/urandom | base64 -w 0)\",\"value\":$n}"
    done
    echo $n >n
    sleep 0.05
done
SH
chmod 755 "$WORK/counter"
make_product depth internal
make_product secret confidential "compression: none"
make_product open internal "compression: none"
make_product burst internal "collect: {run: [$WORK/counter]}" "hosts: [web-1]"
"$WEFT" join "$(weft_at servers-node ticket create --kind user --name reader)" --dir "$WORK/reader" >/dev/null
make_agent web-1 "$(weft_at servers-node ticket create --kind agent --name web-1)" 'spool: {age: 5s, bytes: 64MiB}' 'sources: {enabled: off}'
start web-1
for p in depth secret open; do until_ok has_manifest web-1 $p; done

echo "at rest: confidential records are sealed, others need not be"
say web-1 depth 1 10
until_ok head_beyond servers-node depth 9
stop servers-node
echo '{"id":"needle-one-in-the-spool","value":1}' | weft_at web-1 publish open --wait -q
echo '{"id":"needle-two-in-the-spool","value":1}' | weft_at web-1 publish secret --wait -q
spool_files | xargs grep -qa needle-one || fail "what is not confidential is not to be found either: the search is blind"
if spool_files | xargs grep -qa needle-two; then fail "a confidential record lies open in the spool"; fi

echo "older than spool.age: given up as a whole, told with its exact number"
say web-1 depth 11 30
given_up() { [ "$(sed -n 's/.*[" ]\([0-9]*\) records of depth waited longer than spool.age and are lost.*/\1/p' "$WORK/web-1.log" | awk '{ n += $1 } END { print n + 0 }')" -eq 20 ]; }
until_ok given_up
start servers-node
until_ok head_beyond servers-node depth 29 # it is told; what is said before that may grow too old on the way
say web-1 depth 31 40
until_ok head_beyond servers-node depth 39
read_all depth 20
[ "$(numbers "$WORK/read")" = "$(seq 1 10 | tr '\n' ' ')$(seq 31 40 | tr '\n' ' ')" ] || fail "not 1-10 and 31-40: $(numbers "$WORK/read")"
told=$(sed -n 's/^lost: \([0-9]*\) records, numbers [0-9]* to [0-9]* of web-1.*/\1/p' "$WORK/read.log" | awk '{ n += $1 } END { print n + 0 }') # of one batch or of some
[ "$told" -eq 20 ] || fail "the loss was not told as 20 records: $(cat "$WORK/read.log")"
[ "$got" -eq 2 ] || fail "status $got where something was lost"

echo "larger than spool.bytes: the source that fills it drops, a small product is heard; the hole has its exact place and length"
stop web-1
sed -i 's/^spool:.*/spool: {age: 1h, bytes: 1MiB}/; s/^sources:.*//' "$WORK/web-1/weftd.yaml"
start web-1
until_ok head_beyond servers-node burst 50
stop servers-node
is_full() { weft_at web-1 node status | grep -q 'spool-share: burst has its share'; }
until_ok is_full
now_at() { cat "$WORK/n"; }
from=$(now_at)
went_on() { [ "$(now_at)" -gt $((from + 100)) ]; }
until_ok went_on
say web-1 depth 41 50
start servers-node
until_ok weft_at servers-node node status
told=$(head_of servers-node burst)
until_ok head_beyond servers-node burst "$told" # the uplink is back, however long its pause was
from=$(now_at)
until_ok went_on
stop web-1
head_of servers-node burst >"$WORK/head"
"$WEFT" subscribe servers/burst --dir "$WORK/reader" --from earliest --for 60s >"$WORK/read" 2>"$WORK/read.log" &
reader=$!
cat >"$WORK/holes.py" <<'PY'
import re, sys
work = sys.argv[1]
got = [int(v) for v in re.findall(r'"value":(\d+)', open(f"{work}/read").read())]
losses = [int(v) for v in re.findall(r"^lost: (\d+) records, numbers", open(f"{work}/read.log").read(), re.M)]
missing = sum(b - a - 1 for a, b in zip(got, got[1:]) if b > a + 1)
if len(got) + sum(losses) != int(open(f"{work}/head").read()):
    sys.exit(f"{len(got)} records and losses of {losses} do not make the head yet")
if got != sorted(set(got)):
    sys.exit("not in order, or twice")
if not losses or missing != sum(losses):
    sys.exit(f"{missing} numbers are missing, {losses} were told")
print(f"{len(got)} records read, {missing} missing, told as {losses}")
PY
until_ok python3 "$WORK/holes.py" "$WORK"
python3 "$WORK/holes.py" "$WORK"
kill $reader
wait $reader || true
monitor="$BUILD/domains/monitoring/weft-monitor"
"$monitor" run --once --dir "$WORK/reader" --db "$WORK/monitor.db" --product servers/burst >"$WORK/monitor.log" 2>&1 || true
told=$("$monitor" sql --db "$WORK/monitor.db" -o jsonl 'SELECT sum("to" - "from") AS n FROM _loss' | sed 's/.*"n":\([0-9]*\).*/\1/')
[ "$told" = "$(awk '/^lost: / { n += $2 } END { print n }' "$WORK/read.log")" ] || fail "the monitor was told of $told: $(cat "$WORK/read.log")"
read_all depth 30
[ "$(numbers "$WORK/read" | cut -d' ' -f21-30)" = "$(seq -s' ' 41 50)" ] || fail "of the small product came not 41 to 50: $(numbers "$WORK/read")"

echo "another uplink when one dies"
python3 "$(dirname "$0")/relay.py" "$port" >"$WORK/relay.port" &
relay=$!
until_ok test -s "$WORK/relay.port"
key=$("$WEFT" key show "$WORK/servers-node" -o json | grep -o 'weftdh1[a-z0-9]*' | head -n 1)
make_agent web-2 "$(weft_at servers-node ticket create --kind agent --name web-2)" "uplinks:" \
    "  - {address: '127.0.0.1:1', key: $key}" "  - {address: '127.0.0.1:$(cat "$WORK/relay.port")', key: $key}" "  - {address: '127.0.0.1:$port', key: $key}"
start web-2
until_ok has_manifest web-2 depth
uplink_is() { weft_at web-2 peers | grep -q "127.0.0.1:$1 .*[0-9] s "; }
until_ok uplink_is "$(cat "$WORK/relay.port")"
before=$(head_of servers-node depth)
say web-2 depth 101 110
until_ok head_beyond servers-node depth $((before + 9))
kill $relay
wait $relay 2>/dev/null || true
say web-2 depth 111 120
until_ok head_beyond servers-node depth $((before + 19))
uplink_is "$port" || fail "not over the last uplink: $(weft_at web-2 peers)"
read_all depth 50
[ "$(numbers "$WORK/read" | cut -d' ' -f31-50)" = "$(seq -s' ' 101 120)" ] || fail "not 101 to 120: $(numbers "$WORK/read")"
echo ok
