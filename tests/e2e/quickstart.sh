#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The quickstart, unattended: its one line of JSON holds what it measured; a signal at any stage ends it with nothing left.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
mkdir "$WORK/tmp"
export TMPDIR="$WORK/tmp" NO_COLOR=1

fail() {
    echo "FAILED: $*" >&2
    grep -hE '^(DIFFERS|  .*came and went)' "$WORK/log" >&2 || true
    tail -n 60 "$WORK/log" >&2
    exit 1
}
nothing_left() { # WHEN
    [ -z "$(ls -A "$TMPDIR")" ] || fail "$1: left behind: $(ls -A "$TMPDIR")"
    local left line
    left=$(grep -lsz "$TMPDIR" /proc/[0-9]*/cmdline /proc/[0-9]*/environ | sed 's|/proc/\([0-9]*\)/.*|\1|' | grep -vx "$$" || true)
    for pid in $left; do # this script's own subshells have our environment, too
        line=$( (tr '\0' ' ' <"/proc/$pid/cmdline") 2>/dev/null || true)
        case $line in *weft*) fail "$1: process $pid is left: $line" ;; esac
    done
}

until_said() { # TEXT, within four minutes
    local until=$((SECONDS + 240))
    until grep -q "$1" "$WORK/log" 2>/dev/null; do
        [ $SECONDS -lt $until ] || fail "waited too long for: $1"
        sleep 0.1
    done
}

# Where namespaces can be had, one file system has a name that takes care to read, and there are interfaces and sockets that nothing else on this machine
# opens and closes while they are compared; all of it goes with the namespaces.
odd="$WORK/an odd [disk] \"é\\" odd_device='a  b' in_namespace=()
mkdir "$odd"
if [ "$(id -u)" -eq 0 ] && unshare -nm true 2>/dev/null; then
    # shellcheck disable=SC2016 # the inner shell's own
    in_namespace=(unshare -nm bash -c 'ip link set lo up && { ip link add near type veth peer name far && ip addr add 192.0.2.1/24 dev near &&
        ip link set near up && ip link set far up || true; } && mount -t tmpfs -o size=64k "$1" "$2" && shift 2 && exec bash "$@"' mount "$odd_device" "$odd")
else
    in_namespace=(bash)
fi

echo "unattended, as short as may be, in a directory of the caller's"
"${in_namespace[@]}" "$ROOT/examples/quickstart.sh" --check --seconds 1 --dir "$WORK/mesh" >"$WORK/out" 2>"$WORK/log" || fail "status $?: $(cat "$WORK/out")"
nothing_left "after the run"
grep -qF "What it made stays in $WORK/mesh:" "$WORK/log" || fail "it does not say what stays"
[ -s "$WORK/mesh/monitor.db" ] || fail "nothing stays of what it said"
if [ "${in_namespace[0]}" = unshare ]; then
    [ "$(grep -c "filesystem *equal: $WORK/an odd \[disk\] ? $odd_device tmpfs 65536 " "$WORK/log")" -eq 2 ] || # host-1's and node-1's
        fail "the odd file system was not compared: $(grep filesystem "$WORK/log")"
fi
[ "$(wc -l <"$WORK/out")" -eq 1 ] || fail "not one line on standard output"
python3 -B - "$WORK/out" "$WORK/log" <<'CHECK' || fail "the line does not hold: $(cat "$WORK/out")"
import json, re, sys
line, log = json.load(open(sys.argv[1])), open(sys.argv[2]).read()
want = ["schema", "ok", "products", "records_stored", "verified_batches", "query_rows", "call_ok", "refused_without_capability",
        "read_after_revoke", "pub_share"]
assert list(line)[:len(want)] == want, list(line)
assert line["schema"] == "weft.quickstart/v1" and line["ok"] is True and line["products"] >= 8, line
assert line["call_ok"] is True and line["refused_without_capability"] is True and line["read_after_revoke"] is False, line
assert line["host_figures_differing"] == 0 and line["evidence"] == 24, line
# Each number is one that the narration showed from a command, not a constant.
proven = re.search(r"verified (\d+) batches, (\d+) records, (\d+) rows: all proven", log)
assert [int(n) for n in proven.groups()] == [line["verified_batches"], line["records_stored"], line["records_stored"]], proven.groups()
assert re.search(rf"^{line['query_rows']} rows from 2 origins", log, re.M), line["query_rows"]
assert re.search(rf"^{line['products']} products$", log, re.M), line["products"]
packages = re.findall(r"package +(\d+) of (\d+) equal", log)
assert len(packages) == 3 and all(a == b for a, b in packages), packages
CHECK

for case in 'TERM 7. The monitor' 'INT it collects for'; do
    signal=${case%% *} stage=${case#* }
    echo "SIG$signal at: $stage"
    rm -f "$WORK/log"
    # A script's background job ignores SIGINT, and no shell can undo that.
    python3 -B -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.setsid()
os.execvp("bash", ["bash", sys.argv[1], "--check", "--seconds", "60"])' "$ROOT/examples/quickstart.sh" >"$WORK/out" 2>"$WORK/log" &
    job=$!
    until_said "$stage"
    kill "-$signal" -- "-$job" # as a terminal does: to all of its foreground group
    ended=0
    wait $job || ended=$?
    case "$signal $ended" in "INT 130" | "TERM 143") ;; *) fail "status $ended after SIG$signal" ;; esac
    [ ! -s "$WORK/out" ] || fail "it speaks of success: $(cat "$WORK/out")"
    nothing_left "SIG$signal at $stage"
done

echo "bad arguments"
mkdir "$WORK/full" "$WORK/full/servers-root"
chmod 755 "$WORK/full"
ln -s nowhere "$WORK/dangling"
while IFS='|' read -r arguments want; do
    ended=0
    # shellcheck disable=SC2086 # two words
    bash "$ROOT/examples/quickstart.sh" $arguments >"$WORK/out" 2>"$WORK/log" || ended=$?
    [ $ended -eq 64 ] || fail "$arguments: status $ended"
    head -n 1 "$WORK/log" | grep -q "^quickstart: $want" || fail "$arguments: wanted $want"
    grep -q '^  --seconds N' "$WORK/log" || fail "$arguments: it does not show how it is used"
    ! grep -q Building "$WORK/log" || fail "$arguments: it began nevertheless"
done <<ROWS
--nothing|unknown option --nothing
--seconds|--seconds needs a value
--seconds x|--seconds x: not a number from 1 to 86400
--seconds 0|--seconds 0: not a number
--seconds 08|--seconds 08: not a number
--seconds -1|--seconds -1: not a number
--seconds 1.5|--seconds 1.5: not a number
--seconds 86401|--seconds 86401: not a number
--seconds 99999999999999999999|--seconds 99999999999999999999: not a number
--dir|--dir needs a value
--dir $WORK/full|--dir $WORK/full: not empty
--dir $WORK/log|--dir $WORK/log: not a directory
--dir $WORK/dangling|--dir $WORK/dangling: not a directory
ROWS
[ "$(ls -A "$WORK/full") $(stat -c %a "$WORK/full")" = "servers-root 755" ] || fail "a directory that was refused has changed"
nothing_left "bad arguments"
echo ok
