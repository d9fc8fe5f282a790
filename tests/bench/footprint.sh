#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/footprint.sh [--minutes N] [--build DIR] [--check]
#   What a real agent takes of its host, beside node_exporter (Debian: prometheus-node-exporter) in the same minutes: memory as PSS of all its
#   processes (/proc/PID/smaps_rollup), which shares libraries with whoever else has them loaded, and, for root, alone: every page of theirs
#   once and whole (/proc/PID/pagemap), the C library's, too, as if nothing else ran on the host; and processor time (utime and stime, ended children included). The agent runs all of weft-host's
#   products of domains/servers, those that allow it every 10 s; node_exporter is scraped every 10 s.
#   --minutes N   [10]
#   --build D     programs that are built already [build/release, built here]
#   --check       exit 1 when the agent is above 10 MB (alone, where that can be seen) or 0.5 % of a core
# A node_exporter that is not installed is said and left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
ROOT=$PWD
minutes=10 build="" check=""
usage() { sed -n '3,12s/^# \{0,1\}//p' "$ROOT/tests/bench/footprint.sh"; }
while [ $# -gt 0 ]; do
    case "$1" in
    --minutes) minutes=${2:?} && shift 2 ;;
    --build) build=$(realpath "${2:?}") && shift 2 ;;
    --check) check=1 && shift ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 64 ;;
    esac
done
if [ -z "$build" ]; then
    cmake --preset release >/dev/null
    build=$ROOT/build/release
    cmake --build "$build" -j "$(nproc)" >/dev/null
fi

