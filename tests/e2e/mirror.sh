#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A mirror: a node of another domain holds a product that it can't read. Its home is killed; a reader whose lease lives goes on from the mirror
# and from its history, over a restart of the mirror too; nothing readable is on the mirror's disk; the home comes back and reading goes on there.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

mirror_is() { # STATE HEAD [NODE]
    weft_at "${3:-backup-node}" node status -o json | grep -q "\"mirrors\":\[{\"product\":\"servers/depth\",\"state\":\"$1\",\"home\":\"node-1\",\"head\":$2,"
}
has() { # LINES FILE
    [ "$(wc -l <"$2")" -ge "$1" ]
}
configure_mirror() { # LINE: of weftd.yaml, in force without a restart
    sed -i '/^mirror:/d' "$WORK/backup-node/weftd.yaml"
    [ -z "$1" ] || echo "$1" >>"$WORK/backup-node/weftd.yaml"
    kill -HUP "$(cat "$WORK/backup-node.pid")"
}
no_mirrors() {
    weft_at backup-node node status -o json | grep -q '"mirrors":\[\]'
}
batches() { # FROM TO: a batch for nearly each record
    i=$1
    while [ "$i" -le "$2" ]; do
        echo "{\"id\":\"plaintext-canary\",\"value\":$i}"
        i=$((i + 1))
        sleep 0.002
    done | weft_at servers-node publish depth --wait -q
}

make_domain servers
make_domain backup
make_domain vault
(cd "$WORK" && "$WEFT" mesh init acme --domain servers-root --add backup-root/backup.weftdomain --add vault-root/vault.weftdomain --out acme.charter >/dev/null)
for d in backup vault; do "$WEFT" charter sign "$WORK/acme.charter" --domain "$WORK/$d-root" >/dev/null; done
for d in servers backup vault; do "$WEFT" charter commit "$WORK/acme.charter" --dir "$WORK/$d-node" >/dev/null; done
start servers-node
until_ok weft_at servers-node node status
home_port=$(port_of servers-node)
printf 'seeds:\n  - address: "127.0.0.1:%s"\n    key: %s\n' "$home_port" "$(key_of servers-node)" >>"$WORK/backup-node/weftd.yaml"
sed -n '/^seeds:/,$p' "$WORK/backup-node/weftd.yaml" >>"$WORK/vault-node/weftd.yaml"
echo "mirror: [{product: servers/depth, age: 1h, bytes: 64MiB}]" >>"$WORK/vault-node/weftd.yaml"
make_event servers-node depth
batches 1 20 # before anybody holds a lease: under no epoch

echo "a mirror without the owner's word gets nothing; it begins with a reload"
start backup-node
until_ok weft_at backup-node node status
configure_mirror "mirror: [{product: servers/depth, age: 1h, bytes: 64MiB}]"
until_ok mirror_is refused 0
allow depth backup mirror
allow depth vault mirror
weft_at servers-node product apply "$WORK/depth.yaml" >/dev/null

echo "with it, it follows, and says so in its advert"
until_ok mirror_is following 20
make_reader servers-node reader
until_ok sh -c "'$WEFT' products --dir '$WORK/reader' | grep 'servers/depth' | grep -q ' 1 '"

echo "the home is killed while the reader sleeps; what it had not read comes from the mirror"
start_program reading "$WEFT" subscribe servers/depth --dir "$WORK/reader" --from earliest -n 620 --for 300s --stats
reading=$(cat "$WORK/reading.pid")
make_reader servers-node watch service
start_monitor watch --every 1
stores() { [ "$(monitor_value watch 'SELECT count(*) AS v FROM servers_depth')" -ge "$1" ]; }
until_ok has 21 "$WORK/reading.log" # with its state
until_ok stores 20
kill -STOP "$reading" "$(cat "$WORK/monitor-watch.pid")"
batches 21 320 # far more than is sent ahead of a reader who does not say where he is
until_ok mirror_is following 320
stop servers-node KILL
kill -CONT "$reading" "$(cat "$WORK/monitor-watch.pid")"
until_ok grep -q 'from mirror backup/node-1' "$WORK/reading.log"
until_ok has 320 "$WORK/reading.log"
until_ok stores 320 # and what came from a mirror is proven as any other
stop monitor-watch
audit 0 servers_depth:319 'servers/node-1 signed .* leads to the charter' --dir "$WORK/watch" --db "$DBS/watch.db"

echo "the mirror holds no record that it could read"
if grep -rqa 'plaintext-canary' "$WORK/backup-node"; then fail "found in $(grep -rla plaintext-canary "$WORK/backup-node")"; fi
grep -rqa 'weft/batch/v1' "$WORK/backup-node/data/mirror" || fail "nor any signed header: is it the right place?"
until_ok mirror_is away 320

echo "home and mirror come back; the reader returns to its home"
stop backup-node
start backup-node
until_ok mirror_is away 320
start servers-node
until_ok weft_at servers-node node status
batches 321 620
wait "$reading" || fail "the reader: $(tail -n 5 "$WORK/reading.log")"
rm "$WORK/reading.pid"
grep -v '^{"schema"' "$WORK/reading.log" >"$WORK/read"
[ "$(numbers "$WORK/read")" = "$(seq -s ' ' 1 620) " ] || fail "not each once and in order"
grep -q '"mirrored_records":[1-9]' "$WORK/reading.log" || fail "$(tail -n 1 "$WORK/reading.log")"
grep -q '"lost_records":0,.*"verify_failures":0' "$WORK/reading.log" || fail "$(tail -n 1 "$WORK/reading.log")"
until_ok mirror_is following 620
start vault-node
until_ok mirror_is following 620 vault-node
stop vault-node
batches 621 640
until_ok mirror_is following 640

read_on reader depth 630 # and it ends there, with its cursor
[ "$got" -eq 0 ] || fail "the reader: $(cat "$WORK/read.err")"
had=$(wc -l <"$WORK/read")
echo "127.0.0.1:$(port_of backup-node) $(key_of backup-node)" >>"$WORK/reader/seeds"

echo "taken out and put in again by reloads: what was held is held still"
configure_mirror ""
until_ok no_mirrors
stop servers-node
configure_mirror "mirror: [{product: servers/depth, age: 2h, bytes: 64MiB}]"
until_ok mirror_is away 640

echo "the home is away: a mirror that has less follows the one that has more"
start vault-node
from_mirror() {
    weft_at vault-node node status -o json | grep -q 'from mirror backup/node-1' && mirror_is following 640 vault-node
}
until_ok from_mirror

echo "a reader that was started again meanwhile has no key: it waits for its home, says so, and goes on at its cursor"
start_program again "$WEFT" subscribe servers/depth --dir "$WORK/reader" --cursor "$WORK/reader-depth.cursor" -n $((640 - had + 5)) --for 300s
again=$(cat "$WORK/again.pid")
until_ok grep -q 'holds it sealed, and the keys come from its node alone' "$WORK/again.log"
start servers-node
until_ok weft_at servers-node node status
batches 641 645
wait "$again" || fail "the reader: $(tail -n 5 "$WORK/again.log")"
rm "$WORK/again.pid"
[ "$(numbers "$WORK/again.log")" = "$(seq -s ' ' $((had + 1)) 645) " ] || fail "not each once from its cursor on: $(cat "$WORK/again.log")"
