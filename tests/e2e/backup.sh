#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A node's disk dies and comes back from its backup, sealed and taken while records flow. Outside, files know what was acknowledged: what agents still had
# comes once, what nobody has any more is named, and a revocation made after the backup stays one.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

N=${WEFT_LOSS_RECORDS:-20} # records between the stations
alarmed() { weft_at servers-node node status | grep -q 'restored from a backup'; }
quiet() { ! alarmed; }
is_refused() { weft_at "$1" node status | grep -q 'revoked'; }
fails() { # STATUS TEXT COMMAND...
    want=$1 text=$2 got=0
    shift 2
    "$@" >"$WORK/out" 2>&1 || got=$?
    [ "$got" -eq "$want" ] || fail "status $got, not $want: $* $(cat "$WORK/out")"
    grep -q "$text" "$WORK/out" || fail "it does not say '$text': $(cat "$WORK/out")"
}
with_pass() { "$WEFT" node "$@" --passphrase-file "$WORK/pass"; }

make_domain servers
make_domain monitoring
(cd "$WORK" && "$WEFT" mesh init acme --domain servers-root --add monitoring-root/monitoring.weftdomain --out acme.charter >/dev/null)
"$WEFT" charter sign "$WORK/acme.charter" --domain "$WORK/monitoring-root" >/dev/null
for d in servers monitoring; do "$WEFT" charter commit "$WORK/acme.charter" --dir "$WORK/$d-node" >/dev/null; done
start servers-node
until_ok weft_at servers-node node status
port=$(port_of servers-node)
printf 'seeds:\n  - address: "127.0.0.1:%s"\n    key: %s\n' "$port" "$(key_of servers-node)" >>"$WORK/monitoring-node/weftd.yaml"
start monitoring-node
until_ok weft_at monitoring-node node status
mport=$(port_of monitoring-node)
printf 'seeds:\n  - address: "127.0.0.1:%s"\n    key: %s\n' "$mport" "$(key_of monitoring-node)" >>"$WORK/servers-node/weftd.yaml"
make_event servers-node hosted
for who in early late; do make_reader servers-node $who; done
for a in web-1 web-2; do
    make_agent $a "$(weft_at servers-node ticket create --kind agent --name $a)" 'sources: {enabled: off}'
    start $a
    until_ok has_manifest $a hosted
done

say web-1 hosted 1 "$N"
until_ok head_beyond servers-node hosted $((N - 1))
for who in early late; do
    read_on $who hosted "$N"
    expect_read $who 1 "$N"
done

echo "a backup, sealed, while its weftd writes on"
printf 'a passphrase for a test\n' >"$WORK/pass"
printf 'another one\n' >"$WORK/wrong"
chmod 600 "$WORK/pass" "$WORK/wrong"
say web-1 hosted $((N + 1)) $((2 * N)) &
with_pass backup "$WORK/node.weftbackup" --dir "$WORK/servers-node" >"$WORK/out" || fail "backup"
wait $!
grep -q 'read back whole' "$WORK/out" || fail "$(cat "$WORK/out")"
grep -q '^  sealed ' "$WORK/out" || fail "what it says of the seal: $(cat "$WORK/out")"
if grep -q 'NOT SEALED' "$WORK/out"; then fail "it is sealed: $(cat "$WORK/out")"; fi
"$WEFT" node backup "$WORK/open.weftbackup" --dir "$WORK/servers-node" --no-passphrase | grep -q 'NOT SEALED' || fail "no warning"
rm "$WORK/open.weftbackup"
[ "$(stat -c %a "$WORK/node.weftbackup")" = 600 ] || fail "others may read it"
fails 1 'already exists' with_pass backup "$WORK/node.weftbackup" --dir "$WORK/servers-node"
fails 77 'an agent is not backed up' with_pass backup "$WORK/a" --dir "$WORK/web-1"

