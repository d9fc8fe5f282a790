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

until_said() { # TEXT, within a minute
    local until=$((SECONDS + 60))
    until grep -q "$1" "$WORK/log" 2>/dev/null; do
        [ $SECONDS -lt $until ] || fail "waited too long for: $1"
        sleep 0.1
    done
}

echo "unattended"
bash "$ROOT/examples/quickstart.sh" --check --seconds 12 >"$WORK/out" 2>"$WORK/log" || fail "status $?: $(cat "$WORK/out")"
nothing_left "after the run"
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
for arguments in --nothing '--seconds x' '--seconds' '--dir'; do
    ended=0
    # shellcheck disable=SC2086 # two words
    bash "$ROOT/examples/quickstart.sh" $arguments >"$WORK/out" 2>"$WORK/log" || ended=$?
    [ $ended -eq 64 ] || fail "$arguments: status $ended"
done
nothing_left "bad arguments"
echo ok