WORK=$(mktemp -d)
PYTHON=/usr/bin/python3
WEFT=$build/sdk/weft WEFTD=$build/node/weftd
PATH="$build/domains/common:$build/sdk:$PATH"
unset WEFT_DIR WEFT_SOCKET
export XDG_STATE_HOME="$WORK/state"
# shellcheck source=tests/bench/lib.sh
. "$ROOT/tests/bench/lib.sh"
pids=()
finish() {
    local status=$? pid
    trap - EXIT
    for pid in "${pids[@]}"; do stop_pid "$pid"; done 2>/dev/null
    rm -rf "$WORK"
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

tree_of() { # PID: it and its children, theirs too
    local child children
    echo "$1"
    children=$(cat "/proc/$1/task/"*/children 2>/dev/null) || true
    for child in $children; do tree_of "$child"; done
}

pss_kib() { # PID...: of all of them
    local pid
    for pid in "$@"; do cat "/proc/$pid/smaps_rollup" 2>/dev/null || true; done | awk '/^Pss:/ { n += $2 } END { print n + 0 }'
}

alone_kib() { # PID...: pages of all of them, each once; nothing where page frames are not shown
    "$PYTHON" - "$@" <<'END'
import struct, sys
PAGE = 4096
frames = set()
for pid in sys.argv[1:]:
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/pagemap", "rb", 0) as pages:
        for line in maps:
            if line.endswith(("[vsyscall]\n", "[vvar]\n", "[vdso]\n")):
                continue
            first, last = (int(x, 16) // PAGE for x in line.split()[0].split("-"))
            pages.seek(first * 8)
            here = pages.read((last - first) * 8)
            frames.update(e & (1 << 55) - 1 for (e,) in struct.iter_unpack("Q", here) if e >> 63)
print(len(frames) * PAGE // 1024 if len(frames) > 1 else "")
END
}

tree_ticks() { # PID...: with what ended children took
    local pid
    for pid in "$@"; do sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null || true; done | awk '{ n += $12 + $13 + $14 + $15 } END { print n + 0 }'
}

# ---- a mesh of one domain, and its agent -----------------------------------------------------------------------------------------

port=$(free_port)
"$WEFT" domain init servers --dir "$WORK/root" --no-passphrase >/dev/null
"$WEFT" node init --domain "$WORK/root" --dir "$WORK/node" --name node-1 --listen "127.0.0.1:$port" >/dev/null
printf 'streams: {ports: any}\nsources: {enabled: off}\n' >>"$WORK/node/weftd.yaml"
"$WEFT" mesh init acme --domain "$WORK/root" --node "$WORK/node" --out "$WORK/acme.charter" >/dev/null
(cd "$WORK/node" && exec "$WEFTD" -c weftd.yaml >"$WORK/node.log" 2>&1) &
node=$!
pids+=("$node")
within 30 "$WEFT" node status --dir "$WORK/node" || die "the node does not start"
for product in "$build"/share/weft/products/servers/*.yaml; do "$WEFT" product apply "$product" --dir "$WORK/node" >/dev/null; done
mkdir "$WORK/agent"
(umask 077 && "$WEFT" ticket create --kind agent --name web-1 --dir "$WORK/node" >"$WORK/agent/ticket")
printf 'role: agent\ndata: data\nsocket: run/weftd.sock\nticket: ticket\n' >"$WORK/agent/weftd.yaml"
(cd "$WORK/agent" && exec "$WEFTD" -c weftd.yaml >"$WORK/agent.log" 2>&1) &
agent=$!
pids+=("$agent")
delivers() { "$WEFT" node status --dir "$WORK/node" | awk '$1 == "memory" && $3 > 0 { found = 1 } END { exit !found }'; }
within 60 delivers || die "the agent does not deliver"

# ---- beside it -------------------------------------------------------------------------------------------------------------------

exporter=""
if command -v prometheus-node-exporter >/dev/null; then
    at=$(free_port)
    prometheus-node-exporter "--web.listen-address=127.0.0.1:$at" >"$WORK/exporter.log" 2>&1 &
    exporter=$!
    pids+=("$exporter")
    "$PYTHON" - "http://127.0.0.1:$at/metrics" <<'END' &
import sys, time, urllib.request
while True:
    try:
        urllib.request.urlopen(sys.argv[1], timeout=5).read()
    except OSError:
        pass
    time.sleep(10)
END
    pids+=($!)
else
    echo "no prometheus-node-exporter: left out" >&2
fi

# ---- the minutes -----------------------------------------------------------------------------------------------------------------

sleep 5 # what a start takes is not the subject
mapfile -t all < <(tree_of "$agent")
agent_from=$(tree_ticks "${all[@]}")
exporter_from=$([ -z "$exporter" ] || tree_ticks "$exporter")
from=$(date +%s)
sleep $((minutes * 60 - 5))
mapfile -t all < <(tree_of "$agent")
seconds=$(($(date +%s) - from))
agent_ticks=$(($(tree_ticks "${all[@]}") - agent_from))
hz=$(getconf CLK_TCK)

row() { # NAME PROCESSES PSS_KIB ALONE_KIB TICKS
    awk -v name="$1" -v n="$2" -v kib="$3" -v alone="$4" -v t="$5" -v s="$seconds" -v hz="$hz" \
        'BEGIN { printf "%-28s %9d %8.2f %8s %9.2f %10.3f\n", name, n, kib * 1024 / 1e6,
                 alone == "" ? "-" : sprintf("%.2f", alone * 1024 / 1e6), t / hz, 100 * t / hz / s }'
}
echo "after $seconds s; records of memory at the node: $("$WEFT" node status --dir "$WORK/node" | awk '$1 == "memory" { print $3; exit }')"
stop_pid "$node" # a host has no node beside its agent: what the two would share counts for the agent
printf '%-28s %9s %8s %8s %9s %10s\n' "" processes PSS_MB alone CPU_s core_%
pss=$(pss_kib "${all[@]}")
alone=$(alone_kib "${all[@]}" 2>/dev/null) || alone=""
row "weft agent, all of it" "${#all[@]}" "$pss" "$alone" "$agent_ticks"
for pid in "${all[@]}"; do
    printf '  %-26s %9s %8s\n' "$(tr '\0' ' ' <"/proc/$pid/cmdline" | sed "s#$build/[a-z/]*/##g" | cut -c 1-26)" "$pid" \
        "$(pss_kib "$pid" | awk '{ printf "%.2f", $1 * 1024 / 1e6 }')"
done
if [ -n "$exporter" ]; then row node_exporter 1 "$(pss_kib "$exporter")" "$(alone_kib "$exporter" 2>/dev/null)" $(($(tree_ticks "$exporter") - exporter_from)); fi
[ -z "$check" ] || awk -v kib="${alone:-$pss}" -v t="$agent_ticks" -v s="$seconds" -v hz="$hz" \
    'BEGIN { exit !(kib * 1024 < 10e6 && 100 * t / hz / s < 0.5) }' || { echo "above 10 MB or 0.5 % of a core" >&2; exit 1; }