echo "then: more records, one reader that has them, a revocation that another domain hears of; and the disk is gone"
until_ok head_beyond servers-node hosted $((2 * N - 1))
read_on late hosted "$N"
expect_read late $((N + 1)) $((2 * N))
weft_at servers-node agent revoke web-2 >/dev/null
stop web-2
monitoring_knows() { cat "$WORK"/monitoring-node/data/registry.db* | od -An -v -tx1 | tr -d ' \n' | grep -q "$revoked"; }
revoked=$(od -An -v -tx1 -j10 -N32 "$WORK/web-2/data/identity/node.key" | tr -d ' \n')
until_ok monitoring_knows
stop monitoring-node
{ stop servers-node KILL; } 2>/dev/null
rm -rf "$WORK/servers-node"
say web-1 hosted $((2 * N + 1)) $((3 * N)) # spooled: its node is gone

echo "what is no backup, or not opened, makes no node"
fails 77 'wrong passphrase' "$WEFT" node restore "$WORK/node.weftbackup" --dir "$WORK/servers-node" --passphrase-file "$WORK/wrong"
cp "$WORK/node.weftbackup" "$WORK/bad"
printf 'x' | dd of="$WORK/bad" bs=1 seek=2000 conv=notrunc status=none
fails 77 "$WORK/bad" with_pass restore "$WORK/bad" --dir "$WORK/servers-node"
head -c 100000 "$WORK/node.weftbackup" >"$WORK/short"
fails 65 'truncated\|data ends' with_pass restore "$WORK/short" --dir "$WORK/servers-node"
fails 65 'truncated: no whole backup' with_pass restore "$WORK/pass" --dir "$WORK/servers-node"
fails 1 'not empty' with_pass restore "$WORK/node.weftbackup" --dir "$WORK/web-2"
fails 1 'its directory does not exist' with_pass backup "$WORK/nowhere/file" --dir "$WORK/monitoring-node"
[ ! -e "$WORK/servers-node" ] || fail "something was made of it"

echo "a disk that has no room for it has nothing of it afterwards, nor of a backup"
on_a_small_disk() { # COMMAND...: in the empty directory $WORK/small, of 40 KiB
    if [ "$(id -u)" -eq 0 ]; then flags=-m; else flags=-rm; fi
    # shellcheck disable=SC2016 # for the shell in there
    unshare $flags sh -c 'mount -t tmpfs -o size=40k,mode=700 none "$1"; dir=$1; shift; "$@"; status=$?; [ -z "$(ls -A "$dir")" ] || echo "left: $(ls -A "$dir")"; exit $status' \
        sh "$WORK/small" "$@"
}
mkdir "$WORK/small"
if unshare -m true 2>/dev/null || unshare -rm true 2>/dev/null; then
    for dir in "$WORK/small" "$WORK/small/node"; do
        fails 69 "$dir: could not be restored: no space left; nothing of it was left there" on_a_small_disk "$WEFT" node restore "$WORK/node.weftbackup" --dir "$dir" --passphrase-file "$WORK/pass"
        if grep -q '^left:' "$WORK/out"; then fail "$(cat "$WORK/out")"; fi
    done
    fails 69 'small/b: no space left' on_a_small_disk "$WEFT" node backup "$WORK/small/b" --dir "$WORK/monitoring-node" --no-passphrase
    if grep -q '^left:' "$WORK/out"; then fail "$(cat "$WORK/out")"; fi
else
    echo "skipped: no mount namespaces here"
fi

echo "restored, it asks what was revoked meanwhile before it grants or takes anything"
with_pass restore "$WORK/node.weftbackup" --dir "$WORK/servers-node" >"$WORK/out" || fail "restore"
grep -q 'must not run again' "$WORK/out" || fail "$(cat "$WORK/out")"
start servers-node
until_ok alarmed
fails 75 'asks other nodes first' weft_at servers-node access grant hosted --to "$("$WEFT" key show --dir "$WORK/late" -o json | grep -o 'weftid1[a-z0-9]*' | head -n 1)" --verb query --for 1h
start monitoring-node
until_ok quiet
start web-2
until_ok is_refused web-2

echo "what the agent still had comes, once; who had read more has lost nothing"
until_ok spool_is_empty web-1
expect_the_rest hosted $((2 * N + 1)) $((3 * N)) "$N"

echo "its next start asks nobody"
stop servers-node
start servers-node
until_ok weft_at servers-node node status
if alarmed; then fail "asked twice"; fi
echo ok
