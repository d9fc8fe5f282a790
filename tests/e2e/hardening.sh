#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What protects a running weftd: keys in locked memory, no core dumps, a signer and a spawner of their own with next to nothing open, private
# files, and status that says so; and that status says the truth where locking is not possible.
# shellcheck disable=SC2034 # for lib.sh
BUILD=$1
# Sanitizers make mlock do nothing, so what locks is the program as it is shipped.
release=$(dirname "$0")/../../build/release
if nm -D "$BUILD/node/weftd" 2>/dev/null | grep -qE "__(asan|tsan)_init"; then
    [ -x "$release/node/weftd" ] || { echo "skipped: no release build" && exit 77; }
    BUILD=$(cd "$release" && pwd)
fi
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

field() { awk -v name="$2:" '$1 == name { print $2 }' "/proc/$1/status"; }
core_limit() { awk '/^Max core file size/ { print $5 }' "/proc/$1/limits"; }
child_of() { # PID NAME: the child process of that name
    for p in /proc/[0-9]*; do
        [ "$(awk '$1 == "PPid:" { print $2 }' "$p/status" 2>/dev/null)" = "$1" ] || continue
        [ "$(cat "$p/comm" 2>/dev/null)" = "$2" ] && basename "$p" && return
    done
    return 1
}

make_mesh servers
pid=$(cat "$WORK/servers-node.pid")
keeper=$(child_of "$pid" weftd-keeper) || fail "no process that keeps the signer"
signer=$(child_of "$keeper" weftd-signer) || fail "no signer process"
spawner=$(child_of "$pid" weftd-spawner) || fail "no spawner process"

echo "locked memory"
[ "$(field "$pid" VmLck)" -gt 0 ] || fail "weftd has no locked memory"
[ "$(field "$signer" VmLck)" -gt 0 ] || fail "the signer has no locked memory"

echo "no core dumps"
for p in "$pid" "$keeper" "$signer" "$spawner"; do
    [ "$(core_limit "$p")" = 0 ] || fail "process $p may dump core: limit $(core_limit "$p")"
done
status=$(weft_at servers-node node status)
echo "$status" | grep -q "core dumps: off" || fail "dumpable: $status"
echo "$status" | grep -q "keys: locked memory" || fail "keys: $status"

echo "confined children"
[ "$(field "$signer" NoNewPrivs)" = 1 ] || fail "the signer may gain privileges"
# 0, 1, 2, the pipe; the spawner has its signals too.
[ "$(find "/proc/$signer/fd" -type l | wc -l)" -le 4 ] || fail "the signer has open: $(ls -l "/proc/$signer/fd")"
[ "$(find "/proc/$keeper/fd" -type l | wc -l)" -le 4 ] || fail "the keeper has open: $(ls -l "/proc/$keeper/fd")"
[ "$(find "/proc/$spawner/fd" -type l | wc -l)" -le 5 ] || fail "the spawner has open: $(ls -l "/proc/$spawner/fd")"

echo "private files"
shared=$(find "$WORK/servers-node/data" "$WORK/servers-node/run" \( -type f -o -type d -o -type s \) -perm /077)
[ -z "$shared" ] || fail "others may touch: $shared"

echo "the signer is gone with its node, at once"
stop servers-node KILL
gone() { ! kill -0 "$signer" 2>/dev/null && ! kill -0 "$keeper" 2>/dev/null && ! kill -0 "$spawner" 2>/dev/null; }
until_ok gone

echo "where nothing can be locked, status says so"
WEFTD=$WORK/unlocked
drop=""
[ "$(id -u)" -ne 0 ] || drop="setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock" # no limit holds for root
printf '#!/bin/sh\nulimit -l 0\nexec %s %s "$@"\n' "$drop" "$BUILD/node/weftd" >"$WEFTD"
chmod +x "$WEFTD"
start servers-node
until_ok weft_at servers-node node status
weft_at servers-node node status | grep -q "NOT LOCKED" || fail "status claims locked memory"
grep -q "issuer's key is not in locked memory" "$WORK/servers-node.log" || fail "the signer does not say it"
echo ok
